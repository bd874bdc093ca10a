import { toHex } from '../core/bytes';
import type { Awaitable, CryptoProvider } from '../core/crypto';
import { appraisePlatform, type PlatformAppraisal } from './appraise-platform';
import { askOr } from './ask-or';
import { type Claims, decodeClaims, type ModelIdentity, type ModelKind, type Role, type SealingKeyEntry } from './claims';
import type { CollateralSource } from './collateral';
import { readOr } from './errors';
import { type Bundle, decodeBundle, evidenceDigest, imageHashOf, reportDataOf } from './evidence';
import { type GpuEvidenceSource, type GpuVerdict, judgeWithoutGpus, verifyGpus } from './gpu/verify-gpus';
import { assertPolicy, CLOCK_SKEW_SEC, type EvidencePolicy } from './policy';
import { type QuoteVerdict, verifyQuote } from './quote-chain';
import {
  BUNDLE_CHECKS,
  CheckList,
  CLAIMS_CHECKS,
  COLLATERAL_CHECKS,
  GPU_CHECKS,
  PLATFORM_CHECKS,
  QUOTE_CHECKS,
  type Report,
  toReport,
} from './report';
import type { VerifierMemory } from './verifier-memory';

/** An image in the root contract's allowlist. */
export interface ListedImage {
  readonly roles: readonly Role[];
  /** Unix seconds. */
  readonly activeFromSec: number;
}

/** A model in the root contract's allowlist. */
export interface ListedModel {
  readonly kind: ModelKind;
  /** Unix seconds. */
  readonly activeFromSec: number;
}

/** The allowlist as read from the root contract; hashes are lower-case hex. Null for what is not listed; throwing fails the check. */
export interface AllowlistView {
  image(hash: string): Awaitable<ListedImage | null>;
  model(hash: string): Awaitable<ListedModel | null>;
}

/** Finds a masterchain block by its number. Null for a number that the chain has not reached; throwing fails the check. */
export type BlockLookup = (seqno: number) => Awaitable<{ readonly rootHash: string; readonly atSec: number } | null>;

/** What the offer says, which the evidence must say too. Hashes and keys lower-case hex, addresses raw. */
export interface ExpectedEvidence {
  readonly digest: string;
  readonly role: Role;
  /** The root contract's address. */
  readonly network: string;
  readonly owner: string;
  /** Exactly these entries, in this order. */
  readonly sealing: readonly SealingKeyEntry[];
  readonly receipt: string;
  /** Null for a proxy. */
  readonly model: ModelIdentity | null;
  /** SHA-256 of the TLS public key that a proxy showed; null for a worker. */
  readonly tls: string | null;
}

export interface EvidenceInput {
  /** The bundle as it came. */
  readonly bundle: Uint8Array;
  readonly expected: ExpectedEvidence;
  readonly policy: EvidencePolicy;
  readonly allowlist: AllowlistView;
  readonly blocks: BlockLookup;
  /** Where TCB info, QE identity and revocation lists come from. */
  readonly collateral: CollateralSource;
  /** Where the GPU evidence is that claims name; without it such claims are refused. */
  readonly gpuEvidence?: GpuEvidenceSource;
  /** What was proven before, and how far recoveries have come: one for all verifications of a process. */
  readonly memory: VerifierMemory;
  /** Unix seconds. */
  readonly nowSec: number;
  readonly crypto: CryptoProvider;
}

/** What a verification decided. Claims of refused evidence are not handed out: nobody should act on them. */
export type EvidenceVerdict =
  | {
      readonly accepted: true;
      readonly report: Report;
      readonly claims: Claims;
      /** As the quote covers them: what an encapsulation is bound to. */
      readonly claimsBytes: Uint8Array;
      /** Lower-case hex. */
      readonly imageHash: string;
      /** Unix seconds from which the verdict no longer holds: keys, certificates (of GPUs, too), collateral or the block are too old by then. */
      readonly expiresAtSec: number;
    }
  | { readonly accepted: false; readonly report: Report };

