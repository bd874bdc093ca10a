import { fromUtf8 } from '../../core/bytes';
import { nodeCrypto } from '../../runtime/node-crypto';
import { appraisePlatform } from '../appraise-platform';
import { root as developmentRoot, pki } from '../platform/forgeries.test-kit';
import { intelRoot, sourceOf } from '../platform/forgery.test-kit';
import { verifyQuote } from '../quote-chain';
import type { Check } from '../report';
import { TCB_STATUSES } from '../tcb-status';
import type { TrustRoot } from '../trust-root';
import { VerifierMemory } from '../verifier-memory';
import { type Mutated, trialCases } from './cases';
import type { Comparison, OurVerdict } from './comparison';
import { explain } from './known-differences';
import { othersUnder, othersUnderIntel, type Subject, type Verdict } from './other-verifiers';

export interface DifferentialResult {
  readonly cases: number;
  /** Subjects that all three accept, with the same status and advisories. */
  readonly accepted: number;
  /** Comparisons without a difference. */
  readonly agreed: number;
  /** How often each known difference was met, by its id. */
  readonly known: ReadonlyMap<string, number>;
  /** Differences that nobody has explained. Empty where all is well. */
  readonly unexplained: readonly string[];
}

/** Cases of this seed, each judged by us and by both others. */
export async function compareWithOthers(
  seed: number,
  runs: number,
  mutates: Mutated,
  onRun: (run: number) => void = () => undefined,
): Promise<DifferentialResult> {
  const others = { development: othersUnder(pki.root), intel: othersUnderIntel() };
  const roots = { development: await developmentRoot, intel: await intelRoot() };
  const known = new Map<string, number>();
  const unexplained: string[] = [];
  let [accepted, agreed, run] = [0, 0, 0];
  for (const trial of trialCases(seed, mutates)) {
    if (run === runs) break;
    const ours = await judge(trial.subject, roots[trial.world]);
    const comparisons = others[trial.world].map((other) => ({ case: trial, other: other.name, ours, theirs: other.verify(trial.subject) }));
    if (ours.accepted && comparisons.every(agrees)) accepted++;
    for (const comparison of comparisons) {
      if (agrees(comparison)) {
        agreed++;
        continue;
      }
      const reasons = explain(comparison);
      if (reasons === null) unexplained.push(`run ${run}: ${describe(comparison)}`);
      else for (const { id } of reasons) known.set(id, (known.get(id) ?? 0) + 1);
    }
    onRun(run++);
  }
  return { cases: run, accepted, agreed, known, unexplained };
}

function agrees({ ours, theirs }: Comparison): boolean {
  if (!ours.accepted || !theirs.accepted) return ours.accepted === theirs.accepted;
  return ours.status === theirs.status && sorted(ours.advisories) === sorted(theirs.advisories);
}

const sorted = (list: readonly string[]) => [...new Set(list)].sort().join(', ');

function describe({ case: { story, world }, other, ours, theirs }: Comparison): string {
  const show = (verdict: Verdict) =>
    verdict.accepted ? `${verdict.status} [${sorted(verdict.advisories)}]` : `refused (${verdict.reason})`;
  return `${world}: ${story.join(', ') || 'honest'}\n  ours: ${show(ours)}\n  ${other}: ${show(theirs)}`;
}

const CENTURY_SEC = 100 * 365 * 86_400;

/** Our verdict by a policy that takes what the others take: every status but Revoked, every advisory, collateral of any age. */
async function judge({ quote, collateral, nowSec }: Subject, root: TrustRoot): Promise<OurVerdict> {
  const memory = new VerifierMemory();
  const policy = {
    acceptedTcb: TCB_STATUSES.filter((status) => status !== 'Revoked'),
    acceptedAdvisories: advisoriesIn(collateral.tcbInfo.json).concat(advisoriesIn(collateral.qeIdentity.json)),
    maxCollateralAgeSec: CENTURY_SEC,
    minEvaluationNumber: 0,
  };
  const quoted = await verifyQuote(quote, [root], nowSec, nodeCrypto, memory);
  const parts = { collateral: sourceOf(collateral), memory, policy, nowSec, crypto: nodeCrypto };
  const { checks: ofPlatform, holds } = await appraisePlatform(quoted, parts);
  const checks = [...quoted.checks, ...ofPlatform];
  const failed = checks.filter((check) => check.result !== 'pass');
  if (failed.length === 0 && holds) return { accepted: true, checks, status: actualOf(checks, 'tcb-level'), advisories: listOf(checks) };
  return { accepted: false, checks, reason: failed.map((check) => `${check.name}: ${check.reason}`).join('; ') };
}

const actualOf = (checks: readonly Check[], name: Check['name']) => checks.find((check) => check.name === name)?.actual ?? '';

function listOf(checks: readonly Check[]): readonly string[] {
  const text = actualOf(checks, 'advisories');
  return text === 'none' ? [] : text.split(', ');
}

/** What looks like an advisory in a document that may be anything. */
function advisoriesIn(json: Uint8Array): readonly string[] {
  try {
    return fromUtf8(json).match(/[A-Z]+-SA-\d+/g) ?? [];
  } catch {
    return [];
  }
}
