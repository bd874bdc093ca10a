import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { utf8 } from '../../core/bytes';
import { ConfigError, codeOf } from '../../core/errors';

/**
 * The simulated platform's MRTD: SHA-384 over the files that a guest is built of, 48 bytes.
 * The hash is over one line per file, in byte order of the paths: SHA-384 of the content in hex, two spaces, the path, a line
 * feed; what `sha384sum` prints. The order of the list does not count; where the folder lies does not count either.
 *
 * `paths` are relative to `folder`, with forward slashes.
 *
 * @throws ConfigError bad_measurement
 */
export async function measureFiles(folder: string, paths: readonly string[]): Promise<Uint8Array> {
  if (paths.length === 0) throw new ConfigError('bad_measurement', 'there are no files to measure');
  if (new Set(paths).size !== paths.length) throw new ConfigError('bad_measurement', 'a file to measure is named twice');
  const total = createHash('sha384');
  for (const path of [...paths].sort((a, b) => Buffer.compare(utf8(a), utf8(b)))) {
    total.update(
      `${createHash('sha384')
        .update(await readMeasured(folder, path))
        .digest('hex')}  ${path}\n`,
    );
  }
  return total.digest();
}

async function readMeasured(folder: string, path: string): Promise<Uint8Array> {
  // Each file has one path: no way round through other folders, no line feed that could look like the next line.
  const isPlain =
    !isAbsolute(path) && !/[\\\n\r]/.test(path) && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
  if (!isPlain) throw new ConfigError('bad_measurement', 'a file to measure has no plain relative path');
  try {
    return await readFile(join(folder, path));
  } catch (cause) {
    throw new ConfigError('bad_measurement', `${path} cannot be measured: ${codeOf(cause)}`, { path }, { cause });
  }
}
