import { stat } from 'node:fs/promises';
import { fromHex } from '../core/bytes';
import { ConfigError, MalformedError } from '../core/errors';
import { modelHash } from '../guest/engine/model-hash';
import { PLAIN_VERITY, type VerityFormat, verityRoot } from '../guest/engine/verity-root';
import { readVeritySuperblock } from '../guest/engine/verity-superblock';
import { ProgressLine, type Terminal } from './terminal';

/** As the command line gives them. */
export interface ModelHashOptions {
  /** Folder or file of the model. */
  readonly path?: string | undefined;
  /** Image to be mounted through dm-verity. */
  readonly verity?: string | undefined;
  /** File that holds the image's hash tree: its superblock says how the tree was made. */
  readonly tree?: string | undefined;
  /** Where in that file the superblock is, in bytes; decimal. */
  readonly treeOffset?: string | undefined;
  /** Salt of the tree, in hex. */
  readonly salt?: string | undefined;
}

/**
 * `cocoon model-hash`: the hash that names a model in the allowlist and in claims, one line on standard output: over the files of a
 * folder, or the dm-verity root of an image.
 *
 * @throws ConfigError bad_flags, and what the hashes throw
 */
export async function modelHashCommand(options: ModelHashOptions, terminal: Terminal): Promise<void> {
  const { path, verity } = options;
  if ((path === undefined) === (verity === undefined)) throw badFlags('name the folder or file of a model, or --verity IMAGE');
  if (verity === undefined && (options.tree ?? options.treeOffset ?? options.salt) !== undefined) {
    throw badFlags('--tree, --tree-offset and --salt go with --verity');
  }
  const progress = new ProgressLine(terminal, 'hashing');
  const show = (done: number, total: number) => progress.show(done, total);
  try {
    const hash = verity === undefined ? await modelHash(path ?? '', show) : await verityRoot(verity, await formatOf(options), show);
    progress.end();
    terminal.write(`${hash}\n`);
  } catch (error) {
    progress.end();
    throw error;
  }
  terminal.note(`kind ${verity === undefined ? 'files' : 'verity'}; list this hash with this kind in the root contract\n`);
}

async function formatOf({ verity, tree, treeOffset, salt }: ModelHashOptions): Promise<VerityFormat> {
  if (tree === undefined) {
    if (treeOffset !== undefined) throw badFlags('--tree-offset goes with --tree');
    return salt === undefined ? PLAIN_VERITY : { ...PLAIN_VERITY, salt: saltOf(salt) };
  }
  if (salt !== undefined) throw badFlags('--salt or --tree, not both: the tree says its salt');
  const format = await readVeritySuperblock(tree, offsetOf(treeOffset));
  await refuseUncovered(verity ?? '', tree, format);
  return format;
}

/** What a tree does not cover is not checked: only the tree itself may lie there. */
async function refuseUncovered(
  image: string,
  tree: string,
  format: { readonly dataBlocks: number; readonly dataBlockSize: number },
): Promise<void> {
  if (image === tree) return;
  const stats = await stat(image).catch(() => null);
  const covered = format.dataBlocks * format.dataBlockSize;
  if (stats?.isFile() === true && stats.size > covered) {
    throw new ConfigError('bad_verity_image', `${image} has ${stats.size} bytes, and its tree covers ${covered}`);
  }
}

function saltOf(text: string): Uint8Array {
  try {
    const salt = fromHex(text === '-' ? '' : text.toLowerCase());
    if (salt.length <= 256) return salt;
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
  }
  throw badFlags('--salt takes up to 256 bytes in hex, or - for none');
}

function offsetOf(text = '0'): number {
  if (!/^[0-9]{1,15}$/.test(text)) throw badFlags('--tree-offset takes a number of bytes');
  return Number(text);
}

function badFlags(message: string): ConfigError {
  return new ConfigError('bad_flags', message);
}
