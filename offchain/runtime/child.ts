import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { CocoonError } from '../core/errors';
import { ChildMessageSchema, type Details, STOP_MESSAGE } from './parent-link';

/** A child process could not start, or ended before it was ready. `message` is its own line where it gave one. */
export class ChildError extends CocoonError {}

export interface ExitInfo {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The child's own last words, if it failed: a code and a line for a person. */
  readonly failure: { readonly code: string; readonly message: string } | null;
}

export interface ChildOptions {
  readonly name: string;
  /** Module of the child's main without extension: `.js` beside compiled code, `.ts` from sources. */
  readonly script: string;
  readonly configFile: string;
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly readyTimeoutMs?: number;
  /** Gives up a start that is under way: the child is killed. */
  readonly signal?: AbortSignal;
  onEvent?(event: string, details: Details): void;
}

export interface RunningChild {
  readonly name: string;
  readonly pid: number;
  /** What the child said when it became ready. */
  readonly details: Details;
  /** Settles when the process has ended, for whatever reason. Never rejects. */
  readonly exited: Promise<ExitInfo>;
  /** Asks it to stop and waits; kills it when it has not ended after `timeoutMs`. */
  stop(timeoutMs?: number): Promise<ExitInfo>;
  /** SIGKILL to it and to everything that it has started. */
  kill(): Promise<ExitInfo>;
}

const READY_TIMEOUT_MS = 60_000;
/** Longer than a child's own bound (lifecycle.ts), so that it ends itself where it can. */
const STOP_TIMEOUT_MS = 12_000;
const LAST_WORDS_BYTES = 4096;

/**
 * Starts a process that is built with runProcess and resolves when it is ready. It ends when this process ends, however that
 * happens: it watches the IPC channel. It has a process group of its own, so that Ctrl-C reaches this process only, which stops its
 * children in the order it wants, and so that `kill` reaches what the child has started.
 *
 * @throws ChildError child_failed (the child's own code is in data), child_exited, child_not_ready, child_given_up
 */
export async function startChild(options: ChildOptions): Promise<RunningChild> {
  const child = forkChild(options);
  let failure: ExitInfo['failure'] = null;
  let lastWords = '';
  child.stderr?.on('data', (part: Buffer) => {
    lastWords = (lastWords + part.toString()).slice(-LAST_WORDS_BYTES);
  });
  const exited = new Promise<ExitInfo>((done) => {
    child.once('close', (code, signal) => done({ code, signal, failure: failure ?? lastFailure(lastWords) }));
    child.once('error', (error) => {
      failure = { code: 'child_unstartable', message: error.message };
      if (child.pid === undefined) done({ code: null, signal: null, failure });
    });
  });
  const kill = () => {
    killGroup(child);
    return exited;
  };
  const ready = new Promise<Details>((done) => {
    child.on('message', (raw) => {
      const message = ChildMessageSchema.safeParse(raw).data;
      if (message?.type === 'ready') done(message.details);
      else if (message?.type === 'failed') failure = { code: message.code, message: message.message };
      else if (message?.type === 'event') options.onEvent?.(message.event, message.details);
    });
  });
  const limitMs = options.readyTimeoutMs ?? READY_TIMEOUT_MS;
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<'too late'>((done) => {
    timer = setTimeout(() => done('too late'), limitMs);
  });
  const outcome = await Promise.race([
    ready.then((details) => ({ type: 'ready', details }) as const),
    exited.then((exit) => ({ type: 'exited', exit }) as const),
    tooLate.then(() => ({ type: 'late' }) as const),
    aborted(options.signal).then(() => ({ type: 'given up' }) as const),
  ]);
  clearTimeout(timer);
  switch (outcome.type) {
    case 'ready':
      return {
        name: options.name,
        pid: child.pid ?? 0,
        details: outcome.details,
        exited,
        kill,
        stop: (timeoutMs = STOP_TIMEOUT_MS) => stopChild(child, exited, timeoutMs),
      };
    case 'exited':
      throw notStarted(options.name, outcome.exit);
    case 'given up':
      await kill();
      throw new ChildError('child_given_up', `${options.name} was stopped while it started`, { name: options.name });
    case 'late':
      await kill();
      throw new ChildError('child_not_ready', `${options.name} was not ready after ${limitMs} ms`, { name: options.name });
  }
}

/** Settles when the signal is aborted; never without one. */
function aborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((done) => {
    if (signal?.aborted) done();
    else signal?.addEventListener('abort', () => done(), { once: true });
  });
}

function forkChild(options: ChildOptions): ChildProcess {
  const compiled = existsSync(`${options.script}.js`);
  return fork(compiled ? `${options.script}.js` : `${options.script}.ts`, ['--config', options.configFile, '--parent'], {
    // From sources (tests): transpile only, type checking is done elsewhere and would cost seconds at each start.
    execArgv: compiled ? [] : ['--require', 'ts-node/register/transpile-only'],
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    detached: process.platform !== 'win32',
  });
}

function stopChild(child: ChildProcess, exited: Promise<ExitInfo>, timeoutMs: number): Promise<ExitInfo> {
  if (child.connected) child.send(STOP_MESSAGE, () => {});
  else child.kill('SIGTERM');
  const timer = setTimeout(() => killGroup(child), timeoutMs);
  return exited.finally(() => clearTimeout(timer));
}

/** The group has the child's pid as its id; it can outlive the child, and can be gone already. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    if (process.platform === 'win32') child.kill('SIGKILL');
    else process.kill(-child.pid, 'SIGKILL');
  } catch {
    // No such group: nothing is left to kill.
  }
}

/** Without a message the last line on stderr tells most: what Node prints when it cannot load a module, or runs out of memory. */
function lastFailure(lastWords: string): ExitInfo['failure'] {
  const lines = lastWords.split('\n').map((line) => line.trim());
  const line = lines.find((text) => /^\w*Error\b/.test(text)) ?? lines.filter((text) => text !== '').at(-1);
  return line === undefined ? null : { code: 'child_crashed', message: line };
}

function notStarted(name: string, exit: ExitInfo): ChildError {
  if (exit.failure !== null) {
    return new ChildError('child_failed', `${name}: ${exit.failure.message}`, { name, childCode: exit.failure.code });
  }
  const how = exit.signal === null ? `exit code ${exit.code}` : exit.signal;
  return new ChildError('child_exited', `${name} ended before it was ready (${how})`, { name });
}
