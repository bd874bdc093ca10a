import { concat, equal, toHex } from '../core/bytes';
import type { CryptoProvider } from '../core/crypto';
import { type Certificate, parseCertificate, SGX_CHAIN, verifyChain } from './certificate';
import { readOr } from './errors';
import { splitPemChain } from './pem';
import { parseQuote, type Quote, type TdReport } from './quote';
import { type Check, CheckList, QUOTE_CHECKS } from './report';
import { type PlatformIdentity, readSgxExtension } from './sgx-extension';
import type { TrustRoot } from './trust-root';
import type { ProvenChain, VerifierMemory } from './verifier-memory';

/** What a quote alone shows: that hardware under `root` vouches for the measurements in it, if every check passed. */
export interface QuoteVerdict {
  /** All of QUOTE_CHECKS, in their order. */
  readonly checks: readonly Check[];
  /** The quote if it could be read. Its values mean nothing unless every check passed. */
  readonly quote: Quote | null;
  /** The trust root that the quote names, if policy knows it. */
  readonly root: TrustRoot | null;
  /** The platform's chain, null when it does not hold. */
  readonly chain: ProvenChain | null;
}

/**
 * Verifies a quote by itself, from its structure over the PCK chain and the quoting enclave's report to its signature and the
 * guest's attributes. The trust root is one of those given: which kind it is changes nothing here. What the platform is worth is
 * the question of `verifyPlatform`.
 *
 * Never throws for anything that the bytes contain: a malformed quote is a failed `quote-structure`, a malformed chain a failed
 * `pck-chain`, and what could not run afterwards has failed.
 */
export async function verifyQuote(
  bytes: Uint8Array,
  trustRoots: readonly TrustRoot[],
  nowSec: number,
  crypto: CryptoProvider,
  memory: VerifierMemory | null = null,
): Promise<QuoteVerdict> {
  const checks = new CheckList(QUOTE_CHECKS);
  const quote = readOr(
    () => parseQuote(bytes),
    (reason) => checks.fail('quote-structure', reason),
  );
  if (quote === null) return { checks: checks.all(), quote, root: null, chain: null };
  checks.pass('quote-structure', `version ${quote.version}, ${bytes.length} bytes`);
  checkTdAttributes(quote.td, checks);

  const { root, pck, chain } = await findChain(quote.pckChain, { trustRoots, nowSec, crypto, memory }, checks);
  await checkQe(quote, pck, crypto, checks);
  const key = concat(Uint8Array.of(4), quote.attestationKey);
  if (await crypto.verifyP256(key, quote.signedBytes, quote.signature)) {
    checks.pass('quote-signature', 'signed by the attestation key');
  } else {
    checks.fail('quote-signature', 'not signed by the attestation key');
  }
  return { checks: checks.all(), quote, root, chain };
}

type QuoteChecks = CheckList<(typeof QUOTE_CHECKS)[number]>;

interface ChainQuestion {
  readonly trustRoots: readonly TrustRoot[];
  readonly nowSec: number;
  readonly crypto: CryptoProvider;
  readonly memory: VerifierMemory | null;
}

interface ChainAnswer {
  readonly root: TrustRoot | null;
  /** The first certificate of a chain that could be read, whether it holds or not. */
  readonly pck: Certificate | null;
  readonly chain: ProvenChain | null;
}

/** The platform's chain, verified now or, to the byte, before. */
async function findChain(pem: Uint8Array, question: ChainQuestion, checks: QuoteChecks): Promise<ChainAnswer> {
  const { trustRoots, nowSec, crypto, memory } = question;
  const digest = memory === null ? null : toHex(await crypto.sha256(pem));
  const known = digest === null ? null : (memory?.chain(digest, trustRoots, nowSec) ?? null);
  const refuse = (reason: string) => checks.fail('pck-chain', reason);
  const certificates =
    known === null ? readOr(() => splitPemChain(pem, SGX_CHAIN.pck.roles.length).map(parseCertificate), refuse) : known.certificates;
  const pck = certificates?.[0] ?? null;
  const root = known?.root ?? (certificates === null ? null : await findRoot(certificates, trustRoots, crypto, checks));
  if (certificates === null || pck === null || root === null) return { root, pck, chain: null };
  const chain = known ?? (await proveChain(certificates, root, nowSec, crypto, refuse));
  if (chain === null) return { root, pck, chain };
  checks.pass('trust-root', `${root.kind} root ${root.keyId.slice(0, 16)}`);
  checks.pass('pck-chain', `${certificates.length} certificates, valid until ${chain.notAfterSec}`);
  if (digest !== null && known === null) memory?.keepChain(digest, chain);
  return { root, pck, chain };
}

