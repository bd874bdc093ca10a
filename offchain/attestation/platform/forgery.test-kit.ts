import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { fromHex, fromUtf8, toHex, utf8 } from '../../core/bytes';
import type { CryptoProvider } from '../../core/crypto';
import { nodeCrypto } from '../../runtime/node-crypto';
import { appraisePlatform } from '../appraise-platform';
import { encodeClaims, SEALING_SUITE, type WorkerClaims } from '../claims';
import type { Collateral, CollateralSource } from '../collateral';
import { encodeBundle, evidenceDigest, imageHashOf, reportDataOf } from '../evidence';
import { toPem } from '../pem';
import { DEFAULT_LIMITS, type TcbPolicy } from '../policy';
import { trimQuote } from '../quote';
import { verifyQuote } from '../quote-chain';
import { type Check, hasRun } from '../report';
import { loadTrustRoot, type TrustRoot } from '../trust-root';
import { VerifierMemory } from '../verifier-memory';
import type { EvidenceInput } from '../verify-evidence';
import { type CertificatePlan, type Issued, issueCertificate, issueRevocationList } from './development-certificates';
import { type CollateralAuthority, issueCollateral } from './development-collateral';
import { writeSgxExtension } from './platform-certificate';
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
  readonly tcbSigning: Issued;
  readonly platform: QuotingPlatform;
  /** Who signs collateral; the root has revoked nothing. */
  readonly authority: CollateralAuthority;
}

export interface PkiChanges {
  readonly root?: Partial<CertificatePlan>;
  readonly ca?: Partial<CertificatePlan>;
  readonly pck?: Partial<CertificatePlan>;
  readonly tcbSigning?: Partial<CertificatePlan>;
}

export function makePki(changes: PkiChanges = {}): Pki {
  const validity = { notBeforeSec: NOW - YEAR, notAfterSec: NOW + YEAR };
  const root = issueCertificate({ ...validity, commonName: 'SIMULATED SGX Root CA', pathLength: 1, ...changes.root }, null);
  const ca = issueCertificate({ ...validity, commonName: 'SIMULATED SGX PCK Platform CA', pathLength: 0, ...changes.ca }, root);
  const extensions = [writeSgxExtension()];
  const pck = issueCertificate(
    { ...validity, commonName: 'SIMULATED SGX PCK Certificate', pathLength: null, extensions, ...changes.pck },
    ca,
  );
  const tcbSigning = issueCertificate(
    { ...validity, commonName: 'SIMULATED SGX TCB Signing', pathLength: null, ...changes.tcbSigning },
    root,
  );
  const rootCrl = issueRevocationList(root, { thisUpdateSec: NOW - YEAR, nextUpdateSec: NOW + YEAR, revoked: [] });
  const authority = { rootDer: root.der, rootCrl, pckCa: ca, tcbSigning };
  return { root, ca, pck, tcbSigning, platform: platformOf([pck, ca, root]), authority };
}

/** Hands out this collateral for whatever is asked. */
export function sourceOf(collateral: Collateral): CollateralSource {
  return { collateralFor: () => collateral, drop: () => undefined };
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

/** The chain of the scene: its block of now, which is at the limit of its age, and one of yesterday. */
const BLOCKS: ReadonlyMap<number, number> = new Map([
  [1000, NOW - 1000],
  [500, NOW - 86_400],
]);

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
    policy: { ...DEFAULT_LIMITS, trustRoots: [root], minImageAgeSec: 100, minModelAgeSec: 100, maxBlockAgeSec: 1000 },
    allowlist: {
      image: (hash) => (hash === imageHash ? { roles: ['worker'], activeFromSec: NOW - 100 } : null),
      model: (hash) => (hash === model.hash ? { kind: 'files', activeFromSec: NOW - 100 } : null),
    },
    blocks: async (seqno) => (BLOCKS.has(seqno) ? { rootHash: hex(0x66), atSec: BLOCKS.get(seqno) ?? 0 } : null),
    collateral: sourceOf(issueCollateral(pki.authority, { nowSec: NOW - 3600 })),
    memory: new VerifierMemory(),
    nowSec: NOW,
    crypto: nodeCrypto,
  };
  return { pki, root, quote, claims, input };
}

