import { createPrivateKey, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError, codeOf } from '../../core/errors';

/** What lies in a development root's folder. */
export const DEVELOPMENT_FILES = {
  /** The root certificate, DER: public, what a network's policy names. */
  root: 'root.der',
  /** The platform's certificate, its CA's and the root's, as PEM: what quotes carry. */
  pckChain: 'pck-chain.pem',
  /** The platform's private key, PKCS #8 DER: whoever has it can simulate any machine under this root. */
  pckKey: 'pck.key',
  /** The private key of the CA, which signs the list of revoked platforms. */
  pckCaKey: 'pck-ca.key',
  /** The root's list of what it has revoked, DER: nothing. */
  rootCrl: 'root.crl',
  /** The certificate that signs what is said of platforms, DER, and its private key. */
  tcbSigning: 'tcb-signing.der',
  tcbSigningKey: 'tcb-signing.key',
} as const;

export type DevelopmentFile = keyof typeof DEVELOPMENT_FILES;

/** A file of a development root's folder. @throws ConfigError bad_development_root */
export async function readDevelopmentFile(folder: string, name: DevelopmentFile): Promise<Uint8Array> {
  const file = join(folder, DEVELOPMENT_FILES[name]);
  try {
    return await readFile(file);
  } catch (cause) {
    throw new ConfigError('bad_development_root', `${file} cannot be read: ${codeOf(cause)}`, { file }, { cause });
  }
}

/** A private key of a development root's folder. @throws ConfigError bad_development_root */
export async function readDevelopmentKey(folder: string, name: DevelopmentFile): Promise<KeyObject> {
  const der = await readDevelopmentFile(folder, name);
  try {
    return createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' });
  } catch (cause) {
    throw new ConfigError('bad_development_root', `${join(folder, DEVELOPMENT_FILES[name])} is not a key`, { folder }, { cause });
  }
}
