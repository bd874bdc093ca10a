import type { Prices } from '../../wrappers/statements';
import { worstCost } from '../billing/prices';
import type { CompletionRequest } from '../openai/requests';
import { requestedTokens } from '../openai/requests';
import type { Offer } from '../protocol/calls';

/** How large a request can become, in tokens. */
export interface RequestSize {
  readonly promptTokens: number;
  readonly answerTokens: number;
}

/** What a chat template adds around the messages of a request, beyond the bytes of the JSON that wraps them. */
const TEMPLATE_TOKENS = 64;

/** Answer tokens below which a request is not worth sending. */
const MIN_ANSWER_TOKENS = 32;

/**
 * Upper bounds: a token is at least a byte, and neither prompt nor answer is longer than the context. Without a limit of the caller's
 * the answer can fill the context.
 */
export function requestSize(request: CompletionRequest, bodySize: number, path: string, contextLength: number): RequestSize {
  const promptTokens = Math.min(bodySize + TEMPLATE_TOKENS, contextLength);
  if (path === '/v1/embeddings') return { promptTokens, answerTokens: 0 };
  return { promptTokens, answerTokens: Math.min(requestedTokens(request) ?? contextLength, contextLength) };
}

/** What a request may cost at most at these prices, and what it must be allowed at least. */
export function requestCost(prices: Prices, size: RequestSize): { readonly wanted: bigint; readonly floor: bigint } {
  const wanted = worstCost(prices, size.promptTokens, size.answerTokens);
  return { wanted, floor: worstCost(prices, size.promptTokens, Math.min(size.answerTokens, MIN_ANSWER_TOKENS)) };
}

/**
 * Offers in the order to try them: the cheapest for this request first, then the least loaded; chance decides between equals, so that
 * a proxy cannot easily steer a client to one machine.
 * @param random uniform in [0, 1)
 */
export function rankOffers(offers: readonly Offer[], cost: (offer: Offer) => bigint, random: () => number): readonly Offer[] {
  const ranked = offers.map((offer) => ({
    offer,
    cost: cost(offer),
    load: offer.load.running / Math.max(1, offer.load.capacity),
    lot: random(),
  }));
  ranked.sort((a, b) => compare(a.cost, b.cost) || compare(a.load, b.load) || a.lot - b.lot);
  return ranked.map(({ offer }) => offer);
}

function compare<T extends bigint | number>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