/**
 * May I seal to this key? The one verifier of client and proxy.
 *
 * Never throws for anything that the bundle contains or the lookups answer: what is malformed fails its structure check, a lookup
 * that throws fails its checks, and what could not run after that has failed. Collateral is asked for only once the quote holds
 * by itself, the allowlist only once its platform does and the quote proves the claims, and the chain for a block only on the word of
 * a listed image: a stranger's bytes cost no lookups.
 *
 * @throws ConfigError no_trust_root, mixed_trust_roots, no_gpu_root, mixed_gpu_roots, bad_policy: the caller's own policy
 */
export async function verifyEvidence(input: EvidenceInput): Promise<EvidenceVerdict> {
  assertPolicy(input.policy);
  const { crypto, policy, nowSec } = input;

  const bundleChecks = new CheckList(BUNDLE_CHECKS);
  const digest = await evidenceDigest(input.bundle, crypto);
  bundleChecks.decide('bundle-digest', digest === input.expected.digest, MATCH, input.expected.digest, digest);
  const bundle = readOr(
    () => decodeBundle(input.bundle),
    (reason) => bundleChecks.fail('bundle-structure', reason),
  );
  if (bundle !== null) bundleChecks.pass('bundle-structure', `${input.bundle.length} bytes`);

  const quoted = bundle === null ? UNREAD_QUOTE : await verifyQuote(bundle.quote, policy.trustRoots, nowSec, crypto, input.memory);
  const quoteHolds = quoted.checks.every((check) => check.result === 'pass');
  const platform = quoteHolds ? await appraisePlatform(quoted, input) : UNASKED_PLATFORM;

  const claimsChecks: ClaimsChecks = new CheckList(CLAIMS_CHECKS);
  const claims = bundle === null ? null : await checkClaims(bundle, quoted, input, claimsChecks);
  const imageHash = quoted.quote === null ? null : await imageHashOf(quoted.quote.td, crypto);
  let blockAtSec: number | null = null;
  if (claims !== null && imageHash !== null && platform.holds && claimsChecks.holds('report-data')) {
    await Promise.all([checkImage(imageHash, input, claimsChecks), checkModel(claims, quoted, input, claimsChecks)]);
    // The lists are at hand, a block is not: anybody with a machine of his own could otherwise have the chain asked for any number of them.
    if (claimsChecks.holds('claims-network', 'image-listed', 'image-role')) blockAtSec = await checkBlock(claims, input, claimsChecks);
  }
  // Evidence of GPUs is large: it is fetched only for claims that are proven.
  const isProven = blockAtSec !== null && claimsChecks.holds(...CLAIMS_CHECKS);
  const gpus = claims === null ? UNASKED_GPUS : await checkGpus(claims, isProven, input);

  const report = toReport([...bundleChecks.all(), ...quoted.checks, ...platform.checks, ...claimsChecks.all(), ...gpus.checks], {
    simulated: quoted.root?.kind === 'development',
    modelProven: claims !== null && claims.model?.kind !== 'unproven',
  });
  if (!report.ok || bundle === null || claims === null || imageHash === null || blockAtSec === null || platform.notAfterSec === null) {
    return { accepted: false, report: { ...report, ok: false } };
  }
  const expiresAtSec = Math.min(claims.keys.notAfter, platform.notAfterSec, gpus.notAfterSec, blockAtSec + policy.maxBlockAgeSec);
  return { accepted: true, report, claims, claimsBytes: bundle.claims, imageHash, expiresAtSec };
}

type ClaimsChecks = CheckList<(typeof CLAIMS_CHECKS)[number]>;

const MATCH = { pass: 'as expected', fail: 'not as expected' } as const;
const UNREAD_QUOTE: QuoteVerdict = { checks: new CheckList(QUOTE_CHECKS).all(), quote: null, root: null, chain: null };
const UNASKED_GPUS: GpuVerdict = { checks: new CheckList(GPU_CHECKS).all(), notAfterSec: Number.POSITIVE_INFINITY };
const UNASKED_PLATFORM: PlatformAppraisal = {
  checks: [...new CheckList(COLLATERAL_CHECKS).all(), ...new CheckList(PLATFORM_CHECKS).all()],
  holds: false,
  notAfterSec: null,
};

