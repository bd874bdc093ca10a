import type { EngineError } from '../engine';
import type { NativeSamplerConfig } from './native-addon';

/** What to generate. */
export interface GenerationRequest {
  readonly prompt: Uint32Array;
  readonly maxTokens: number;
  readonly sampling: NativeSamplerConfig;
  /** GBNF that the answer must follow, or null. */
  readonly grammar: string | null;
  /** Requests share cached prompts only under the same salt: otherwise a cache hit would tell a stranger what was asked. */
  readonly cacheSalt: string;
  readonly signal: AbortSignal;
}

export type GenerationEvent =
  /** The prompt has its place; `cachedTokens` of it need no computing. */
  | { readonly tag: 'started'; readonly cachedTokens: number }
  | { readonly tag: 'token'; readonly token: number }
  | { readonly tag: 'finished'; readonly reason: 'stop' | 'length' };

/** A running generation seen from outside: an ordered stream of events that ends with `finished`, or fails. */
export class Generation implements AsyncIterable<GenerationEvent> {
  private readonly events: GenerationEvent[] = [];
  private failure: EngineError | null = null;
  private ended = false;
  private wake: () => void = () => {};

  constructor(readonly request: GenerationRequest) {}

  push(event: GenerationEvent): void {
    this.events.push(event);
    if (event.tag === 'finished') this.ended = true;
    this.wake();
  }

  fail(error: EngineError): void {
    if (this.ended) return;
    this.failure = error;
    this.ended = true;
    this.wake();
  }

  /** @throws EngineError engine_aborted, decode_failed */
  async *[Symbol.asyncIterator](): AsyncIterator<GenerationEvent> {
    for (;;) {
      const event = this.events.shift();
      if (event !== undefined) {
        yield event;
        if (event.tag === 'finished') return;
      } else if (this.failure !== null) {
        throw this.failure;
      } else {
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
      }
    }
  }
}
