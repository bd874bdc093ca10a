import type { CryptoProvider } from '../core/crypto';
import { askOr } from './ask-or';
import { type CollateralQuery, type CollateralSource, type CollateralVerdict, collateralDigest, verifyCollateral } from './collateral';
import { verifyPlatform } from './platform-tcb';
import type { TcbPolicy } from './policy';
import type { QuoteVerdict } from './quote-chain';
import { type Check, CheckList, type CheckName, COLLATERAL_CHECKS, PLATFORM_CHECKS } from './report';
import type { VerifierMemory } from './verifier-memory';

/** What was found about a quote's platform. */
export interface PlatformAppraisal {
  /** All of COLLATERAL_CHECKS and PLATFORM_CHECKS, in their order. */
  readonly checks: readonly Check[];
  /** Whether every one of them passed. */
  readonly holds: boolean;
  /** Unix seconds, included: the first end of validity in chain and collateral. Null unless the platform holds. */
  readonly notAfterSec: number | null;
}

export interface AppraisalParts {
  readonly collateral: CollateralSource;
  readonly memory: VerifierMemory;
  readonly policy: TcbPolicy;
  /** Unix seconds. */
  readonly nowSec: number;
  readonly crypto: CryptoProvider;
}

/** What other collateral could put right. */
const OF_COLLATERAL: readonly CheckName[] = ['collateral-age', 'evaluation-number', 'platform-identity'];

/**
 * Asks for the collateral of a quote that holds by itself, verifies it, and judges the quote's platform by it.
 * Never throws for anything that the source answers or throws: that fails `collateral-available`.
 */
export async function appraisePlatform({ quote, chain }: QuoteVerdict, parts: AppraisalParts): Promise<PlatformAppraisal> {
  const { memory, policy, nowSec } = parts;
  const unasked = new CheckList(PLATFORM_CHECKS).all();
  if (quote === null || chain === null) return refused([...new CheckList(COLLATERAL_CHECKS).all(), ...unasked]);
  const ca = chain.ca.commonName.endsWith('SGX PCK Processor CA') ? 'processor' : 'platform';
  const query: CollateralQuery = { root: chain.root, fmspc: chain.platform.fmspc, ca };
  const { checks: collateralChecks, proven, lists } = await obtain(query, parts);
  for (const list of lists) memory.noteRevoked(chain.root, list);
  if (proven === null) return refused([...collateralChecks, ...unasked]);
  const floors = memory.raiseFloors(chain.root, proven);
  const { checks: platformChecks } = verifyPlatform({ quote, chain, collateral: proven, floors, memory, policy, nowSec });
  const checks = [...collateralChecks, ...platformChecks];
  if (platformChecks.some((check) => check.result === 'fail' && OF_COLLATERAL.includes(check.name))) parts.collateral.drop(query);
  if (checks.some((check) => check.result !== 'pass')) return refused(checks);
  const notAfterSec = Math.min(chain.notAfterSec, proven.notAfterSec, proven.issuedAtSec + policy.maxCollateralAgeSec);
  return { checks, holds: true, notAfterSec };
}

/** Collateral that holds, verified now or, to the byte, before. What does not hold is to be asked for again. */
async function obtain(query: CollateralQuery, parts: AppraisalParts): Promise<CollateralVerdict> {
  const { collateral: source, memory, nowSec, crypto } = parts;
  const unavailable = new CheckList(COLLATERAL_CHECKS);
  const collateral = await askOr(
    () => source.collateralFor(query),
    (reason) => unavailable.fail('collateral-available', reason),
  );
  if (collateral === null) return { checks: unavailable.all(), proven: null, lists: [] };
  const digest = await collateralDigest(collateral, crypto);
  const known = memory.collateral(digest, query.root, nowSec);
  if (known !== null) return known;
  const verdict = await verifyCollateral(collateral, query.root, nowSec, crypto);
  if (verdict.proven === null) source.drop(query);
  else memory.keepCollateral(digest, query.root, verdict);
  return verdict;
}

function refused(checks: readonly Check[]): PlatformAppraisal {
  return { checks, holds: false, notAfterSec: null };
}
