/**
 * Byte-level byte-pair encoding, in the form that GGUF files call `gpt2` with the `gpt-2` pre-tokenizer.
 * Source: Sennrich, Haddow and Birch, Neural Machine Translation of Rare Words with Subword Units (2016); byte alphabet of GPT-2 (2019).
 */

import { BYTE_LETTERS } from '../llama/token-bytes';

/** Tokens that no text can spell: they frame the messages of a chat. */
export const SPECIAL_TOKENS = ['<|endoftext|>', '<|im_start|>', '<|im_end|>'] as const;
export type SpecialToken = (typeof SPECIAL_TOKENS)[number];

/** A trained vocabulary: `tokens[id]` in the printable byte alphabet, and the merges in order of rank. */
export interface Vocabulary {
  readonly tokens: readonly string[];
  readonly merges: readonly string[];
}

/** Merges never cross these pieces: a word with its leading space, a run of digits, of punctuation, of white space. */
const PIECE = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

function lettersOf(piece: string): string[] {
  return Array.from(new TextEncoder().encode(piece), (byte) => BYTE_LETTERS[byte] ?? '');
}

/** Learns `size` tokens from `text`: 256 bytes, the most frequent merges, and the special tokens at the end. */
export function trainVocabulary(text: string, size: number): Vocabulary {
  const counts = new Map<string, number>();
  for (const [piece] of text.matchAll(PIECE)) counts.set(piece, (counts.get(piece) ?? 0) + 1);
  const words = [...counts].map(([piece, count]) => ({ letters: lettersOf(piece), count }));
  const tokens = [...BYTE_LETTERS];
  const merges: string[] = [];
  while (tokens.length < size - SPECIAL_TOKENS.length) {
    const merge = mostFrequentPair(words);
    if (merge === null) break;
    merges.push(merge);
    tokens.push(merge.replace(' ', ''));
    for (const word of words) applyMerge(word.letters, merge);
  }
  while (tokens.length < size - SPECIAL_TOKENS.length) tokens.push(`<|unused${tokens.length}|>`);
  return { tokens: [...tokens, ...SPECIAL_TOKENS], merges };
}

/** The pair "a b" that occurs most often, at least twice; of equals the first in code-unit order. */
function mostFrequentPair(words: readonly { readonly letters: readonly string[]; readonly count: number }[]): string | null {
  const pairs = new Map<string, number>();
  for (const { letters, count } of words) {
    for (let i = 0; i + 1 < letters.length; i++) {
      const pair = `${letters[i]} ${letters[i + 1]}`;
      pairs.set(pair, (pairs.get(pair) ?? 0) + count);
    }
  }
  let best: string | null = null;
  let bestCount = 1;
  for (const [pair, count] of pairs) {
    if (count > bestCount || (count === bestCount && best !== null && pair < best)) {
      best = pair;
      bestCount = count;
    }
  }
  return best;
}

function applyMerge(letters: string[], merge: string): void {
  for (let i = 0; i + 1 < letters.length; i++) {
    if (`${letters[i]} ${letters[i + 1]}` === merge) letters.splice(i, 2, merge.replace(' ', ''));
  }
}

/** Turns text into token ids with a trained vocabulary. */
export class Tokenizer {
  private readonly ranks: ReadonlyMap<string, number>;
  private readonly ids: ReadonlyMap<string, number>;
  private readonly known = new Map<string, readonly number[]>();

  constructor(vocabulary: Vocabulary) {
    this.ranks = new Map(vocabulary.merges.map((merge, rank) => [merge, rank]));
    this.ids = new Map(vocabulary.tokens.map((token, id) => [token, id]));
  }

  special(token: SpecialToken): number {
    return this.idOf(token);
  }

  /** Token ids of plain text; what looks like a special token stays text. */
  encode(text: string): number[] {
    return [...text.matchAll(PIECE)].flatMap(([piece]) => this.encodePiece(piece));
  }

  private encodePiece(piece: string): readonly number[] {
    const known = this.known.get(piece);
    if (known !== undefined) return known;
    const letters = lettersOf(piece);
    for (let merge = this.firstMerge(letters); merge !== null; merge = this.firstMerge(letters)) applyMerge(letters, merge);
    const ids = letters.map((token) => this.idOf(token));
    this.known.set(piece, ids);
    return ids;
  }

  /** The applicable merge of lowest rank. */
  private firstMerge(letters: readonly string[]): string | null {
    let best: string | null = null;
    let bestRank = Number.POSITIVE_INFINITY;
    for (let i = 0; i + 1 < letters.length; i++) {
      const pair = `${letters[i]} ${letters[i + 1]}`;
      const rank = this.ranks.get(pair);
      if (rank !== undefined && rank < bestRank) {
        best = pair;
        bestRank = rank;
      }
    }
    return best;
  }

  private idOf(token: string): number {
    const id = this.ids.get(token);
    if (id === undefined) throw new Error(`token ${JSON.stringify(token)} is not in the vocabulary`);
    return id;
  }
}
