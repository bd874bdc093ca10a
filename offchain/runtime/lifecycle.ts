import { join } from 'node:path';
import { Registry } from 'prom-client';
import type { z } from 'zod';
import { CocoonError, ConfigError, codeOf, messageOf } from '../core/errors';
import { loadConfig, type ProcessConfig } from './config';
import { type Command, type Control, type Health, openControl } from './control';
import { type Logger, openLog } from './log';
import { type ChildMessage, type Details, StopMessageSchema } from './parent-link';
import { openStateFolder } from './state-folder';

/** What a process's `start` is given. */
export interface ProcessContext<Config> {
  readonly config: Config;
  readonly log: Logger;
  readonly metrics: Registry;
  /** Aborted when the process is told to stop, also while it is still starting. */
  readonly stopping: AbortSignal;
  /** Tells the parent, if there is one, something to show. */
  report(event: string, details?: Details): void;
  /** Ends the process with exit code 1 because of something that it cannot go on after (a ledger that cannot be written). */
  fail(error: unknown): void;
}

/** What a process's `start` returns once it serves. */
export interface RunningProcess {
  /** What the parent needs to go on, such as the port that was taken. */
  readonly details?: Details;
  /** Absent: ok as long as the process runs. */
  health?(): Health;
  /** What can be asked of it over its control socket, by name. */
  readonly commands?: Readonly<Record<string, Command>>;
  stop(): Promise<void>;
}

export interface ProcessOptions<Config extends ProcessConfig> {
  readonly name: string;
  /** A z.strictObject that spreads processConfigShape. */
  readonly config: z.ZodType<Config>;
  start(context: ProcessContext<Config>): Promise<RunningProcess>;
  /** How long `stop` may take before the process ends anyway. */
  readonly stopTimeoutMs?: number;
}

export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
/** A flag, a file or a setting of the user is wrong. */
export const EXIT_CONFIG = 2;

const STOP_TIMEOUT_MS = 10_000;

/**
 * The whole main of a process: `--config FILE`, and `--parent` where a parent with an IPC channel has started it.
 *
 * Loads the config, makes the state folder, opens `log/<name>.log` in it, takes the control socket (which is the folder's lock) and
 * calls `start`. SIGINT, SIGTERM and SIGHUP stop it; so does a parent's stop message, and the parent's end, however it came.
 * A user's mistake is one line on stderr and exit code 2; any other failure is one line with the log's place and exit code 1, and the
 * stack is in the log. With a parent the line goes there instead.
 */
export function runProcess<Config extends ProcessConfig>(options: ProcessOptions<Config>): void {
  void new ProcessRun(options).run();
}

class ProcessRun<Config extends ProcessConfig> {
  private readonly hasParent = process.argv.includes('--parent') && process.send !== undefined;
  private readonly stopper = new AbortController();
  private log: Logger | undefined;
  private logFile: string | undefined;
  private control: Control | undefined;
  private running: RunningProcess | undefined;
  private starting = true;
  private ended = false;

  constructor(private readonly options: ProcessOptions<Config>) {}

  async run(): Promise<void> {
    const { options } = this;
    this.listen();
    try {
      const config = loadConfig(options.config, configPath(process.argv.slice(2)));
      openStateFolder(config.stateFolder);
      this.logFile = join(config.stateFolder, 'log', `${options.name}.log`);
      const metrics = new Registry();
      this.control = await openControl({
        name: options.name,
        stateFolder: config.stateFolder,
        metrics,
        health: () => this.health(),
        commands: () => this.running?.commands ?? {},
      });
      const log = openLog(this.logFile, options.name, config.logLevel);
      this.log = log;
      log.info({ pid: process.pid }, 'starting');
      this.running = await options.start({
        config,
        log,
        metrics,
        stopping: this.stopper.signal,
        report: (event, details = {}) => this.tell({ type: 'event', event, details }),
        fail: (error) => this.fail(error),
      });
    } catch (error) {
      this.starting = false;
      if (this.stopper.signal.aborted) await this.end(EXIT_OK);
      else this.fail(error);
      return;
    }
    this.starting = false;
    if (this.stopper.signal.aborted) return this.stopRunning();
    this.log?.info(this.running.details ?? {}, 'ready');
    this.tell({ type: 'ready', details: this.running.details ?? {} });
  }

  private listen(): void {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => this.stop(signal));
    process.on('uncaughtException', (error) => this.fail(error));
    process.on('unhandledRejection', (error) => this.fail(error));
    if (this.hasParent) {
      process.on('disconnect', () => this.stop('parent gone'));
      process.on('message', (message) => {
        if (StopMessageSchema.safeParse(message).success) this.stop('parent');
      });
    }
  }

  private health(): Health {
    if (this.stopper.signal.aborted) return { status: 'stopping' };
    if (this.running === undefined) return { status: 'starting' };
    return this.running.health?.() ?? { status: 'ok' };
  }

  private stop(reason: string): void {
    if (this.stopper.signal.aborted) return;
    this.log?.info({ reason }, 'stopping');
    // A stop that hangs must not keep the process: the timer does not wait for anything.
    setTimeout(() => {
      this.log?.error({ limitMs: this.options.stopTimeoutMs ?? STOP_TIMEOUT_MS }, 'stop took too long');
      process.exit(EXIT_FAILED);
    }, this.options.stopTimeoutMs ?? STOP_TIMEOUT_MS).unref();
    this.stopper.abort();
    if (!this.starting) void this.stopRunning();
  }

  private async stopRunning(): Promise<void> {
    try {
      await this.running?.stop();
    } catch (error) {
      this.log?.error({ err: error }, 'stop failed');
      return this.end(EXIT_FAILED);
    }
    return this.end(EXIT_OK);
  }

  private async end(code: number): Promise<void> {
    if (this.ended) return;
    this.ended = true;
    await this.control?.close();
    this.log?.info({ code }, 'stopped');
    process.exit(code);
  }

  /** After an unforeseen error the state in memory cannot be relied on: what matters is on disk, so the process ends at once. */
  private fail(error: unknown): void {
    if (this.ended) return;
    this.ended = true;
    this.log?.fatal({ err: error, code: codeOf(error) }, 'failed');
    const isUsersMistake = error instanceof ConfigError;
    const place = isUsersMistake || this.logFile === undefined ? '' : ` (log: ${this.logFile})`;
    const message = `${oneLine(messageOf(error))}${place}`;
    const exit = () => process.exit(isUsersMistake ? EXIT_CONFIG : EXIT_FAILED);
    if (this.hasParent) {
      this.tell({ type: 'failed', code: error instanceof CocoonError ? error.code : 'unexpected', message }, exit);
    } else {
      process.stderr.write(`cocoon ${this.options.name}: ${message}\n`, exit);
    }
  }

  /** `done` is called in any case: a parent that is gone must not keep the process. */
  private tell(message: ChildMessage, done: () => void = () => {}): void {
    if (this.hasParent && process.connected) process.send?.(message, undefined, undefined, () => done());
    else done();
  }
}

/** The value of `--config` in a process's arguments. @throws bad_flags */
export function configPath(args: readonly string[]): string {
  const rest = args.filter((arg) => arg !== '--parent');
  const [flag, path, extra] = rest;
  if (flag !== '--config' || path === undefined || extra !== undefined) {
    throw new ConfigError('bad_flags', 'usage: --config FILE');
  }
  return path;
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ');
}
