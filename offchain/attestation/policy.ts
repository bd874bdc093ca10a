import { ConfigError } from '../core/errors';
import { assertGpuPolicy, type GpuPolicy, NO_GPUS } from './gpu/gpu-policy';
import type { TcbStatus } from './tcb-status';
import type { TrustRoot } from './trust-root';

/** What a verifier accepts of a platform. */
export interface TcbPolicy {
  /** Statuses that are good enough. An empty list means none. */
  readonly acceptedTcb: readonly TcbStatus[];
  /** Advisories that may apply to the platform, such as `INTEL-SA-00837`. An empty list means none. */
  readonly acceptedAdvisories: readonly string[];
  /** How long ago the oldest of the platform's TCB info, QE identity and revocation list may have been issued, in seconds. */
  readonly maxCollateralAgeSec: number;
  /** The lowest evaluation number of TCB info and QE identity that is still taken. */
  readonly minEvaluationNumber: number;
}

/** What a verifier accepts. Ages in seconds. */
export interface EvidencePolicy extends TcbPolicy {
  /** Who may vouch for machines: one kind of root only, and an empty list means nobody and is refused. */
  readonly trustRoots: readonly TrustRoot[];
  /** For how long an image hash must have been active in the allowlist. */
  readonly minImageAgeSec: number;
  /** For how long a model hash must have been active in the allowlist. */
  readonly minModelAgeSec: number;
  /** How old the block in the claims may be. */
  readonly maxBlockAgeSec: number;
  /** Whether a model of kind `unproven` may be used; under a development root only. */
  readonly allowUnproven: boolean;
  readonly gpu: GpuPolicy;
}

/** The policy's limits where nobody asks for others: evidence is replaced at least daily, with an hour to spare. */
export const DEFAULT_LIMITS = {
  minImageAgeSec: 0,
  minModelAgeSec: 0,
  maxBlockAgeSec: 25 * 3600,
  allowUnproven: false,
  acceptedTcb: ['UpToDate'],
  acceptedAdvisories: [],
  // Half of what Intel signs for (30 days): whoever hands out collateral cannot hold a recovery back for longer.
  maxCollateralAgeSec: 15 * 86_400,
  minEvaluationNumber: 0,
  gpu: NO_GPUS,
} as const;

/**
 * How long a verdict is used before its evidence is verified again, in seconds: what newer collateral says of the platform since, a
 * revocation above all, counts from then on. Collateral is fetched anew as often.
 */
export const VERDICT_LIFE_SEC = 3600;

/** How far ahead of the verifier's clock a block or `issuedAt` may be, in seconds: two honest clocks differ. */
export const CLOCK_SKEW_SEC = 60;

/**
 * Refuses a policy that cannot mean what its author wanted.
 *
 * @throws ConfigError no_trust_root, mixed_trust_roots, no_gpu_root, mixed_gpu_roots, bad_policy
 */
export function assertPolicy(policy: EvidencePolicy): void {
  const kinds = new Set(policy.trustRoots.map((root) => root.kind));
  if (kinds.size === 0) throw new ConfigError('no_trust_root', 'the policy names no trust root, so nobody could be verified: name one');
  if (kinds.size > 1)
    throw new ConfigError('mixed_trust_roots', "the policy names Intel's root and a development root: name one kind only");
  for (const [field, value] of Object.entries({
    minImageAgeSec: policy.minImageAgeSec,
    minModelAgeSec: policy.minModelAgeSec,
    maxBlockAgeSec: policy.maxBlockAgeSec,
    maxCollateralAgeSec: policy.maxCollateralAgeSec,
    minEvaluationNumber: policy.minEvaluationNumber,
  })) {
    if (!Number.isSafeInteger(value) || value < 0) throw new ConfigError('bad_policy', `${field} is ${value}, expected a whole number`);
  }
  if (policy.acceptedTcb.includes('Revoked')) throw new ConfigError('bad_policy', 'acceptedTcb names Revoked, which nobody may accept');
  if (policy.allowUnproven && !kinds.has('development')) {
    throw new ConfigError('bad_policy', 'allowUnproven is set, which only a development root permits');
  }
  assertGpuPolicy(policy.gpu, kinds.has('intel') ? 'intel' : 'development');
}
