import { execFile } from 'node:child_process';
import { systemErrorCode } from './system-error';

/** How a program ended. */
export interface CommandOutcome {
  /** Null when a signal ended it, the time limit's among them. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program without a shell and waits for its end. Null when there is no such program, or it may not be run. */
export type RunCommand = (file: string, args: readonly string[]) => Promise<CommandOutcome | null>;

const TIME_LIMIT_MS = 30_000;
const MAX_OUTPUT_BYTES = 1024 * 1024;

/** Runs for at most 30 seconds, with at most 1 MiB of output, in the C locale so that its words can be read. */
export const runCommand: RunCommand = (file, args) =>
  new Promise((resolve) => {
    const options = { timeout: TIME_LIMIT_MS, maxBuffer: MAX_OUTPUT_BYTES, env: { ...process.env, LC_ALL: 'C' }, windowsHide: true };
    execFile(file, [...args], options, (error, stdout, stderr) => {
      if (error === null) return resolve({ code: 0, stdout, stderr });
      if (systemErrorCode(error) !== undefined && typeof error.code === 'string') return resolve(null);
      resolve({ code: typeof error.code === 'number' ? error.code : null, stdout, stderr });
    });
  });