async function checkGpus(claims: Claims, isProven: boolean, input: EvidenceInput): Promise<GpuVerdict> {
  const { policy, nowSec, crypto, gpuEvidence: evidence = null } = input;
  if (!isProven) return judgeWithoutGpus(claims, policy.gpu) ?? UNASKED_GPUS;
  return verifyGpus({ claims, evidence, policy: policy.gpu, nowSec, crypto });
}

/** What needs no chain: the claims are what the quote proves and what the offer says, and the keys are current. */
async function checkClaims(bundle: Bundle, quoted: QuoteVerdict, input: EvidenceInput, checks: ClaimsChecks): Promise<Claims | null> {
  const { expected, nowSec } = input;
  if (quoted.quote !== null) {
    const proven = toHex(quoted.quote.td.reportData);
    const claimed = toHex(await reportDataOf(bundle.claims, input.crypto));
    const reasons = { pass: 'the quote is over these claims', fail: 'the quote is over other data than these claims' };
    checks.decide('report-data', proven === claimed, reasons, claimed, proven);
  }
  const claims = readOr(
    () => decodeClaims(bundle.claims),
    (reason) => checks.fail('claims-structure', reason),
  );
  if (claims === null) return null;
  checks.pass('claims-structure', `version ${claims.version}, ${bundle.claims.length} bytes`);

  checks.decide('claims-role', claims.role === expected.role, MATCH, expected.role, claims.role);
  checks.decide('claims-network', claims.network === expected.network, MATCH, expected.network, claims.network);
  checks.decide('claims-owner', claims.owner === expected.owner, MATCH, expected.owner, claims.owner);
  const [wantedKeys, claimedKeys] = [showKeys(expected.sealing), showKeys(claims.keys.sealing)];
  checks.decide('sealing-key', wantedKeys === claimedKeys, MATCH, wantedKeys, claimedKeys);
  checks.decide('receipt-key', claims.keys.receipt === expected.receipt, MATCH, expected.receipt, claims.keys.receipt);
  if (expected.role === 'worker') {
    const [wanted, claimed] = [showModel(expected.model), showModel(claims.model)];
    checks.decide('claims-model', wanted === claimed, MATCH, wanted, claimed);
    checks.notApplicable('tls-key', 'a worker is not reached by TLS');
  } else {
    checks.notApplicable('claims-model', NO_MODEL);
    checks.decide('tls-key', claims.tls !== null && claims.tls === expected.tls, MATCH, `${expected.tls}`, `${claims.tls}`);
  }
  const { notAfter } = claims.keys;
  const keyReasons = { pass: `${notAfter - nowSec} s are left`, fail: `expired for ${nowSec - notAfter} s` };
  checks.decide('keys-not-expired', nowSec < notAfter, keyReasons, `before ${notAfter}`, `${nowSec}`);
  const latest = nowSec + CLOCK_SKEW_SEC;
  const issuedReasons = { pass: `issued ${nowSec - claims.issuedAt} s ago`, fail: 'issued in the future' };
  checks.decide('issued-not-future', claims.issuedAt <= latest, issuedReasons, `at most ${latest}`, `${claims.issuedAt}`);
  return claims;
}

