import { renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Logger, pino, stdTimeFunctions } from 'pino';
import { openStateFolder } from './state-folder';

export type { Logger } from 'pino';
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** A log file above this size is set aside as `<file>.1` when its process starts; one older file is kept. */
export const LOG_ROTATE_BYTES = 10 * 1024 * 1024;

/**
 * A log that appends JSON lines to `file` (0600), constant text and structured fields: `log.info({ seqno }, 'block made')`.
 * Lines are written before the call returns, so that the last words of a process that is killed are there.
 */
export function openLog(file: string, name: string, level: LogLevel = 'info', rotateBytes = LOG_ROTATE_BYTES): Logger {
  openStateFolder(dirname(file));
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size > rotateBytes) renameSync(file, `${file}.1`);
  return pino(
    { name, level, base: { name }, timestamp: stdTimeFunctions.isoTime },
    pino.destination({ dest: file, append: true, sync: true, mode: 0o600 }),
  );
}

/** A log that goes nowhere: for tests and for a library's user who wants none. */
export function silentLog(): Logger {
  return pino({ level: 'silent' });
}
