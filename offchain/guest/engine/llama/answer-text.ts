import type { NativeModel } from './native-addon';

const REPLACEMENT = '\ufffd';
/** A character needs at most four tokens of one byte each; what is still broken then is broken for good. */
const MAX_BROKEN_TOKENS = 4;
/** Tokens before the new ones that decide how these are spelt, such as whether a space leads. */
const CONTEXT_TOKENS = 4;

/** Turns tokens into text as they come: whole characters only, and nothing from a stop string on. */
export class AnswerText {
  private context: number[] = [];
  private pending: number[] = [];
  private held = '';
  private stopped = false;
  private readonly holdBack: number;

  constructor(
    private readonly model: Pick<NativeModel, 'detokenize'>,
    private readonly stops: readonly string[],
  ) {
    this.holdBack = Math.max(0, ...stops.map((stop) => stop.length - 1));
  }

  /** Whether a stop string has come: the answer ends before it. */
  get isStopped(): boolean {
    return this.stopped;
  }

  /** Text that is certain after one more token, often empty. */
  push(token: number): string {
    if (this.stopped) return '';
    this.pending.push(token);
    const text = this.pendingText();
    if (text.endsWith(REPLACEMENT) && this.pending.length < MAX_BROKEN_TOKENS) return '';
    this.context = [...this.context, ...this.pending].slice(-CONTEXT_TOKENS);
    this.pending = [];
    return this.release(text, this.holdBack);
  }

  /** What was held back, at the end of the answer. */
  end(): string {
    if (this.stopped) return '';
    const rest = this.pending.length === 0 ? '' : this.pendingText();
    this.pending = [];
    return this.release(rest, 0);
  }

  private pendingText(): string {
    const before = this.model.detokenize(Uint32Array.from(this.context));
    const all = this.model.detokenize(Uint32Array.from([...this.context, ...this.pending]));
    return all.slice(before.length);
  }

  private release(text: string, holdBack: number): string {
    this.held += text;
    const cuts = this.stops.map((stop) => this.held.indexOf(stop)).filter((at) => at >= 0);
    if (cuts.length > 0) {
      this.stopped = true;
      return this.held.slice(0, Math.min(...cuts));
    }
    const certain = Math.max(0, this.held.length - holdBack);
    const out = this.held.slice(0, certain);
    this.held = this.held.slice(certain);
    return out;
  }
}
