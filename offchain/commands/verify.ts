import { z } from 'zod';
import { decodeCanonicalJson } from '../attestation/canonical-json';
import { type Claims, decodeClaims } from '../attestation/claims';
import { EvidenceError } from '../attestation/errors';
import { decodeBundle, evidenceDigest } from '../attestation/evidence';
import { EVIDENCE_FORMAT, type EvidenceFile, MAX_EVIDENCE_FILE_SIZE, readEvidenceFile } from '../attestation/evidence-file';
import { loadIntelRoot } from '../attestation/intel-root';
import { malformedAt } from '../attestation/malformed-field';
import { DEFAULT_LIMITS, type EvidencePolicy } from '../attestation/policy';
import { expectedByClaims, type FileQuestion } from '../attestation/recorded-evidence';
import { networkPolicy } from '../chain/network-policy';
import { type Clock, systemClock } from '../core/clock';
import { ConfigError } from '../core/errors';
import { RECEIPT_FORMAT, type ReceiptFile, receiptFile } from '../protocol/receipt-file';
import { loadNetwork } from '../runtime/network';
import { nodeCrypto } from '../runtime/node-crypto';
import { showTime } from './facts';
import { readWith } from './input-file';
import type { Terminal } from './terminal';
import { reportOnEvidence } from './verify-evidence-file';
import { reportOnReceipt } from './verify-receipt-file';

/** As the command line gives them. */
export interface VerifyOptions {
  /** Path of an evidence file, a receipt file or a bundle. */
  readonly file: string;
  /** Path of network.json: whose roots count, and which network is meant. */
  readonly network?: string | undefined;
  /** The moment that is asked about; now without it. */
  readonly at?: string | undefined;
  /** Path of an evidence file, for a receipt that was kept apart from it. */
  readonly evidence?: string | undefined;
  /** Paths of a request's and its answer's body. */
  readonly prompt?: string | undefined;
  readonly answer?: string | undefined;
  readonly allowUnproven?: boolean | undefined;
}

/** What a file holds. Times in unix seconds. */
type Content =
  | { readonly kind: 'evidence'; readonly evidence: EvidenceFile; readonly writtenSec: number }
  | { readonly kind: 'receipt'; readonly receipt: ReceiptFile; readonly evidence: EvidenceFile | null; readonly writtenSec: number }
  | { readonly kind: 'bundle'; readonly bundle: Uint8Array; readonly claims: Claims };

const MAX_FILE_SIZE = MAX_EVIDENCE_FILE_SIZE + 64 * 1024;
/** Most bytes of a prompt or an answer. */
const MAX_BODY_SIZE = 64 * 1024 * 1024;

/**
 * `cocoon verify`: asks of a file what the client asked of its guest, or what a receipt is worth, without any network. The roots come
 * from the asker: Intel's, or those of the network that is named. Returns whether it is verified.
 *
 * @throws ConfigError bad_file, bad_flags, and as loadNetwork and networkPolicy
 */
export async function verifyCommand(options: VerifyOptions, terminal: Terminal, clock: Clock = systemClock): Promise<boolean> {
  const nowSec = options.at === undefined ? clock.nowSec() : parseTime(options.at);
  const content = await readWith(options.file, readContent, MAX_FILE_SIZE);
  if (content.kind !== 'receipt' && (options.prompt ?? options.answer ?? options.evidence) !== undefined) {
    throw new ConfigError('bad_flags', '--prompt, --answer and --evidence go with a receipt');
  }
  const [prompt, answer] = await Promise.all([readBody(options.prompt), readBody(options.answer)]);
  const { policy, network, words } = await rulesOf(options);
  const write = (lines: readonly string[]) => terminal.write(`${lines.join('\n')}\n`);
  write([`Asked about ${showTime(nowSec)}${options.at === undefined ? ', which is now' : ''}, under ${words}.`]);

  const evidence = await evidenceOf(content, options.evidence, nowSec);
  if (content.kind === 'bundle')
    write(['The file is a bundle alone: collateral, block and allowlist are not in it, so what needs them fails.']);
  const writtenSec = content.kind === 'bundle' ? null : content.writtenSec;
  const question: FileQuestion = { policy, network, nowSec, crypto: nodeCrypto };
  const found = evidence === null ? null : { file: evidence, ...(await reportOnEvidence(evidence, question)) };
  const hint = hintFor(options, writtenSec);
  if (content.kind !== 'receipt') {
    const isVerified = found?.verdict.accepted === true;
    write([...(isVerified ? [] : hint), ...(found?.lines ?? [])]);
    return isVerified;
  }
  const { isVerified, lines } = await reportOnReceipt(content.receipt, { evidence: found, prompt, answer, nowSec, crypto: nodeCrypto });
  write([...(isVerified ? [] : hint), ...(found?.lines ?? []), ...lines]);
  return isVerified;
}

