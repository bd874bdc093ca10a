import type { Prices, Usage } from '../../wrappers/statements';
import { toUsage, usageSchema } from './usage';

const CHEAP_CACHE: Prices = { uncachedPrompt: 4n, cachedPrompt: 1n, answer: 10n, reasoning: 8n };
const DEAR_PARTS: Prices = { uncachedPrompt: 4n, cachedPrompt: 5n, answer: 10n, reasoning: 12n };

describe('the usage that an engine reports becomes four disjoint counts', () => {
  it.each<[string, unknown, Prices, Usage]>([
    [
      'both parts are known',
      {
        prompt_tokens: 100,
        completion_tokens: 50,
        prompt_tokens_details: { cached_tokens: 30 },
        completion_tokens_details: { reasoning_tokens: 20 },
      },
      CHEAP_CACHE,
      { uncachedPrompt: 70, cachedPrompt: 30, answer: 30, reasoning: 20 },
    ],
    [
      'no part is known: the dearer class',
      { prompt_tokens: 100, completion_tokens: 50 },
      CHEAP_CACHE,
      { uncachedPrompt: 100, cachedPrompt: 0, answer: 50, reasoning: 0 },
    ],
    [
      'no part is known, and the parts are dearer',
      { prompt_tokens: 100, completion_tokens: 50 },
      DEAR_PARTS,
      { uncachedPrompt: 0, cachedPrompt: 100, answer: 0, reasoning: 50 },
    ],
    [
      'parts are null, which is unknown',
      { prompt_tokens: 9, completion_tokens: 8, prompt_tokens_details: null, completion_tokens_details: { reasoning_tokens: null } },
      DEAR_PARTS,
      { uncachedPrompt: 0, cachedPrompt: 9, answer: 0, reasoning: 8 },
    ],
    [
      'parts are zero, which is known',
      {
        prompt_tokens: 9,
        completion_tokens: 8,
        prompt_tokens_details: { cached_tokens: 0 },
        completion_tokens_details: { reasoning_tokens: 0 },
      },
      DEAR_PARTS,
      { uncachedPrompt: 9, cachedPrompt: 0, answer: 8, reasoning: 0 },
    ],
    [
      'parts exceed their whole',
      {
        prompt_tokens: 9,
        completion_tokens: 8,
        prompt_tokens_details: { cached_tokens: 10 },
        completion_tokens_details: { reasoning_tokens: 99 },
      },
      CHEAP_CACHE,
      { uncachedPrompt: 0, cachedPrompt: 9, answer: 0, reasoning: 8 },
    ],
    [
      'prices are equal',
      { prompt_tokens: 9, completion_tokens: 8 },
      { ...CHEAP_CACHE, cachedPrompt: 4n },
      { uncachedPrompt: 9, cachedPrompt: 0, answer: 8, reasoning: 0 },
    ],
    [
      'embeddings have no answer',
      { prompt_tokens: 9, total_tokens: 9 },
      CHEAP_CACHE,
      { uncachedPrompt: 9, cachedPrompt: 0, answer: 0, reasoning: 0 },
    ],
    [
      'the answer is null',
      { prompt_tokens: 9, completion_tokens: null },
      CHEAP_CACHE,
      { uncachedPrompt: 9, cachedPrompt: 0, answer: 0, reasoning: 0 },
    ],
    [
      'there is more that we do not know',
      { prompt_tokens: 1, completion_tokens: 2, cost: 'x', prompt_tokens_details: { audio_tokens: 7 } },
      CHEAP_CACHE,
      { uncachedPrompt: 1, cachedPrompt: 0, answer: 2, reasoning: 0 },
    ],
  ])('when %s', (_name, reported, prices, expected) => {
    expect(toUsage(usageSchema.parse(reported), prices)).toEqual(expected);
  });

  it.each<[string, unknown]>([
    ['no prompt count', { completion_tokens: 1 }],
    ['a negative count', { prompt_tokens: -1, completion_tokens: 1 }],
    ['a fraction', { prompt_tokens: 1.5, completion_tokens: 1 }],
    ['a count above 32 bits', { prompt_tokens: 2 ** 32, completion_tokens: 1 }],
    ['a text', { prompt_tokens: '1', completion_tokens: 1 }],
    ['nothing', null],
  ])('and is refused with %s', (_name, reported) => {
    expect(usageSchema.safeParse(reported).success).toBe(false);
  });
});
