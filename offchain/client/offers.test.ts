import type { Offer } from '../protocol/calls';
import { makeGuest, PRICES } from './client.test-kit';
import { rankOffers, requestCost, requestSize } from './offers';

const request = { model: 'm' };

describe('the size of a request', () => {
  test('is bounded by its bytes, what was asked for, and the context', () => {
    expect(requestSize({ ...request, max_tokens: 10 }, 100, '/v1/chat/completions', 4096)).toEqual({ promptTokens: 164, answerTokens: 10 });
    expect(requestSize({ ...request, max_completion_tokens: 9000 }, 10_000, '/v1/chat/completions', 4096)).toEqual({
      promptTokens: 4096,
      answerTokens: 4096,
    });
    expect(requestSize(request, 100, '/v1/chat/completions', 4096).answerTokens).toBe(4096);
    expect(requestSize(request, 100, '/v1/embeddings', 4096).answerTokens).toBe(0);
  });

  test('gives what it may cost at most and must be allowed at least', () => {
    expect(requestCost(PRICES, { promptTokens: 1000, answerTokens: 500 })).toEqual({ wanted: 3000n, floor: 1128n });
    expect(requestCost(PRICES, { promptTokens: 1000, answerTokens: 1 })).toEqual({ wanted: 1004n, floor: 1004n });
  });
});

describe('offers are tried', () => {
  let offer: Offer;
  beforeAll(async () => {
    offer = (await makeGuest()).offer;
  });
  const cost = ({ prices }: Offer) => prices.answer;
  const named = (owner: string, answer: bigint, running: number): Offer => ({
    ...offer,
    owner,
    prices: { ...offer.prices, answer },
    load: { running, capacity: 4 },
  });

  test('the cheapest first, then the least loaded', () => {
    const offers = [named('dear', 5n, 0), named('busy', 1n, 3), named('idle', 1n, 0)];
    expect(rankOffers(offers, cost, () => 0.5).map(({ owner }) => owner)).toEqual(['idle', 'busy', 'dear']);
  });

  test('by chance between equals, whatever order the proxy gives', () => {
    const offers = [named('a', 1n, 0), named('b', 1n, 0)];
    const lots = (...values: readonly number[]) => {
      const left = [...values];
      return () => left.shift() ?? 0;
    };
    expect(rankOffers(offers, cost, lots(0.9, 0.1)).map(({ owner }) => owner)).toEqual(['b', 'a']);
    expect(rankOffers(offers, cost, lots(0.1, 0.9)).map(({ owner }) => owner)).toEqual(['a', 'b']);
  });
});
