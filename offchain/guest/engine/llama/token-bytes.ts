/** Source: llama.cpp, llama_token_type. */
export const TOKEN_TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** The tokens of a model as its file lists them. */
export interface TokenList {
  /** `gpt2` for byte-level pairs, `llama` for SentencePiece; other kinds are written as their text. */
  readonly kind: string;
  readonly texts: readonly string[];
  readonly types: readonly number[];
}

/**
 * Byte-level vocabularies write each byte as one printable character, so that a token is a string without white space.
 * Source: GPT-2 (2019), bytes_to_unicode.
 */
export const BYTE_LETTERS: readonly string[] = byteLetters();
const BYTE_OF_LETTER: ReadonlyMap<string, number> = new Map(BYTE_LETTERS.map((letter, byte) => [letter, byte]));

function byteLetters(): string[] {
  const isPrintable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(isPrintable(byte) ? byte : next++));
}

/** What SentencePiece writes for a space. Source: Kudo and Richardson, SentencePiece (2018). */
const SPACE_MARK = '\u2581';
const NOTHING = new Uint8Array(0);

/**
 * The bytes that one token adds to an answer; none for tokens that frame messages. llama.cpp's own detokenizer drops spaces before punctuation in some
 * vocabularies, so it is not used for answers.
 */
export function tokenBytes({ kind, texts, types }: TokenList, token: number): Uint8Array {
  const text = texts[token] ?? '';
  switch (types[token] ?? TOKEN_TYPE.normal) {
    case TOKEN_TYPE.normal:
      if (kind === 'gpt2') return Uint8Array.from([...text], (letter) => BYTE_OF_LETTER.get(letter) ?? 0x3f);
      return Buffer.from(kind === 'llama' ? text.replaceAll(SPACE_MARK, ' ') : text);
    case TOKEN_TYPE.byte:
      return Uint8Array.of(Number.parseInt(text.slice('<0x'.length), 16));
    case TOKEN_TYPE.userDefined:
      return Buffer.from(text);
    default:
      return NOTHING;
  }
}