/** The same question about other bytes, asked by somebody who was told their digest. */
export async function withBundle(input: EvidenceInput, bundle: Uint8Array): Promise<EvidenceInput> {
  return { ...input, bundle, expected: { ...input.expected, digest: await evidenceDigest(bundle, nodeCrypto) } };
}

/** What is asked about a quote and its platform, without any claims. */
export interface PlatformScene {
  readonly quote: Uint8Array;
  readonly root: TrustRoot;
  readonly collateral: Collateral | CollateralSource;
  readonly nowSec: number;
  readonly policy?: Partial<TcbPolicy>;
  readonly memory?: VerifierMemory;
  readonly crypto?: CryptoProvider;
}

/** The checks that refused a quote or its platform, without those that could not run. */
export async function refusalsOfPlatform(scene: PlatformScene): Promise<readonly Check[]> {
  const { quote, root, collateral, nowSec, memory = new VerifierMemory(), crypto = nodeCrypto } = scene;
  const quoted = await verifyQuote(quote, [root], nowSec, crypto, memory);
  const source = 'drop' in collateral ? collateral : sourceOf(collateral);
  const policy = { ...DEFAULT_LIMITS, ...scene.policy };
  const appraised = await appraisePlatform(quoted, { collateral: source, memory, policy, nowSec, crypto });
  const checks = [...quoted.checks, ...appraised.checks];
  const failed = checks.filter((check) => check.result !== 'pass');
  if (quoted.checks.every((check) => check.result === 'pass') && appraised.holds !== (failed.length === 0)) {
    throw new RangeError('the appraisal and its checks differ');
  }
  return failed.filter(hasRun);
}

/** A fixture's bytes. */
export function fixture(name: string): Uint8Array {
  return readFileSync(join(__dirname, '..', 'fixtures', name));
}

/** A real quote without its padding. */
export function realQuote(name: string): Uint8Array {
  return trimQuote(fixture(`${name}.quote`));
}

/** One day after the TCB info of the fixtures' collateral was issued, unix seconds. */
export const REAL_NOW = { 'fmspc-90c06f': Date.UTC(2026, 1, 19, 11) / 1000, 'fmspc-b0c06f': Date.UTC(2025, 5, 20, 11) / 1000 } as const;

/** Real collateral of a platform, from the form in which verifiers' test data has it. */
export function realCollateral(name: string): Collateral {
  const text = z.record(z.string(), z.string()).parse(JSON.parse(fromUtf8(fixture(`${name}.collateral.json`))));
  const bytes = (field: string) => utf8(text[field] ?? '');
  const hexBytes = (field: string) => fromHex(text[field] ?? '');
  const document = (field: string) => ({
    json: bytes(field),
    signature: hexBytes(`${field}_signature`),
    issuerChain: bytes(`${field}_issuer_chain`),
  });
  return {
    rootCrl: hexBytes('root_ca_crl'),
    pckCrl: hexBytes('pck_crl'),
    pckCrlIssuerChain: bytes('pck_crl_issuer_chain'),
    tcbInfo: document('tcb_info'),
    qeIdentity: document('qe_identity'),
  };
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

/** A million runs would fill the memory. */
const MAX_REMEMBERED = 20_000;

/** nodeCrypto that remembers answers about signatures: of thousands of variants, nearly all share the same few. */
export function rememberingCrypto(): CryptoProvider {
  const known = new Map<string, boolean>();
  return {
    ...nodeCrypto,
    verifyP256: async (key, message, signature) => {
      const id = toHex(await nodeCrypto.sha256(Buffer.concat([key, signature, message])));
      const answer = known.get(id) ?? (await nodeCrypto.verifyP256(key, message, signature));
      if (known.size >= MAX_REMEMBERED) known.clear();
      known.set(id, answer);
      return answer;
    },
  };
}
