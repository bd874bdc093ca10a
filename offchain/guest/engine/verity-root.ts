import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { toHex } from '../../core/bytes';
import { ConfigError, codeOf } from '../../core/errors';
import type { HashProgress } from './model-hash';

/** How a dm-verity tree is made; only SHA-256 and hash type 1 (salt before the block) are known here. */
export interface VerityFormat {
  /** 0 to 256 bytes. */
  readonly salt: Uint8Array;
  readonly dataBlockSize: number;
  readonly hashBlockSize: number;
  /** Blocks of the image that the tree covers; null: all of them. */
  readonly dataBlocks: number | null;
}

/** What `veritysetup format --salt=-` uses where nothing else is asked for. */
export const PLAIN_VERITY: VerityFormat = { salt: new Uint8Array(0), dataBlockSize: 4096, hashBlockSize: 4096, dataBlocks: null };

const HASH_SIZE = 32;
const READ_SIZE = 1024 * 1024;

/**
 * The dm-verity root hash of an image, which names a model of kind `verity`: what `veritysetup format` prints for the same salt and
 * block sizes. Lower-case hex. The image is read once, in pieces; the tree is not written.
 *
 * Source: cryptsetup wiki, DMVerity, "Hash tree": each block of the image is hashed behind the salt; hashes are packed into blocks,
 * the last one padded with zeros, and those are hashed in the same way, until one hash is left. An image of one block has that
 * block's hash as its root.
 *
 * @throws ConfigError model_not_found, bad_verity_image
 */
export async function verityRoot(path: string, format: VerityFormat = PLAIN_VERITY, onProgress: HashProgress = () => {}): Promise<string> {
  const file = await openImage(path);
  try {
    const blocks = await countBlocks(file, path, format);
    const totalBytes = blocks * format.dataBlockSize;
    const tree = new HashTree(format);
    const buffer = Buffer.alloc(READ_SIZE);
    for (let at = 0; at < totalBytes; ) {
      const size = Math.min(READ_SIZE, totalBytes - at);
      await readFully(file, path, buffer.subarray(0, size), at);
      for (let offset = 0; offset < size; offset += format.dataBlockSize) tree.add(buffer.subarray(offset, offset + format.dataBlockSize));
      at += size;
      onProgress(at, totalBytes);
    }
    return toHex(tree.root());
  } finally {
    await file.close();
  }
}

/** Opens a file or a block device for reading. @throws ConfigError model_not_found */
export async function openImage(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    throw new ConfigError('model_not_found', `image ${path} cannot be read: ${codeOf(cause)}`, { path }, { cause });
  }
}

/** Fills `into` from `at`. @throws ConfigError bad_verity_image when there is less */
export async function readFully(file: FileHandle, path: string, into: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < into.length; ) {
    let bytesRead: number;
    try {
      ({ bytesRead } = await file.read(into, done, into.length - done, at + done));
    } catch (cause) {
      throw new ConfigError('bad_verity_image', `${path} cannot be read at byte ${at + done}: ${codeOf(cause)}`, { path }, { cause });
    }
    if (bytesRead === 0) throw bad(`${path} ends at byte ${at + done}, expected ${at + into.length}`);
    done += bytesRead;
  }
}

async function countBlocks(file: FileHandle, path: string, { dataBlockSize, dataBlocks }: VerityFormat): Promise<number> {
  const stats = await file.stat();
  if (!stats.isFile() && !stats.isBlockDevice()) throw bad(`${path} is no file and no block device`);
  // A block device has no size in its inode: how much a tree covers of it must then be said.
  const blocks = dataBlocks ?? (stats.isFile() ? stats.size / dataBlockSize : 0);
  if (stats.isBlockDevice() && dataBlocks === null)
    throw bad(`${path} is a block device: name the hash tree, which says how many blocks it covers`);
  if (blocks === 0) throw bad(`${path} is empty`);
  // veritysetup leaves a last part of a block out, so that no hash covers it: refused, and padded by who made it.
  if (!Number.isInteger(blocks)) throw bad(`${path} has ${stats.size} bytes, not whole blocks of ${dataBlockSize}: pad it`);
  return blocks;
}

/** Folds block after block into the root, holding one unfinished block of hashes a level. */
class HashTree {
  private readonly levels: Uint8Array[][] = [];

  constructor(private readonly format: VerityFormat) {}

  add(block: Uint8Array): void {
    this.push(0, this.hash(block));
  }

  root(): Uint8Array {
    for (let level = 0; ; level++) {
      const hashes = this.levels[level] ?? [];
      const isTop = this.levels.length <= level + 1;
      const [first] = hashes;
      if (isTop && first !== undefined && hashes.length === 1) return first;
      if (hashes.length > 0) this.fold(level, hashes);
    }
  }

  private push(level: number, hash: Uint8Array): void {
    const hashes = this.levels[level] ?? [];
    this.levels[level] = hashes;
    // A full block is folded when the next hash comes: whether it is the only one of its level is known only then.
    if (hashes.length === this.perBlock) this.fold(level, hashes);
    this.levels[level]?.push(hash);
  }

  private fold(level: number, hashes: readonly Uint8Array[]): void {
    const block = Buffer.alloc(this.format.hashBlockSize);
    hashes.forEach((hash, i) => {
      block.set(hash, i * HASH_SIZE);
    });
    this.levels[level] = [];
    this.push(level + 1, this.hash(block));
  }

  /** A power of two, since both sizes are. */
  private get perBlock(): number {
    return this.format.hashBlockSize / HASH_SIZE;
  }

  private hash(block: Uint8Array): Uint8Array {
    return createHash('sha256').update(this.format.salt).update(block).digest();
  }
}

function bad(message: string): ConfigError {
  return new ConfigError('bad_verity_image', message);
}
