import { EngineError } from '../engine';
import type { LoadedModel } from './model';

/** One message with its content as plain text; other fields go to the template as they came. */
export interface ChatMessage {
  readonly role: string;
  readonly content: string | null;
  readonly [field: string]: unknown;
}

/**
 * Renders a conversation with the model's own template and returns its tokens.
 *
 * Text inside messages that spells a control token stays text: nobody can end their message and speak as the system. For that, such text is replaced
 * by marks before the template runs, and the marks by the text's ordinary tokens afterwards.
 *
 * @param variables further template variables, such as tools
 * @throws EngineError no_chat_template, bad_chat when the template refuses the conversation
 */
export function chatTokens(
  { facts, native, template }: LoadedModel,
  messages: readonly ChatMessage[],
  variables: Readonly<Record<string, unknown>> = {},
): Uint32Array {
  if (template === null) throw new EngineError('no_chat_template', 'this model has no chat template; use /v1/completions');
  const input = { ...variables, messages, add_generation_prompt: true };
  const marks = new ControlTokenMarks(facts.controlTokens, JSON.stringify(input));
  let rendered: string;
  try {
    rendered = template.render({ ...marks.hide(input), bos_token: facts.bosToken, eos_token: facts.eosToken });
  } catch (cause) {
    throw new EngineError('bad_chat', "the model's chat template refuses this conversation", {}, { cause });
  }
  const tokens = marks.split(rendered).flatMap(({ text, isHidden }) => Array.from(native.tokenize(text, !isHidden)));
  return withBos(native, tokens);
}

/** Tokens of a bare prompt, in which control tokens are the caller's own business. */
export function completionTokens({ native }: LoadedModel, prompt: string): Uint32Array {
  return withBos(native, Array.from(native.tokenize(prompt, true)));
}

function withBos(native: LoadedModel['native'], tokens: readonly number[]): Uint32Array {
  const isMissing = native.shouldPrependBosToken() && tokens[0] !== native.tokenBos();
  return Uint32Array.from(isMissing ? [native.tokenBos(), ...tokens] : tokens);
}

/** First code point of plane 15, private use: its characters mean nothing to anybody. */
const FIRST_MARK = 0xf0000;
const LAST_MARK = 0xffffd;

/** Replaces texts of control tokens by "mark, index, mark", where the mark is a character that occurs nowhere in the input. */
class ControlTokenMarks {
  /** Longest first, since one may be part of another. */
  private readonly tokens: readonly string[];
  private readonly mark: string;

  constructor(controlTokens: readonly string[], input: string) {
    this.tokens = [...controlTokens].sort((a, b) => b.length - a.length);
    let point = FIRST_MARK;
    while (point < LAST_MARK && input.includes(String.fromCodePoint(point))) point++;
    this.mark = String.fromCodePoint(point);
  }

  /** The same data with every control token in every string hidden. */
  hide(data: Readonly<Record<string, unknown>>): Record<string, unknown> {
    return Object.fromEntries(Object.entries(data).map(([key, value]) => [this.hideText(key), this.hideValue(value)]));
  }

  private hideValue(value: unknown): unknown {
    if (typeof value === 'string') return this.hideText(value);
    if (Array.isArray(value)) return value.map((item) => this.hideValue(item));
    if (typeof value === 'object' && value !== null) return this.hide({ ...value });
    return value;
  }

  private hideText(text: string): string {
    let hidden = text;
    this.tokens.forEach((token, index) => {
      if (hidden.includes(token)) hidden = hidden.replaceAll(token, `${this.mark}${index}${this.mark}`);
    });
    return hidden;
  }

  /** The rendered text in pieces, hidden ones with their text back. */
  split(rendered: string): readonly { readonly text: string; readonly isHidden: boolean }[] {
    return rendered
      .split(this.mark)
      .map((text, n) => (n % 2 === 0 ? { text, isHidden: false } : { text: this.tokens[Number(text)] ?? '', isHidden: true }))
      .filter(({ text }) => text.length > 0);
  }
}
