import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fromHex, toHex } from '../core/bytes';
import { ConfigError } from '../core/errors';
import { systemErrorCode } from './system-error';

const SEED_SIZE = 32;

/** `.cocoon/<network>/<process>` under `base`. Nothing is made. */
export function stateFolderPath(base: string, network: string, process: string): string {
  return join(base, '.cocoon', network, process);
}

/**
 * Makes a state folder (0700) with its parents, if it is missing.
 * @throws state_folder_unusable
 */
export function openStateFolder(path: string): void {
  try {
    makeFolder(path);
    if (!statSync(path).isDirectory()) throw new ConfigError('state_folder_unusable', `state folder ${path} is a file`, { path });
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    throw new ConfigError('state_folder_unusable', `state folder ${path} cannot be made (${systemErrorCode(cause)})`, { path }, { cause });
  }
}

/** One folder after the other: Node's own recursion never ends where the system says of a parent that is there that it is not (/proc). */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  if (dirname(path) !== path) makeFolder(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Another process may have been faster.
    if (systemErrorCode(error) !== 'EEXIST') throw error;
  }
}

/**
 * Replaces a file in one step: whoever reads it sees the old bytes or the new ones, also after a crash. The file and its name
 * are on disk when this returns.
 */
export function writeFileAtomic(path: string, bytes: Uint8Array | string, mode = 0o600): void {
  const temporary = `${path}.${toHex(randomBytes(6))}.tmp`;
  const fd = openSync(temporary, 'wx', mode);
  try {
    const content = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
    for (let at = 0; at < content.length; ) at += writeSync(fd, content, at);
    fsyncSync(fd);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
  syncFolder(dirname(path));
}

/** Windows cannot open a folder to flush it, and keeps names by itself. */
function syncFolder(path: string): void {
  if (process.platform === 'win32') return;
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** The text of a secret file. @throws key_unreadable, key_readable_by_others */
export function readSecretFile(path: string): string {
  let text: string;
  let mode: number;
  try {
    mode = statSync(path).mode;
    text = readFileSync(path, 'utf8').trim();
  } catch (cause) {
    throw new ConfigError('key_unreadable', `key file ${path} cannot be read`, { path }, { cause });
  }
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    throw new ConfigError('key_readable_by_others', `key file ${path} is open to other users: chmod 600 it`, { path });
  }
  return text;
}

/**
 * The 32-byte seed in the file at `path` (64 hex digits), made at random (0600, on disk before it is returned) when there is no file.
 * A file that is there is never replaced, whatever is wrong with it.
 * @throws key_unreadable, key_readable_by_others, key_malformed
 */
export function loadOrCreateSeed(path: string): Uint8Array {
  if (!existsSync(path)) writeFileAtomic(path, `${toHex(randomBytes(SEED_SIZE))}\n`);
  const text = readSecretFile(path);
  try {
    return fromHex(text, SEED_SIZE);
  } catch {
    throw new ConfigError('key_malformed', `key file ${path} does not hold ${2 * SEED_SIZE} lower-case hex digits`, { path });
  }
}
