import { ConfigError } from '../../core/errors';
import { parseCertificate } from '../certificate';
import { splitPemChain } from '../pem';
import type { CollateralAuthority } from './development-collateral';
import { readDevelopmentFile, readDevelopmentKey } from './development-files';

/**
 * Opens what signs the collateral of a folder that `createDevelopmentRoot` made.
 *
 * @throws ConfigError bad_development_root
 */
export async function openDevelopmentAuthority(folder: string): Promise<CollateralAuthority> {
  const [rootDer, chain, pckCaKey, rootCrl, tcbSigningDer, tcbSigningKey] = await Promise.all([
    readDevelopmentFile(folder, 'root'),
    readDevelopmentFile(folder, 'pckChain'),
    readDevelopmentKey(folder, 'pckCaKey'),
    readDevelopmentFile(folder, 'rootCrl'),
    readDevelopmentFile(folder, 'tcbSigning'),
    readDevelopmentKey(folder, 'tcbSigningKey'),
  ]);
  const [, pckCaDer] = splitPemChain(chain, 3);
  if (pckCaDer === undefined) throw new ConfigError('bad_development_root', `the chain in ${folder} has no CA`, { folder });
  const nameOf = (der: Uint8Array) => parseCertificate(der).commonName;
  return {
    rootDer,
    rootCrl,
    pckCa: { der: pckCaDer, commonName: nameOf(pckCaDer), key: pckCaKey },
    tcbSigning: { der: tcbSigningDer, commonName: nameOf(tcbSigningDer), key: tcbSigningKey },
  };
}
