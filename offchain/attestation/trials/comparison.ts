import type { Check } from '../report';
import type { TrialCase } from './cases';
import type { OtherName, Verdict } from './other-verifiers';

/** Our verdict, with every check behind it. */
export type OurVerdict = Verdict & { readonly checks: readonly Check[] };

/** The same subject, two verdicts. */
export interface Comparison {
  readonly case: TrialCase;
  readonly other: OtherName;
  readonly ours: OurVerdict;
  readonly theirs: Verdict;
}

/** A class of differences between another verifier's verdicts and ours. docs/attestation-differences.md has the same list. */
export interface KnownDifference {
  readonly id: string;
  readonly others: readonly OtherName[];
  readonly reason: string;
}

export const BOTH = ['javascript', 'wasm'] as const;
export const JAVASCRIPT = ['javascript'] as const;
export const WASM = ['wasm'] as const;
