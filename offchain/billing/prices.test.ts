import fc from 'fast-check';
import { cost, type Prices } from '../../wrappers/statements';
import { affordableAnswerTokens, isAtLeast, offerPrices, worstCost } from './prices';

const SEED = { seed: 20261120, numRuns: 1000 };
const PRICES: Prices = { uncachedPrompt: 400_000n, cachedPrompt: 100_000n, answer: 1_200_000n, reasoning: 900_000n };
const MAX = (1n << 48n) - 1n;

/** Any price that an offer can be made of, at any fee. */
const price = fc.bigInt({ min: 0n, max: MAX / 10_000n });
const prices = fc.record({ uncachedPrompt: price, cachedPrompt: price, answer: price, reasoning: price });
const tokens = fc.nat({ max: 0xffff_ffff });
const usage = fc.record({ uncachedPrompt: tokens, cachedPrompt: tokens, answer: tokens, reasoning: tokens });
const amount = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });

describe('the prices of an offer', () => {
  it.each<[bigint, bigint, bigint]>([
    [1000n, 0n, 1000n],
    [900n, 1000n, 1000n],
    [901n, 1000n, 1002n],
    [1n, 1n, 2n],
    [0n, 5000n, 0n],
    [1n, 9999n, 10_000n],
  ])('of a worker that asks %s at a fee of %s basis points are %s', (asked, fee, offered) => {
    const all = (value: bigint): Prices => ({ uncachedPrompt: value, cachedPrompt: value, answer: value, reasoning: value });
    expect(offerPrices(all(asked), fee)).toEqual(all(offered));
  });

  it.each([-1n, 10_000n, 10_001n])('are not made with a fee of %s (price_out_of_range)', (fee) => {
    expect(() => offerPrices(PRICES, fee)).toThrow(expect.objectContaining({ code: 'price_out_of_range' }));
  });

  it('fit their field, or are not made (price_out_of_range)', () => {
    expect(offerPrices({ ...PRICES, answer: MAX }, 0n).answer).toBe(MAX);
    expect(() => offerPrices({ ...PRICES, answer: MAX }, 1n)).toThrow(expect.objectContaining({ code: 'price_out_of_range' }));
  });

  it('never make the proxy pay a worker more than it gets, and leave it its share of what is not cut off', () => {
    const fee = fc.bigInt({ min: 0n, max: 9_999n });
    fc.assert(
      fc.property(prices, fee, usage, amount, (asked, basisPoints, used, maxAmount) => {
        const offered = offerPrices(asked, basisPoints);
        expect(isAtLeast(offered, asked)).toBe(true);
        const received = cost(used, offered, maxAmount);
        expect(cost(used, asked, maxAmount) <= received).toBe(true);
        // Without the cap the worker gets at most its share, up to the rounding of one cost.
        const uncapped = cost(used, offered, 1n << 200n);
        expect((cost(used, asked, 1n << 200n) - 1n) * 10_000n <= uncapped * (10_000n - basisPoints)).toBe(true);
      }),
      SEED,
    );
  });
});

describe('prices are at least a floor', () => {
  it('only when each of them is', () => {
    expect(isAtLeast(PRICES, PRICES)).toBe(true);
    for (const name of ['uncachedPrompt', 'cachedPrompt', 'answer', 'reasoning'] as const) {
      expect(isAtLeast({ ...PRICES, [name]: PRICES[name] - 1n }, PRICES)).toBe(false);
      expect(isAtLeast({ ...PRICES, [name]: PRICES[name] + 1n }, PRICES)).toBe(true);
    }
  });
});

describe('what a request can cost at worst', () => {
  it.each<[string, Prices, number, number, bigint]>([
    ['nothing without tokens', PRICES, 0, 0, 0n],
    ['one nano at least for any token that costs', { ...PRICES, uncachedPrompt: 1n }, 1, 0, 1n],
    ['the dearer prompt price', { ...PRICES, cachedPrompt: 500_000n }, 2, 0, 1n],
    ['the dearer answer price', { ...PRICES, reasoning: 2_000_000n }, 0, 3, 6n],
    ['both parts, rounded up once', PRICES, 1, 1, 2n],
  ])('is %s', (_name, at, promptTokens, answerTokens, expected) => {
    expect(worstCost(at, promptTokens, answerTokens)).toBe(expected);
  });

  it('is never below what it then costs', () => {
    const count = fc.nat({ max: 1_000_000 });
    fc.assert(
      fc.property(prices, count, count, count, count, (at, uncachedPrompt, cachedPrompt, answer, reasoning) => {
        const actual = cost({ uncachedPrompt, cachedPrompt, answer, reasoning }, at, 1n << 200n);
        expect(actual <= worstCost(at, uncachedPrompt + cachedPrompt, answer + reasoning)).toBe(true);
      }),
      SEED,
    );
  });
});

describe('the answer tokens that an amount affords', () => {
  it.each<[string, Prices, number, bigint, number]>([
    ['all that fit exactly', PRICES, 0, 12n, 10],
    ['none for a nano less than one', PRICES, 0, 1n, 0],
    ['none when the prompt takes everything', PRICES, 30, 12n, 0],
    ['none when the prompt alone is too dear', PRICES, 31, 12n, 0],
    ['any number when answers are free', { ...PRICES, answer: 0n, reasoning: 0n }, 1, 1n, Number.MAX_SAFE_INTEGER],
    ['no more than can be counted exactly', { ...PRICES, answer: 1n, reasoning: 0n }, 0, 1n << 63n, Number.MAX_SAFE_INTEGER],
  ])('are %s', (_name, at, promptTokens, maxAmount, expected) => {
    expect(affordableAnswerTokens(at, promptTokens, maxAmount)).toBe(expected);
  });

  it('cost at most that amount, and one more would not fit, unless the prompt alone is too dear', () => {
    const prompt = fc.nat({ max: 2_000_000 });
    const spend = fc.bigInt({ min: 0n, max: 10n ** 13n });
    fc.assert(
      fc.property(prices, prompt, spend, (at, promptTokens, maxAmount) => {
        const affordable = affordableAnswerTokens(at, promptTokens, maxAmount);
        if (worstCost(at, promptTokens, 0) > maxAmount) return expect(affordable).toBe(0);
        expect(worstCost(at, promptTokens, affordable) <= maxAmount).toBe(true);
        if (affordable < Number.MAX_SAFE_INTEGER) expect(worstCost(at, promptTokens, affordable + 1) > maxAmount).toBe(true);
      }),
      SEED,
    );
  });
});
