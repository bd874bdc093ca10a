import { type TokenList, tokenBytes } from './token-bytes';

/** Turns tokens into text as they come: whole characters only, and nothing from a stop string on. */
export class AnswerText {
  private readonly decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  private readonly holdBack: number;
  private held = '';
  private stopped = false;

  constructor(
    private readonly tokens: TokenList,
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
    return this.release(this.decoder.decode(tokenBytes(this.tokens, token), { stream: true }), this.holdBack);
  }

  /** What was held back, at the end of the answer. Bytes that never became a character show as U+FFFD. */
  end(): string {
    return this.release(this.decoder.decode(), 0);
  }

  private release(text: string, holdBack: number): string {
    if (this.stopped) return '';
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
