import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { utf8 } from '../../core/bytes';
import { ConfigError, codeOf } from '../../core/errors';
import { toPem } from '../pem';
import { type Issued, issueCertificate, issueRevocationList } from './development-certificates';
import { DEVELOPMENT_FILES } from './development-files';
import { writeSgxExtension } from './platform-certificate';

const DAY_SEC = 86_400;
/** Longer than any time travel on a local network. */
const LIFE_SEC = 30 * 365 * DAY_SEC;

/**
 * The development root of a folder: made at the first call, with the one simulated platform that it will ever certify, and kept
 * after that. The root's key is forgotten as soon as it has signed; the others stay, so that collateral never gets old.
 * The folder is 0700, its files 0600; it appears complete or not at all. Returns the root certificate, DER.
 *
 * @throws ConfigError bad_development_root
 */
export async function createDevelopmentRoot(folder: string, nowSec: number): Promise<Uint8Array> {
  const rootFile = join(folder, DEVELOPMENT_FILES.root);
  const present = await readIfPresent(rootFile);
  if (present !== null) return present;
  const made = makePlatform(nowSec);
  const draft = `${folder}.${randomBytes(4).toString('hex')}.new`;
  try {
    await mkdir(draft, { recursive: true, mode: 0o700 });
    for (const [name, bytes] of Object.entries(made)) await writeFile(join(draft, name), bytes, { mode: 0o600, flag: 'wx' });
    await rename(draft, folder);
  } catch (cause) {
    await rm(draft, { recursive: true, force: true }).catch(() => undefined);
    // Somebody else may have been first.
    const other = await readIfPresent(rootFile);
    if (other !== null) return other;
    throw new ConfigError(
      'bad_development_root',
      `the development root cannot be made in ${folder}: ${codeOf(cause)}`,
      { folder },
      { cause },
    );
  }
  return made[DEVELOPMENT_FILES.root];
}

function makePlatform(nowSec: number): Readonly<Record<(typeof DEVELOPMENT_FILES)[keyof typeof DEVELOPMENT_FILES], Uint8Array>> {
  const validity = { notBeforeSec: nowSec - DAY_SEC, notAfterSec: nowSec + LIFE_SEC };
  const root = issueCertificate({ ...validity, commonName: 'SIMULATED SGX Root CA', pathLength: 1 }, null);
  const ca = issueCertificate({ ...validity, commonName: 'SIMULATED SGX PCK Platform CA', pathLength: 0 }, root);
  const pck = issueCertificate(
    { ...validity, commonName: 'SIMULATED SGX PCK Certificate', pathLength: null, extensions: [writeSgxExtension()] },
    ca,
  );
  const tcbSigning = issueCertificate({ ...validity, commonName: 'SIMULATED SGX TCB Signing', pathLength: null }, root);
  const rootCrl = issueRevocationList(root, { thisUpdateSec: validity.notBeforeSec, nextUpdateSec: validity.notAfterSec, revoked: [] });
  const pkcs8 = ({ key }: Issued) => key.export({ format: 'der', type: 'pkcs8' });
  return {
    [DEVELOPMENT_FILES.root]: root.der,
    [DEVELOPMENT_FILES.pckChain]: utf8([pck, ca, root].map((certificate) => toPem(certificate.der)).join('')),
    [DEVELOPMENT_FILES.pckKey]: pkcs8(pck),
    [DEVELOPMENT_FILES.pckCaKey]: pkcs8(ca),
    [DEVELOPMENT_FILES.rootCrl]: rootCrl,
    [DEVELOPMENT_FILES.tcbSigning]: tcbSigning.der,
    [DEVELOPMENT_FILES.tcbSigningKey]: pkcs8(tcbSigning),
  };
}

/** Null for whatever cannot be read: what is then in the way shows when the folder is made. */
async function readIfPresent(file: string): Promise<Uint8Array | null> {
  try {
    return await readFile(file);
  } catch {
    return null;
  }
}
