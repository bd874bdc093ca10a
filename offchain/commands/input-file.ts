import { open } from 'node:fs/promises';
import { EvidenceError } from '../attestation/errors';
import { ConfigError, MalformedError, messageOf } from '../core/errors';
import { readFailure } from '../runtime/system-error';

/** Most bytes of a file that a command reads as a whole. */
const MAX_FILE_SIZE = 64 * 1024 * 1024;

/** What `parse` makes of a file. @throws ConfigError bad_file with the file's name, for whatever is wrong with it */
export async function readWith<T>(path: string, parse: (bytes: Uint8Array) => T, maxBytes = MAX_FILE_SIZE): Promise<T> {
  const bytes = await readBytes(path, maxBytes);
  try {
    return parse(bytes);
  } catch (cause) {
    const isForm = cause instanceof EvidenceError || cause instanceof MalformedError;
    if (!isForm && !(cause instanceof SyntaxError)) throw cause;
    throw new ConfigError('bad_file', `${path}: ${isForm ? messageOf(cause) : 'is not JSON'}`, { path }, { cause });
  }
}

/** A file of sysfs says that it has no bytes: what counts is what comes. */
async function readBytes(path: string, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    const file = await open(path, 'r');
    try {
      for await (const part of file.createReadStream({ autoClose: false })) {
        size += part.length;
        if (size > maxBytes) throw new ConfigError('bad_file', `${path}: more than ${maxBytes} bytes`, { path });
        parts.push(part);
      }
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    throw new ConfigError('bad_file', `${path} ${readFailure(cause)}`, { path }, { cause });
  }
  return Buffer.concat(parts);
}