/** The evidence that is asked about; null for a receipt that has none. @throws ConfigError bad_file */
async function evidenceOf(content: Content, beside: string | undefined, nowSec: number): Promise<EvidenceFile | null> {
  if (content.kind === 'bundle') return fileOfBundle(content.bundle, content.claims, nowSec);
  if (beside === undefined) return content.evidence;
  const other = await readWith(beside, readContent, MAX_FILE_SIZE);
  if (other.kind === 'evidence') return other.evidence;
  throw new ConfigError('bad_file', `${beside}: --evidence takes an evidence file, and this is a ${other.kind}`, { path: beside });
}

/** What a person may have meant to ask. */
function hintFor({ at, network }: VerifyOptions, writtenSec: number | null): readonly string[] {
  const lines: string[] = [];
  if (at === undefined && writtenSec !== null) lines.push(`It was written ${showTime(writtenSec)}: --at ${writtenSec} asks about then.`);
  if (network === undefined) lines.push("Only Intel's root counts here: --network network.json asks under a network's own.");
  return lines;
}

async function rulesOf({ network: path, allowUnproven = false }: VerifyOptions): Promise<{
  readonly policy: EvidencePolicy;
  readonly network: string | null;
  readonly words: string;
}> {
  const limits = { ...DEFAULT_LIMITS, allowUnproven };
  if (path === undefined) {
    if (allowUnproven) throw new ConfigError('bad_flags', '--allow-unproven goes with --network: only a development root permits it');
    return { policy: { ...limits, trustRoots: [await loadIntelRoot(nodeCrypto)] }, network: null, words: "Intel's root" };
  }
  const network = loadNetwork(path);
  const policy = await networkPolicy(network, limits);
  const roots = policy.trustRoots.map(({ kind, keyId }) =>
    kind === 'intel' ? "Intel's root" : `development root ${keyId.slice(0, 16)}...`,
  );
  return { policy, network: network.root, words: `network ${network.name} with ${roots.join(', ')}` };
}

async function readBody(path: string | undefined): Promise<Uint8Array | null> {
  return path === undefined ? null : readWith(path, (bytes) => bytes, MAX_BODY_SIZE);
}

const LINE_FEED = 0x0a;
const headSchema = z.object({ format: z.string(), version: z.number() });

/** @throws EvidenceError */
function readContent(bytes: Uint8Array): Content {
  const text = bytes.at(-1) === LINE_FEED ? bytes.subarray(0, -1) : bytes;
  const value = decodeCanonicalJson(text, MAX_FILE_SIZE);
  if (typeof value === 'object' && value !== null && 'quote' in value) {
    return { kind: 'bundle', bundle: text, claims: decodeClaims(decodeBundle(text).claims) };
  }
  const head = headSchema.safeParse(value);
  const format = head.data?.format;
  if (format !== EVIDENCE_FORMAT && format !== RECEIPT_FORMAT) throw badFile('this is neither evidence nor a receipt');
  if (head.data?.version !== 1) throw badFile(`version ${head.data?.version} of "${format}" is not known here, only 1 is`);
  if (format === EVIDENCE_FORMAT) {
    const evidence = readEvidenceFile(value);
    return { kind: 'evidence', evidence, writtenSec: evidence.seenAtSec };
  }
  const parsed = receiptFile.safeParse(value);
  if (!parsed.success) throw badFile(`receipt file is malformed${malformedAt(parsed.error)}`);
  const receipt = parsed.data;
  const evidence = receipt.evidence === null ? null : readEvidenceFile(receipt.evidence);
  return { kind: 'receipt', receipt, evidence, writtenSec: Math.max(receipt.receipt.at, evidence?.seenAtSec ?? 0) };
}

/** A bundle as proxies hand it out: nobody's word beside it. */
async function fileOfBundle(bundle: Uint8Array, claims: Claims, nowSec: number): Promise<EvidenceFile> {
  return {
    seenAtSec: nowSec,
    bundle,
    expected: expectedByClaims(claims, await evidenceDigest(bundle, nodeCrypto)),
    collateral: null,
    block: null,
    gpuEvidence: null,
    allowlist: { asOf: null, image: null, model: null },
  };
}

/** Unix seconds, or a time as in 2026-02-19T11:00:00Z. @throws ConfigError bad_flags */
function parseTime(text: string): number {
  const sec = /^\d{1,10}$/.test(text) ? Number(text) : timeOf(text);
  if (sec === null || sec > 0xffff_ffff)
    throw new ConfigError('bad_flags', '--at takes unix seconds, or a time as in 2026-02-19T11:00:00Z');
  return sec;
}

function timeOf(text: string): number | null {
  const ms = Date.parse(text);
  // Date.parse takes 30 February by moving on; the way back does not give the same text then.
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text) || Number.isNaN(ms)) return null;
  return new Date(ms).toISOString() === text.replace('Z', '.000Z') && ms >= 0 ? ms / 1000 : null;
}

function badFile(message: string): EvidenceError {
  return new EvidenceError('bad_evidence_file', message);
}
