import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { toHex, utf8 } from '../../core/bytes';
import type { CryptoProvider } from '../../core/crypto';
import { nodeCrypto } from '../../runtime/node-crypto';
import { toPem } from '../certificate';
import { encodeClaims, SEALING_SUITE, type WorkerClaims } from '../claims';
import { encodeBundle, evidenceDigest, imageHashOf, reportDataOf } from '../evidence';
import { trimQuote } from '../quote';
import { loadTrustRoot, type TrustRoot } from '../trust-root';
import type { EvidenceInput } from '../verify-evidence';
import { type CertificatePlan, type Issued, issueCertificate } from './development-certificates';
import { type QuotingPlatform, SIMULATED_TD, writeQuote } from './quote-writer';

// What the tests of this room share: a simulated world in which everything holds, and ways to change one thing in it.

/** The clock of the tests, unix seconds. */
export const NOW = 1_790_000_000;
const YEAR = 365 * 86_400;

export function hex(byte: number, size = 32): string {
  return toHex(new Uint8Array(size).fill(byte));
}

/** A PKI and a platform in memory; each certificate's plan can be changed. */
export interface Pki {
  readonly root: Issued;
  readonly ca: Issued;
  readonly pck: Issued;
  readonly platform: QuotingPlatform;
}

export interface PkiChanges {
  readonly root?: Partial<CertificatePlan>;
  readonly ca?: Partial<CertificatePlan>;
  readonly pck?: Partial<CertificatePlan>;
}

export function makePki(changes: PkiChanges = {}): Pki {
  const validity = { notBeforeSec: NOW - YEAR, notAfterSec: NOW + YEAR };
  const root = issueCertificate({ ...validity, commonName: 'SIMULATED SGX Root CA', pathLength: 1, ...changes.root }, null);
  const ca = issueCertificate({ ...validity, commonName: 'SIMULATED SGX PCK Platform CA', pathLength: 0, ...changes.ca }, root);
  const pck = issueCertificate({ ...validity, commonName: 'SIMULATED SGX PCK Certificate', pathLength: null, ...changes.pck }, ca);
  return { root, ca, pck, platform: platformOf([pck, ca, root]) };
}

/** A platform whose quotes carry this chain and are signed by its leaf's key. */
export function platformOf(chain: readonly [Issued, ...Issued[]]): QuotingPlatform {
  return {
    pckKey: chain[0].key,
    pckChain: utf8(chain.map((certificate) => toPem(certificate.der)).join('')),
    attestationKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  };
}

/** A TD report over this report data, with recognisable measurements. */
export function tdReport(reportData: Uint8Array) {
  const register = (byte: number) => new Uint8Array(48).fill(byte);
  return { ...SIMULATED_TD, mrTd: register(1), rtmr: [register(2), register(3), register(4), register(5)], reportData } as const;
}

export const WORKER_CLAIMS: WorkerClaims = {
  version: 1,
  role: 'worker',
  network: `0:${hex(0x11)}`,
  owner: `0:${hex(0x22)}`,
  keys: { sealing: [{ suite: SEALING_SUITE, publicKey: hex(0x33) }], receipt: hex(0x44), notAfter: NOW + 86_400 },
  tls: null,
  model: { name: 'cocoon-demo', kind: 'files', hash: hex(0x55) },
  engine: { name: 'llama.cpp', version: '1.2.3' },
  image: 'cocoon-guest 0.1.0',
  gpu: null,
  block: { seqno: 1000, rootHash: hex(0x66) },
  issuedAt: NOW - 60,
};

/** A verification in which every check passes: change one thing and see it refused. */
export interface Scene {
  readonly pki: Pki;
  readonly root: TrustRoot;
  readonly quote: Uint8Array;
  readonly claims: Uint8Array;
  readonly input: EvidenceInput;
}

export async function makeScene(claims = encodeClaims(WORKER_CLAIMS), pki = makePki()): Promise<Scene> {
  const root = await loadTrustRoot({ kind: 'development', der: pki.root.der }, nodeCrypto);
  const td = tdReport(await reportDataOf(claims, nodeCrypto));
  const quote = writeQuote(td, pki.platform);
  const imageHash = await imageHashOf(td, nodeCrypto);
  const bundle = encodeBundle({ quote, claims });
  const { role, network, owner, keys, model, tls } = WORKER_CLAIMS;
  const input: EvidenceInput = {
    bundle,
    expected: {
      digest: await evidenceDigest(bundle, nodeCrypto),
      role,
      network,
      owner,
      sealing: keys.sealing,
      receipt: keys.receipt,
      model,
      tls,
    },
    policy: { trustRoots: [root], minImageAgeSec: 100, minModelAgeSec: 100, maxBlockAgeSec: 1000, allowUnproven: false },
    allowlist: {
      image: (hash) => (hash === imageHash ? { roles: ['worker'], activeFromSec: NOW - 100 } : null),
      model: (hash) => (hash === model.hash ? { kind: 'files', activeFromSec: NOW - 100 } : null),
    },
    blocks: async (seqno) => (seqno === 1000 ? { rootHash: hex(0x66), atSec: NOW - 1000 } : null),
    nowSec: NOW,
    crypto: nodeCrypto,
  };
  return { pki, root, quote, claims, input };
}

/** The same question about other bytes, asked by somebody who was told their digest. */
export async function withBundle(input: EvidenceInput, bundle: Uint8Array): Promise<EvidenceInput> {
  return { ...input, bundle, expected: { ...input.expected, digest: await evidenceDigest(bundle, nodeCrypto) } };
}

/** A fixture's bytes. */
export function fixture(name: string): Uint8Array {
  return readFileSync(join(__dirname, '..', 'fixtures', name));
}

/** A real quote without its padding. */
export function realQuote(name: string): Uint8Array {
  return trimQuote(fixture(`${name}.quote`));
}

export function intelRoot(): Promise<TrustRoot> {
  return loadTrustRoot({ kind: 'intel', der: fixture('intel-sgx-root-ca.der') }, nodeCrypto);
}

/** Copies of `bytes`, each with one bit changed in another byte. */
export function* flips(bytes: Uint8Array): Generator<{ readonly at: number; readonly bytes: Uint8Array }> {
  for (let at = 0; at < bytes.length; at++) {
    const changed = Uint8Array.from(bytes);
    changed[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
    yield { at, bytes: changed };
  }
}

/** nodeCrypto that remembers answers about signatures: of thousands of variants, nearly all share the same few. */
export function rememberingCrypto(): CryptoProvider {
  const known = new Map<string, boolean>();
  return {
    ...nodeCrypto,
    verifyP256: async (key, message, signature) => {
      const id = toHex(await nodeCrypto.sha256(Buffer.concat([key, signature, message])));
      const answer = known.get(id) ?? (await nodeCrypto.verifyP256(key, message, signature));
      known.set(id, answer);
      return answer;
    },
  };
}
