import { codeOf, messageOf } from '../../core/errors';
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
import type { EngineCommand } from './engine-command';
import { sendToEngine } from './engine-http';
import { countWithEngine, probeEngine, requireHealthy } from './engine-probe';
import { EngineProcess } from './engine-process';

/** Constant text and fields; never a word of a prompt or an answer. */
type EngineLog = (level: 'info' | 'warn', message: string, fields: Readonly<Record<string, string | number | null>>) => void;

export interface SupervisedEngineOptions {
  readonly identity: Engine['identity'];
  readonly command: EngineCommand;
  readonly log: EngineLog;
  /**
   * Runs before the engine is started again after it ended by itself; with an error nothing is started. Told 0 to 1.
   * An error of this code is final: the engine stays failed.
   */
  readonly beforeRestart?: { check(onProgress: (progress: number) => void): Promise<unknown>; readonly finalCode: string };
  /** Wait before the next start, after this many failures in a row. */
  readonly restartDelayMs?: (failures: number) => number;
  /** How long the process may take to end by itself. */
  readonly stopGraceMs?: number;
}

const STOP_GRACE_MS = 5000;
/** An engine that ran this long before it died has not failed to start. */
const STABLE_MS = 60_000;

/** An engine that the guest starts, watches, and starts again when it dies. */
export class SupervisedEngine implements Engine {
  readonly modelProven = true;
  readonly identity: Engine['identity'];
  private readonly holder = new EngineStateHolder();
  private process: EngineProcess | null = null;
  private base: URL | null = null;
  /** Aborted by stop; a new one for every start. */
  private life = new AbortController();
  private starting: Promise<void> | null = null;
  private watching: Promise<void> = Promise.resolve();

  constructor(private readonly options: SupervisedEngineOptions) {
    this.identity = options.identity;
  }

  state(): EngineState {
    return this.holder.get();
  }

  onChange(listener: (state: EngineState) => void): () => void {
    return this.holder.onChange(listener);
  }

  /** The process that runs now; it changes when the engine is restarted. */
  get pid(): number | null {
    return this.process?.pid ?? null;
  }

  start(): Promise<void> {
    this.starting ??= this.startFirst();
    return this.starting;
  }

  async call(request: EngineRequest): Promise<EngineResponse> {
    requireEnginePath(request.path);
    const { status, contentType, body } = await sendToEngine(this.readyBase(), { ...request, method: 'POST' });
    return { status, headers: { 'content-type': contentType }, body };
  }

  async countPromptTokens(request: EngineRequest): Promise<number | null> {
    requireEnginePath(request.path);
    return countWithEngine(this.readyBase(), request);
  }

  drain(): void {
    if (this.holder.get().tag !== 'stopped') this.holder.set({ tag: 'draining' });
  }

  async stop(): Promise<void> {
    this.life.abort();
    await this.process?.terminate(this.options.stopGraceMs ?? STOP_GRACE_MS);
    await this.watching;
    this.starting = null;
    if (this.holder.get().tag !== 'stopped') this.holder.set({ tag: 'stopped' });
  }

  private readyBase(): URL {
    this.holder.requireReady();
    if (this.base === null) throw new EngineError('engine_not_ready', 'engine has no address yet');
    return this.base;
  }

  private async startFirst(): Promise<void> {
    this.life = new AbortController();
    const { signal } = this.life;
    try {
      const process = await this.launch(signal);
      this.watching = this.watch(process, signal);
    } catch (error) {
      const reason = messageOf(error);
      if (!signal.aborted) this.holder.set({ tag: 'failed', reason });
      this.starting = null;
      throw new EngineError('engine_failed', reason, {}, { cause: error });
    }
  }

  /** Starts a process and waits until it has answered: healthy, a model, one token. */
  private async launch(signal: AbortSignal): Promise<EngineProcess> {
    this.report(0, 'starting the engine');
    const process = new EngineProcess(this.options.command, (progress, note) => {
      this.report(progress, note);
    });
    this.process = process;
    try {
      if (signal.aborted) throw new EngineError('engine_aborted', 'the engine was stopped while it started');
      const base = new URL(`http://127.0.0.1:${await process.port}`);
      await requireHealthy(base, signal);
      const models = await probeEngine(base, signal);
      this.base = base;
      if (this.holder.get().tag !== 'draining') this.holder.set({ tag: 'ready', models });
      this.options.log('info', 'engine is ready', { pid: process.pid ?? null });
      return process;
    } catch (error) {
      await process.terminate(this.options.stopGraceMs ?? STOP_GRACE_MS);
      throw error;
    }
  }

  /** Keeps an engine running until it is stopped. */
  private async watch(first: EngineProcess, signal: AbortSignal): Promise<void> {
    let process: EngineProcess | null = first;
    let startedAt = performance.now();
    let failures = 0;
    while (!signal.aborted) {
      if (process !== null) {
        const { code, signal: killedBy } = await process.ended;
        if (signal.aborted) return;
        this.options.log('warn', 'engine ended by itself', { code, signal: killedBy });
        if (performance.now() - startedAt > STABLE_MS) failures = 0;
      }
      failures++;
      this.report(0, 'the engine ended by itself and is started again');
      await pause((this.options.restartDelayMs ?? backoffMs)(failures), signal);
      if (signal.aborted) return;
      startedAt = performance.now();
      process = await this.relaunch(signal, failures);
    }
  }

  private async relaunch(signal: AbortSignal, failures: number): Promise<EngineProcess | null> {
    const { beforeRestart } = this.options;
    try {
      await beforeRestart?.check((progress) => {
        // A stop does not wait for a large model.
        signal.throwIfAborted();
        this.report(progress / 2, 'checking the model before the engine is started again');
      });
      return await this.launch(signal);
    } catch (error) {
      if (!signal.aborted && codeOf(error) === beforeRestart?.finalCode) this.giveUp(error);
      else if (!signal.aborted) this.options.log('warn', 'engine does not start again', { failures, reason: messageOf(error) });
      return null;
    }
  }

  /** Ends the watch: no further start. */
  private giveUp(error: unknown): void {
    this.life.abort();
    this.holder.set({ tag: 'failed', reason: messageOf(error) });
  }

  private report(progress: number, note: string): void {
    if (this.holder.get().tag !== 'draining') this.holder.set({ tag: 'starting', progress, note });
  }
}
