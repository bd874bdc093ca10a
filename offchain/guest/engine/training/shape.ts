/** The size of the demonstration model: a Llama of less than half a million parameters, with tied input and output embedding. */
export const SHAPE = {
  vocabulary: 1024,
  width: 96,
  layers: 3,
  heads: 3,
  /** 32 or 64: llama.cpp reads prompts twenty times slower with other sizes. */
  headWidth: 32,
  hidden: 256,
  /** Tokens of the longest conversation in training. */
  window: 112,
  /** Tokens that a context may hold at run time. */
  contextLength: 2048,
  rotaryBase: 10000,
  normEpsilon: 1e-5,
} as const;

export type Shape = { readonly [Key in keyof typeof SHAPE]: number };
