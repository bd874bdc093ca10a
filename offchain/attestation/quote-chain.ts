import { concat, equal, toHex } from '../core/bytes';
import type { CryptoProvider } from '../core/crypto';
import { type Certificate, parseCertificate, SGX_ROLE, splitPemChain, verifyChain } from './certificate';
import { readOr } from './errors';
import { parseQuote, type Quote, type TdReport } from './quote';
import { type Check, CheckList, QUOTE_CHECKS } from './report';
import type { TrustRoot } from './trust-root';

/** What a quote alone shows: that hardware under `root` vouches for the measurements in it, if every check passed. */
export interface QuoteVerdict {
  /** All of QUOTE_CHECKS, in their order. */
  readonly checks: readonly Check[];
  /** The quote if it could be read. Its values mean nothing unless every check passed. */
  readonly quote: Quote | null;
  /** The trust root that the quote names, if policy knows it. */
  readonly root: TrustRoot | null;
  /** Unix seconds, included: the first end of validity in the chain. Null when the chain does not hold. */
  readonly notAfterSec: number | null;
}

/** Leaf first: the platform's key, the CA that certified it, the root. */
const PCK_ROLES = [SGX_ROLE.pck, SGX_ROLE.pckCa, SGX_ROLE.root];

/**
 * Verifies a quote by itself, from its structure over the PCK chain and the quoting enclave's report to its signature and the
 * guest's attributes. The trust root is one of those given: which kind it is changes nothing here.
 *
 * Never throws for anything that the bytes contain: a malformed quote is a failed `quote-structure`, a malformed chain a failed
 * `pck-chain`, and what could not run afterwards has failed.
 */
export async function verifyQuote(
  bytes: Uint8Array,
  trustRoots: readonly TrustRoot[],
  nowSec: number,
  crypto: CryptoProvider,
): Promise<QuoteVerdict> {
  const checks = new CheckList(QUOTE_CHECKS);
  const quote = readOr(
    () => parseQuote(bytes),
    (reason) => checks.fail('quote-structure', reason),
  );
  if (quote === null) return { checks: checks.all(), quote, root: null, notAfterSec: null };
  checks.pass('quote-structure', `version ${quote.version}, ${bytes.length} bytes`);
  checkTdAttributes(quote.td, checks);

  const chain = readOr(
    () => splitPemChain(quote.pckChain, PCK_ROLES.length).map(parseCertificate),
    (reason) => checks.fail('pck-chain', reason),
  );
  const root = chain === null ? null : await findRoot(chain, trustRoots, crypto, checks);
  const notAfterSec = chain === null || root === null ? null : await checkChain(chain, root, nowSec, crypto, checks);

  await checkQe(quote, chain?.[0] ?? null, crypto, checks);
  const key = concat(Uint8Array.of(4), quote.attestationKey);
  if (await crypto.verifyP256(key, quote.signedBytes, quote.signature)) {
    checks.pass('quote-signature', 'signed by the attestation key');
  } else {
    checks.fail('quote-signature', 'not signed by the attestation key');
  }
  return { checks: checks.all(), quote, root, notAfterSec };
}

type QuoteChecks = CheckList<(typeof QUOTE_CHECKS)[number]>;

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

async function checkChain(
  chain: readonly Certificate[],
  root: TrustRoot,
  nowSec: number,
  crypto: CryptoProvider,
  checks: QuoteChecks,
): Promise<number | null> {
  const verdict = await verifyChain(chain, PCK_ROLES, root.certificate, nowSec, crypto);
  if (!verdict.ok) {
    checks.fail('pck-chain', verdict.reason);
    return null;
  }
  checks.pass('pck-chain', `${chain.length} certificates, valid until ${verdict.notAfterSec}`);
  return verdict.notAfterSec;
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