/** The policy's root that is the chain's last certificate, byte for byte. */
async function findRoot(
  chain: readonly Certificate[],
  trustRoots: readonly TrustRoot[],
  crypto: CryptoProvider,
  checks: QuoteChecks,
): Promise<TrustRoot | null> {
  const top = chain.at(-1);
  const root = top === undefined ? undefined : trustRoots.find((candidate) => equal(candidate.certificate.der, top.der));
  const expected = trustRoots.map((candidate) => `${candidate.kind} ${candidate.keyId}`).join(', ');
  if (top === undefined || root === undefined) {
    const actual = top === undefined ? 'no certificate' : toHex(await crypto.sha384(top.publicKey));
    checks.fail('trust-root', 'the quote hangs on a root that the policy does not name', { expected, actual });
    return null;
  }
  checks.pass('trust-root', `${root.kind} root ${root.keyId.slice(0, 16)}`);
  return root;
}

async function proveChain(
  certificates: readonly Certificate[],
  root: TrustRoot,
  nowSec: number,
  crypto: CryptoProvider,
  refuse: (reason: string) => void,
): Promise<ProvenChain | null> {
  const verdict = await verifyChain(certificates, SGX_CHAIN.pck, root.certificate, nowSec, crypto);
  if (!verdict.ok) {
    refuse(verdict.reason);
    return null;
  }
  const [pck, ca] = certificates;
  if (pck === undefined || ca === undefined) return null;
  const platform = readOr<PlatformIdentity>(() => readSgxExtension(pck.extensions), refuse);
  if (platform === null) return null;
  return { certificates, root, pck, ca, platform, notBeforeSec: verdict.notBeforeSec, notAfterSec: verdict.notAfterSec };
}

/** SGX attribute DEBUG: such an enclave's memory is open to its host. Source: Intel SDM volume 3D, section 37.7.1. */
const SGX_DEBUG = 0x02;

/** The platform's key signed the quoting enclave's report, and that report names the attestation key. */
async function checkQe(quote: Quote, pck: Certificate | null, crypto: CryptoProvider, checks: QuoteChecks): Promise<void> {
  const { qeReport } = quote;
  if (pck !== null) {
    if (!(await crypto.verifyP256(pck.publicKey, qeReport.bytes, quote.qeReportSignature))) {
      checks.fail('qe-report', "the quoting enclave's report is not signed by the platform's key");
    } else if (((qeReport.attributes[0] ?? SGX_DEBUG) & SGX_DEBUG) !== 0) {
      checks.fail('qe-report', 'the quoting enclave runs in debug mode');
    } else {
      checks.pass('qe-report', "the quoting enclave's report is signed by the platform's key");
    }
  }
  // Source: Intel TDX DCAP Quoting Library API, appendix A.3.8: SHA-256(attestation key, QE auth data), then 32 zero bytes.
  const bound = concat(await crypto.sha256(concat(quote.attestationKey, quote.qeAuthData)), new Uint8Array(32));
  checks.decide(
    'attestation-key',
    equal(qeReport.reportData, bound),
    { pass: 'named by the quoting enclave', fail: 'not the key that the quoting enclave names' },
    toHex(qeReport.reportData),
    toHex(bound),
  );
}

/**
 * Which TD attributes a guest may have. Source: Intel TDX Module ABI specification, TD_PARAMS ATTRIBUTES.
 *
 * | bits  | what                                   | rule              |
 * |-------|----------------------------------------|-------------------|
 * | 0     | DEBUG                                  | 0 (`td-debug`)    |
 * | 1-7   | reserved, all of them weaken the guest | 0 (`td-debug`)    |
 * | 8-27  | reserved                               | 0                 |
 * | 28    | SEPT_VE_DISABLE                        | 1                 |
 * | 29    | MIGRATABLE                             | 0                 |
 * | 30,31 | PKS, KL: CPU features of the guest     | any               |
 * | 32-62 | reserved                               | 0                 |
 * | 63    | PERFMON: a CPU feature of the guest    | any               |
 */
const TD_ATTRIBUTES = {
  required: [0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00],
  allowed: [0x00, 0x00, 0x00, 0xd0, 0x00, 0x00, 0x00, 0x80],
} as const;

function checkTdAttributes(td: TdReport, checks: QuoteChecks): void {
  const actual = toHex(td.tdAttributes);
  checks.decide(
    'td-debug',
    td.tdAttributes[0] === 0,
    { pass: 'debug mode is off', fail: "the guest's memory is open to its host" },
    '00',
    actual.slice(0, 2),
  );
  const fits = TD_ATTRIBUTES.allowed.every((allowed, i) => {
    const byte = i === 0 ? 0 : (td.tdAttributes[i] ?? 0xff);
    const required = TD_ATTRIBUTES.required[i] ?? 0xff;
    return (byte & ~allowed) === 0 && (byte & required) === required;
  });
  const expected = `${toHex(Uint8Array.from(TD_ATTRIBUTES.required))} within ${toHex(Uint8Array.from(TD_ATTRIBUTES.allowed))}`;
  const reasons = { pass: 'no migration, no reserved bits', fail: 'a guest that can be migrated or has unknown attributes' };
  if (td.mrServiceTd?.some((byte) => byte !== 0))
    checks.fail('td-attributes', 'a service TD, such as a migration TD, is bound to the guest');
  checks.decide('td-attributes', fits, reasons, expected, actual);
}
