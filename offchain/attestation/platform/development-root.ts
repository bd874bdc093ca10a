import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { utf8 } from '../../core/bytes';
import { ConfigError, codeOf } from '../../core/errors';
import { toPem } from '../certificate';
import { DER_TAG } from '../der';
import { derBoolean, derElement, derInteger, derOctets, derOid, derSequence } from '../der-writer';
import { issueCertificate, toExtension } from './development-certificates';
import { SIMULATED_CPU_SVN } from './quote-writer';

/** What lies in a development root's folder. */
export const DEVELOPMENT_FILES = {
  /** The root certificate, DER: public, what a network's policy names. */
  root: 'root.der',
  /** The platform's certificate, its CA's and the root's, as PEM: what quotes carry. */
  pckChain: 'pck-chain.pem',
  /** The platform's private key, PKCS #8 DER: whoever has it can simulate any machine under this root. */
  pckKey: 'pck.key',
} as const;

/** What the platform's certificate says of it. */
const PCE_SVN = 13;
const FMSPC = Uint8Array.of(0x0d, 0x0e, 0x0f, 0, 0, 0);
const DAY_SEC = 86_400;
/** Longer than any time travel on a local network. */
const LIFE_SEC = 30 * 365 * DAY_SEC;

/**
 * The development root of a folder: made at the first call, with the one simulated platform that it will ever certify, and kept
 * after that. The keys of the root and of its CA are forgotten as soon as they have signed.
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
    { ...validity, commonName: 'SIMULATED SGX PCK Certificate', pathLength: null, extensions: [sgxExtension()] },
    ca,
  );
  return {
    [DEVELOPMENT_FILES.root]: root.der,
    [DEVELOPMENT_FILES.pckChain]: utf8([pck, ca, root].map((certificate) => toPem(certificate.der)).join('')),
    [DEVELOPMENT_FILES.pckKey]: pck.key.export({ format: 'der', type: 'pkcs8' }),
  };
}

/**
 * What a platform's certificate says of the platform.
 * Source: Intel SGX PCK Certificate and CRL Profile Specification, section 1.3.5: 1 PPID, 2 TCB (1-16 components, 17 PCE SVN,
 * 18 CPU SVN), 3 PCE id, 4 FMSPC, 5 SGX type (1: scalable), 6 platform instance id, 7 configuration (dynamic, cached keys, SMT).
 */
function sgxExtension(): Uint8Array {
  const oid = '1.2.840.113741.1.13.1';
  const field = (path: string, value: Uint8Array) => derSequence(derOid(`${oid}.${path}`), value);
  const components = Array.from(SIMULATED_CPU_SVN, (svn, i) => field(`2.${i + 1}`, derInteger(svn)));
  const value = derSequence(
    field('1', derOctets(randomBytes(16))),
    field('2', derSequence(...components, field('2.17', derInteger(PCE_SVN)), field('2.18', derOctets(SIMULATED_CPU_SVN)))),
    field('3', derOctets(new Uint8Array(2))),
    field('4', derOctets(FMSPC)),
    field('5', derElement(DER_TAG.enumerated, Uint8Array.of(1))),
    field('6', derOctets(randomBytes(16))),
    field('7', derSequence(field('7.1', derBoolean(true)), field('7.2', derBoolean(false)), field('7.3', derBoolean(true)))),
  );
  return toExtension(oid, false, value);
}

/** Null for whatever cannot be read: what is then in the way shows when the folder is made. */
async function readIfPresent(file: string): Promise<Uint8Array | null> {
  try {
    return await readFile(file);
  } catch {
    return null;
  }
}