/** The block bounds the quote's age: nobody could name its hash before it was there. Returns its time if it is known. */
async function checkBlock(claims: Claims, input: EvidenceInput, checks: ClaimsChecks): Promise<number | null> {
  const { nowSec, policy } = input;
  const { seqno, rootHash } = claims.block;
  const block = await askOr(
    () => input.blocks(seqno),
    (reason) => checks.fail('block-known', `block ${seqno}: ${reason}`),
  );
  if (block === null) return null;
  const reasons = { pass: `block ${seqno}`, fail: `block ${seqno} has another root hash` };
  checks.decide('block-known', block.rootHash === rootHash, reasons, block.rootHash, rootHash);
  if (block.rootHash !== rootHash) return null;
  const ageSec = nowSec - block.atSec;
  const ageReasons = { pass: `${ageSec} s old`, fail: `${ageSec} s old, limit ${policy.maxBlockAgeSec}` };
  checks.decide('block-age', ageSec <= policy.maxBlockAgeSec, ageReasons, `at most ${policy.maxBlockAgeSec}`, `${ageSec}`);
  const timeReasons = { pass: 'not ahead of the clock', fail: `${-ageSec} s ahead of the clock` };
  checks.decide('block-not-future', -ageSec <= CLOCK_SKEW_SEC, timeReasons, `at most ${nowSec + CLOCK_SKEW_SEC}`, `${block.atSec}`);
  return block.atSec;
}

async function checkImage(imageHash: string, input: EvidenceInput, checks: ClaimsChecks): Promise<void> {
  const { expected, nowSec, policy } = input;
  const image = await askOr(
    () => input.allowlist.image(imageHash),
    (reason) => checks.fail('image-listed', `image ${imageHash}: ${reason}`),
  );
  if (image === null) return;
  checks.pass('image-listed', imageHash);
  const roleReasons = { pass: `listed for ${expected.role}`, fail: `not listed for ${expected.role}` };
  checks.decide('image-role', image.roles.includes(expected.role), roleReasons, expected.role, image.roles.join(', '));
  const fromSec = image.activeFromSec + policy.minImageAgeSec;
  checks.decide('image-active', nowSec >= fromSec, activity(fromSec, nowSec), `from ${fromSec}`, `${nowSec}`);
}

async function checkModel(claims: Claims, quoted: QuoteVerdict, input: EvidenceInput, checks: ClaimsChecks): Promise<void> {
  if (input.expected.role === 'proxy') {
    for (const name of ['model-listed', 'model-active', 'model-proven'] as const) checks.notApplicable(name, NO_MODEL);
    return;
  }
  const { model } = claims;
  const { nowSec, policy } = input;
  if (model === null) return;
  if (model.kind !== 'unproven') checks.pass('model-proven', `by its ${model.kind}`);
  else if (quoted.root?.kind !== 'development') checks.fail('model-proven', 'MODEL NOT PROVEN, which only a development root permits');
  else if (!policy.allowUnproven) checks.fail('model-proven', 'MODEL NOT PROVEN, and the policy does not allow that');
  else checks.notApplicable('model-proven', 'MODEL NOT PROVEN: the policy allows it under a development root');

  const listed = await askOr(
    () => input.allowlist.model(model.hash),
    (reason) => checks.fail('model-listed', `model ${model.hash}: ${reason}`),
  );
  if (listed === null) return;
  const kindReasons = { pass: model.hash, fail: `model ${model.hash} is listed as another kind` };
  checks.decide('model-listed', listed.kind === model.kind, kindReasons, listed.kind, model.kind);
  const fromSec = listed.activeFromSec + policy.minModelAgeSec;
  checks.decide('model-active', nowSec >= fromSec, activity(fromSec, nowSec), `from ${fromSec}`, `${nowSec}`);
}

const NO_MODEL = 'a proxy runs no model';

function activity(fromSec: number, nowSec: number): { readonly pass: string; readonly fail: string } {
  return { pass: `active for ${nowSec - fromSec} s longer than asked`, fail: `active long enough only in ${fromSec - nowSec} s` };
}

function showKeys(entries: readonly SealingKeyEntry[]): string {
  return entries.length === 0 ? 'none' : entries.map((entry) => `${entry.suite} ${entry.publicKey}`).join(', ');
}

function showModel(model: ModelIdentity | null): string {
  return model === null ? 'none' : `${model.name} (${model.kind} ${model.hash})`;
}
