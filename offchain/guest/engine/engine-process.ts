import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { type ChildMessage, parseChildMessage } from './child-messages';
import { EngineError } from './engine';
import type { EngineCommand } from './engine-command';

/** Variables without which programs do not even start; all others, with whatever secrets they hold, stay with the guest. */
const KEPT_VARIABLES = ['PATH', 'SystemRoot', 'LD_LIBRARY_PATH'];
/** End of the error output that is shown when an engine does not start. */
const KEPT_COMPLAINT = 2000;

/** How a process ended. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: string | null;
}

/** One engine process. It holds the other end of its parent's pipe and ends when that closes, so that even a killed parent leaves nothing running. */
export class EngineProcess {
  /** Resolves when the process is gone. */
  readonly ended: Promise<ProcessEnd>;
  /** Its port on 127.0.0.1. Fails with EngineError engine_failed when the process ends or gives up before it listens. */
  readonly port: Promise<number>;
  private readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  private complaint = '';

  constructor({ file, args, folder }: EngineCommand, onProgress: (progress: number, note: string) => void) {
    const env = Object.fromEntries(KEPT_VARIABLES.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));
    this.child = spawn(file, [...args], { cwd: folder, env, stdio: ['pipe', 'pipe', 'pipe'], windowsHide: true });
    /** Writing to a dead process is not news: its end is. */
    this.child.stdin.on('error', () => {});
    this.ended = new Promise((resolve) => {
      this.child.once('error', (error) => {
        this.complaint = error.message;
        resolve({ code: null, signal: null });
      });
      this.child.once('close', (code, signal) => {
        resolve({ code, signal });
      });
    });
    this.port = this.listen(onProgress);
    this.port.catch(() => {});
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Asks the process to end, and ends it when it has not after `graceMs`. */
  async terminate(graceMs: number): Promise<void> {
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), graceMs);
    await this.ended;
    clearTimeout(timer);
  }

  private async listen(onProgress: (progress: number, note: string) => void): Promise<number> {
    this.child.stderr.on('data', (data: Buffer) => {
      this.complaint = (this.complaint + data.toString('utf8')).slice(-KEPT_COMPLAINT);
    });
    const lines = createInterface({ input: this.child.stdout });
    const port = await new Promise<number | null>((resolve, reject) => {
      lines.on('line', (line) => {
        const message: ChildMessage | null = parseChildMessage(line);
        if (message?.event === 'progress') onProgress(message.progress, message.note);
        if (message?.event === 'listening') resolve(message.port);
        if (message?.event === 'failed') reject(new EngineError('engine_failed', message.reason));
      });
      void this.ended.then(() => {
        resolve(null);
      });
    });
    /** From here on the process may see prompts: its words are no longer kept. */
    this.child.stderr.removeAllListeners('data');
    this.child.stderr.resume();
    if (port === null)
      throw new EngineError('engine_failed', `engine ended before it listened: ${this.complaint.trim() || 'no reason given'}`);
    return port;
  }
}
