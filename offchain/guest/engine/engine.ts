/**
 * engine: the program that runs the model, behind one interface: started and watched by the guest (SupervisedEngine) or somewhere else (UrlEngine).
 * It trusts the bytes of an answer no further than to pass them on; it never logs a prompt or an answer, and it reaches nothing but its engine.
 */
import { CocoonError } from '../../core/errors';

/** The engine refused, broke or cannot be reached: restart it, or tell the caller why. */
export class EngineError extends CocoonError {}

/** A model as its engine describes it. */
export interface EngineModel {
  readonly name: string;
  /** Most tokens of prompt and answer together, null when the engine does not say. */
  readonly contextLength: number | null;
  /** What the engine can do with it. */
  readonly capabilities: readonly EngineCapability[];
}

export type EngineCapability = 'chat' | 'completion' | 'tools' | 'json_schema';

export type EngineState =
  | { readonly tag: 'stopped' }
  /** `progress` from 0 to 1; `note` is one line for a person. */
  | { readonly tag: 'starting'; readonly progress: number; readonly note: string }
  | { readonly tag: 'ready'; readonly models: readonly EngineModel[] }
  | { readonly tag: 'failed'; readonly reason: string }
  | { readonly tag: 'draining' };

export interface EngineRequest {
  /** One of ENGINE_PATHS. */
  readonly path: string;
  /** JSON of an OpenAI request. */
  readonly body: Uint8Array;
  /** Aborting closes the connection to the engine, which stops generating. */
  readonly signal: AbortSignal;
}

export interface EngineResponse {
  readonly status: number;
  readonly headers: { readonly 'content-type': string };
  /** Fails with EngineError engine_broken when the engine dies before its answer is whole, and engine_aborted when the caller aborts. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** One engine. All methods may be called in any state. */
export interface Engine {
  /** What runs, for claims and for people. */
  readonly identity: { readonly name: string; readonly version: string };
  /** Whether the guest itself loaded the weights whose hash it proves. Where it did not, people see MODEL NOT PROVEN. */
  readonly modelProven: boolean;
  state(): EngineState;
  /** Resolves when the engine is ready. @throws EngineError engine_failed */
  start(): Promise<void>;
  /**
   * Sends one request.
   * @throws EngineError path_not_allowed, engine_not_ready, engine_unreachable, engine_aborted
   */
  call(request: EngineRequest): Promise<EngineResponse>;
  /** Tokens of the prompt in a request body, null when this engine cannot count without running it. @throws EngineError as call */
  countPromptTokens(request: EngineRequest): Promise<number | null>;
  /** Refuses new requests; those that run go on. */
  drain(): void;
  /** Ends the engine and whatever it runs. */
  stop(): Promise<void>;
  /** Calls `listener` at every change of state until the returned function is called. */
  onChange(listener: (state: EngineState) => void): () => void;
}

/** The only paths that reach an engine: engines also offer weight updates, pauses and caches that no caller may touch. */
export const ENGINE_PATHS: readonly string[] = ['/v1/chat/completions', '/v1/completions'];

/** @throws EngineError path_not_allowed */
export function requireEnginePath(path: string): void {
  if (!ENGINE_PATHS.includes(path)) throw new EngineError('path_not_allowed', `path is not one of ${ENGINE_PATHS.join(', ')}`);
}

/** Keeps an engine's state and tells listeners about changes. */
export class EngineStateHolder {
  private current: EngineState = { tag: 'stopped' };
  private readonly listeners = new Set<(state: EngineState) => void>();

  get(): EngineState {
    return this.current;
  }

  set(state: EngineState): void {
    this.current = state;
    for (const listener of this.listeners) listener(state);
  }

  onChange(listener: (state: EngineState) => void): () => void {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  }

  /** @throws EngineError engine_not_ready */
  requireReady(): void {
    if (this.current.tag !== 'ready') throw new EngineError('engine_not_ready', `engine is ${this.current.tag}, not ready`);
  }
}
