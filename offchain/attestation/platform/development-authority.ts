import { ConfigError } from '../../core/errors';
import { parseCertificate } from '../certificate';
import { EvidenceError } from '../errors';
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
  try {
    const [, pckCaDer = new Uint8Array(0)] = splitPemChain(chain, 3);
    const named = (der: Uint8Array) => ({ der, commonName: parseCertificate(der).commonName });
    return { rootDer, rootCrl, pckCa: { ...named(pckCaDer), key: pckCaKey }, tcbSigning: { ...named(tcbSigningDer), key: tcbSigningKey } };
  } catch (cause) {
    if (!(cause instanceof EvidenceError)) throw cause;
    throw new ConfigError('bad_development_root', `a certificate in ${folder} is broken: ${cause.message}`, { folder }, { cause });
  }
}
