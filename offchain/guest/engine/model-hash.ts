import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ConfigError } from '../../core/errors';

/** Bytes read so far, of all. */
export type HashProgress = (doneBytes: number, totalBytes: number) => void;

interface ModelFile {
  /** Inside the model, with forward slashes. */
  readonly path: string;
  readonly absolute: string;
  readonly sizeBytes: number;
}

const HEADER = 'cocoon model files 1\n';

/**
 * The hash that names a model: SHA-256, in lower-case hex, of a manifest with one line per file,
 *
 *     cocoon model files 1
 *     <SHA-256 of the file in hex> <size in decimal> <path>
 *
 * every line ended by a line feed, lines in the order of their paths as UTF-8 bytes. A single file is listed under its own name without its folder.
 * Links, devices and the like are refused, as are names with control characters: the hash must mean the same tree to everybody.
 *
 * @throws ConfigError model_not_found, bad_model_tree
 */
export async function modelHash(path: string, onProgress: HashProgress = () => {}): Promise<string> {
  const files = await listFiles(path);
  const totalBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const manifest = createHash('sha256').update(HEADER);
  let doneBytes = 0;
  for (const file of files) {
    const hash = createHash('sha256');
    let sizeBytes = 0;
    for await (const chunk of createReadStream(file.absolute, { highWaterMark: 1024 * 1024 })) {
      if (!(chunk instanceof Uint8Array)) continue;
      hash.update(chunk);
      sizeBytes += chunk.length;
      doneBytes += chunk.length;
      onProgress(doneBytes, totalBytes);
    }
    if (sizeBytes !== file.sizeBytes) {
      throw new ConfigError(
        'bad_model_tree',
        `${file.path} has ${sizeBytes} bytes, and had ${file.sizeBytes}: it changes while it is read`,
      );
    }
    manifest.update(`${hash.digest('hex')} ${sizeBytes} ${file.path}\n`);
  }
  return manifest.digest('hex');
}

async function listFiles(path: string): Promise<readonly ModelFile[]> {
  const stats = await lstat(path).catch((cause: unknown) => {
    throw new ConfigError('model_not_found', `no model at ${path}`, {}, { cause });
  });
  const files: ModelFile[] = [];
  if (stats.isDirectory()) await collect(path, '', files);
  else files.push(await plainFile(path, basename(path)));
  if (files.length === 0) throw new ConfigError('bad_model_tree', `no file in the folder ${path}`);
  return files.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
}

async function collect(folder: string, prefix: string, files: ModelFile[]): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const absolute = join(folder, entry.name);
    if (entry.isDirectory()) await collect(absolute, `${prefix}${entry.name}/`, files);
    else files.push(await plainFile(absolute, prefix + entry.name));
  }
}

async function plainFile(absolute: string, path: string): Promise<ModelFile> {
  const stats = await lstat(absolute);
  if (!stats.isFile()) throw new ConfigError('bad_model_tree', `${path} is a link or no plain file; a model consists of plain files`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f\ufffd]/.test(path))
    throw new ConfigError('bad_model_tree', 'a file name of the model has control characters or is not UTF-8');
  return { path, absolute, sizeBytes: stats.size };
}
