import { ConfigError, codeOf, messageOf } from '../../core/errors';
import { backoffMs, pause } from './backoff';
import {
  type Engine,
  EngineError,
  type EngineRequest,
  type EngineResponse,
  type EngineState,
  EngineStateHolder,
  requireEnginePath,
} from './engine';
import { sendToEngine } from './engine-http';
import { countWithEngine, probeEngine } from './engine-probe';

/**
 * The base address of an OpenAI-compatible server, with or without /v1 at its end.
 * @throws ConfigError bad_engine_url with a sentence for the user
 */
export function parseEngineUrl(text: string): URL {
  const bad = (what: string) => new ConfigError('bad_engine_url', `--engine: ${what}; expected something like http://127.0.0.1:8000`);
  if (!URL.canParse(text)) throw bad('this is no URL');
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw bad(`${url.protocol} is neither http: nor https:`);
  if (url.username !== '' || url.password !== '') throw bad('a name and a password in a URL end up in logs');
  if (url.search !== '' || url.hash !== '') throw bad('the URL has a query or a fragment');
  url.pathname = url.pathname.replace(/\/+$/, '').replace(/\/v1$/, '');
  return url;
}

/** An engine that somebody else runs: nobody has seen its weights, so no model is proven. */
export class UrlEngine implements Engine {
  readonly modelProven = false;
  readonly identity = { name: 'external', version: 'unknown' } as const;
  private readonly holder = new EngineStateHolder();
  /** Aborted by stop; a new one for every start. */
  private life = new AbortController();
  private returning: Promise<void> | null = null;

  constructor(
    private readonly base: URL,
    private readonly options: { readonly retryDelayMs?: (failures: number) => number } = {},
  ) {}

  state(): EngineState {
    return this.holder.get();
  }

  onChange(listener: (state: EngineState) => void): () => void {
    return this.holder.onChange(listener);
  }

  async start(): Promise<void> {
    this.life = new AbortController();
    this.holder.set({ tag: 'starting', progress: 0, note: `asking the engine at ${this.base.origin}` });
    try {
      this.holder.set({ tag: 'ready', models: await probeEngine(this.base, this.life.signal) });
    } catch (error) {
      const reason = messageOf(error);
      this.holder.set({ tag: 'failed', reason });
      throw new EngineError('engine_failed', reason, {}, { cause: error });
    }
  }

  async call(request: EngineRequest): Promise<EngineResponse> {
    requireEnginePath(request.path);
    this.holder.requireReady();
    try {
      const { status, contentType, body } = await sendToEngine(this.base, { ...request, method: 'POST' });
      return { status, headers: { 'content-type': contentType }, body };
    } catch (error) {
      if (codeOf(error) === 'engine_unreachable') this.returning ??= this.awaitReturn(this.life.signal);
      throw error;
    }
  }

  async countPromptTokens(request: EngineRequest): Promise<number | null> {
    requireEnginePath(request.path);
    this.holder.requireReady();
    return countWithEngine(this.base, request);
  }

  drain(): void {
    if (this.holder.get().tag !== 'stopped') this.holder.set({ tag: 'draining' });
  }

  async stop(): Promise<void> {
    this.life.abort();
    await this.returning;
    if (this.holder.get().tag !== 'stopped') this.holder.set({ tag: 'stopped' });
  }

  /** Offers nothing until the engine answers again. */
  private async awaitReturn(signal: AbortSignal): Promise<void> {
    const isActive = () => !signal.aborted && this.holder.get().tag !== 'draining';
    for (let failures = 1; isActive(); failures++) {
      this.holder.set({ tag: 'starting', progress: 0, note: `the engine at ${this.base.origin} does not answer` });
      await pause((this.options.retryDelayMs ?? backoffMs)(failures), signal);
      try {
        const models = await probeEngine(this.base, signal);
        if (isActive()) this.holder.set({ tag: 'ready', models });
        break;
      } catch {
        /** It is still away: the state says so already. */
      }
    }
    this.returning = null;
  }
}
