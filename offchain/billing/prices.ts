import type { Prices } from '../../wrappers/statements';
import { maxNano } from '../core/money';
import { BillingError } from './credit';

/** One hundred per cent, in basis points. */
export const BASIS_POINTS = 10_000n;

const MAX_PRICE = (1n << 48n) - 1n;

/**
 * The price that a client pays for a worker that asks `price`, when the proxy keeps `feeBasisPoints` of what the client pays.
 * Rounded up, so that the proxy never pays more than it gets. @throws BillingError price_out_of_range
 */
export function offerPrices(price: Prices, feeBasisPoints: bigint): Prices {
  if (feeBasisPoints < 0n || feeBasisPoints >= BASIS_POINTS) {
    throw new BillingError('price_out_of_range', `fee of ${feeBasisPoints} basis points, limit ${BASIS_POINTS - 1n}`);
  }
  const share = BASIS_POINTS - feeBasisPoints;
  return mapPrices(price, (value) => {
    const offered = (value * BASIS_POINTS + share - 1n) / share;
    if (offered > MAX_PRICE) throw new BillingError('price_out_of_range', `price ${offered}, limit ${MAX_PRICE}`);
    return offered;
  });
}

/** Whether each price is at least the other's. */
export function isAtLeast(prices: Prices, floor: Prices): boolean {
  return (
    prices.uncachedPrompt >= floor.uncachedPrompt &&
    prices.cachedPrompt >= floor.cachedPrompt &&
    prices.answer >= floor.answer &&
    prices.reasoning >= floor.reasoning
  );
}

/** The dearest that a request can become: every prompt token uncached, every answer token of the dearer class. */
export function worstCost(prices: Prices, promptTokens: number, answerTokens: number): bigint {
  const answer = maxNano(prices.answer, prices.reasoning);
  const prompt = maxNano(prices.uncachedPrompt, prices.cachedPrompt);
  return (BigInt(promptTokens) * prompt + BigInt(answerTokens) * answer + 999_999n) / 1_000_000n;
}

/** How many answer tokens fit under `maxAmount` behind a prompt of `promptTokens`, at the dearest classes; 0 also when the prompt alone does not fit. */
export function affordableAnswerTokens(prices: Prices, promptTokens: number, maxAmount: bigint): number {
  const answer = maxNano(prices.answer, prices.reasoning);
  const prompt = maxNano(prices.uncachedPrompt, prices.cachedPrompt);
  const left = maxAmount * 1_000_000n - BigInt(promptTokens) * prompt;
  if (left < 0n) return 0;
  if (answer === 0n) return Number.MAX_SAFE_INTEGER;
  const tokens = left / answer;
  return tokens > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(tokens);
}

function mapPrices(prices: Prices, change: (value: bigint) => bigint): Prices {
  return {
    uncachedPrompt: change(prices.uncachedPrompt),
    cachedPrompt: change(prices.cachedPrompt),
    answer: change(prices.answer),
    reasoning: change(prices.reasoning),
  };
}
