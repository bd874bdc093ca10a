import { ConfigError } from '../core/errors';
import type { TrustRoot } from './trust-root';

/** What a verifier accepts. Ages in seconds. */
export interface EvidencePolicy {
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
}

/** The policy's limits where nobody asks for others: evidence is replaced at least daily, with an hour to spare. */
export const DEFAULT_LIMITS = { minImageAgeSec: 0, minModelAgeSec: 0, maxBlockAgeSec: 25 * 3600, allowUnproven: false } as const;

/** How far ahead of the verifier's clock a block or `issuedAt` may be, in seconds: two honest clocks differ. */
export const CLOCK_SKEW_SEC = 60;

/**
 * Refuses a policy that cannot mean what its author wanted.
 *
 * @throws ConfigError no_trust_root, mixed_trust_roots, bad_policy
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
  })) {
    if (!Number.isSafeInteger(value) || value < 0) throw new ConfigError('bad_policy', `${field} is ${value}, expected whole seconds`);
  }
  if (policy.allowUnproven && !kinds.has('development')) {
    throw new ConfigError('bad_policy', 'allowUnproven is set, which only a development root permits');
  }
}

/**
 * What every process asks of its network's policy before it starts.
 *
 * @throws ConfigError as assertPolicy, and intel_root_unsupported
 */
export function assertNetworkPolicy(policy: EvidencePolicy): void {
  assertPolicy(policy);
  refuseIntelRoot(policy);
}

/** Without TCB collateral and GPU evidence a quote under Intel's root says too little, so no network may rest on it. */
function refuseIntelRoot(policy: EvidencePolicy): void {
  if (policy.trustRoots.some((root) => root.kind === 'intel')) {
    throw new ConfigError(
      'intel_root_unsupported',
      "the network names Intel's root, but checks of TCB collateral, revocation and GPU evidence are not there yet: name a development root",
    );
  }
}
