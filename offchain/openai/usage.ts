import { z } from 'zod';
import type { Prices, Usage } from '../../wrappers/statements';

const count = z.int().min(0).max(0xffff_ffff);

/** `usage` as OpenAI-compatible engines report it; what they add is left alone. */
export const usageSchema = z.object({
  prompt_tokens: count,
  /** Embeddings have none, and some engines then leave it out. */
  completion_tokens: count.nullish().transform((tokens) => tokens ?? 0),
  prompt_tokens_details: z.object({ cached_tokens: count.nullish() }).nullish(),
  completion_tokens_details: z.object({ reasoning_tokens: count.nullish() }).nullish(),
});
export type ReportedUsage = z.infer<typeof usageSchema>;

export const NO_USAGE: Usage = { uncachedPrompt: 0, cachedPrompt: 0, answer: 0, reasoning: 0 };

/**
 * Four disjoint counts of what an engine reported. A count that it does not report is unknown, not zero: it is folded into the
 * dearer class, and parts that exceed their whole are cut to it.
 */
export function toUsage(reported: ReportedUsage, prices: Prices): Usage {
  const [uncachedPrompt, cachedPrompt] = split(
    reported.prompt_tokens,
    reported.prompt_tokens_details?.cached_tokens,
    prices.uncachedPrompt,
    prices.cachedPrompt,
  );
  const [answer, reasoning] = split(
    reported.completion_tokens,
    reported.completion_tokens_details?.reasoning_tokens,
    prices.answer,
    prices.reasoning,
  );
  return { uncachedPrompt, cachedPrompt, answer, reasoning };
}

/** The whole as (rest, part). */
function split(whole: number, part: number | null | undefined, restPrice: bigint, partPrice: bigint): readonly [number, number] {
  const known = part ?? (partPrice > restPrice ? whole : 0);
  const cut = Math.min(known, whole);
  return [whole - cut, cut];
}
