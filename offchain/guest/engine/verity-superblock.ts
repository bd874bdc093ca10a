import { ByteReader, equal, toHex, uintLe, utf8 } from '../../core/bytes';
import { ConfigError } from '../../core/errors';
import { openImage, readFully, type VerityFormat } from './verity-root';

/** How a tree says that it was made. */
export type TreeFormat = VerityFormat & { readonly dataBlocks: number };

const SUPERBLOCK_SIZE = 512;
const MAX_SALT_SIZE = 256;
const MIN_BLOCK_SIZE = 512;
/** More than a page the kernel does not map. */
const MAX_BLOCK_SIZE = 4096;
/** 16 TiB: a number of bytes that is still exact. */
const MAX_DATA_BLOCKS = 2 ** 32;

/**
 * The superblock of a hash tree at `offset` bytes of a file.
 *
 * Source: cryptsetup, lib/verity/verity.c, struct verity_sb; integers little-endian.
 *
 * | offset | size | field     | offset | size | field           |
 * |-------:|-----:|-----------|-------:|-----:|-----------------|
 * |      0 |    8 | signature |     64 |    4 | data block size |
 * |      8 |    4 | version 1 |     68 |    4 | hash block size |
 * |     12 |    4 | hash type |     72 |    8 | data blocks     |
 * |     16 |   16 | uuid      |     80 |    2 | salt size       |
 * |     32 |   32 | algorithm |     82 |    6 | zeros           |
 * |        |      |           |     88 |  256 | salt            |
 *
 * @throws ConfigError model_not_found, bad_verity_image
 */
export async function readVeritySuperblock(path: string, offset = 0): Promise<TreeFormat> {
  const file = await openImage(path);
  try {
    const bytes = new Uint8Array(SUPERBLOCK_SIZE);
    await readFully(file, path, bytes, offset);
    return parseVeritySuperblock(bytes);
  } finally {
    await file.close();
  }
}

/** A superblock from its 512 bytes. @throws ConfigError bad_verity_image */
export function parseVeritySuperblock(bytes: Uint8Array): TreeFormat {
  const reader = new ByteReader(bytes, 'verity superblock');
  if (!equal(reader.take(8), utf8('verity\0\0'))) throw bad('there is no verity superblock at this place');
  const version = uintLe(reader.take(4));
  if (version !== 1) throw bad(`verity superblock of version ${version}, expected 1`);
  const hashType = uintLe(reader.take(4));
  if (hashType !== 1) throw bad(`verity hash type ${hashType}, expected 1`);
  reader.take(16);
  const algorithm = nameIn(reader.take(32));
  if (algorithm !== 'sha256') throw bad(`verity tree with ${algorithm}, expected sha256`);
  const dataBlockSize = blockSize('data', reader.take(4));
  const hashBlockSize = blockSize('hash', reader.take(4));
  const dataBlocks = uintLe(reader.take(8));
  if (dataBlocks < 1 || dataBlocks > MAX_DATA_BLOCKS) throw bad(`verity tree over ${dataBlocks} blocks, limit ${MAX_DATA_BLOCKS}`);
  const saltSize = uintLe(reader.take(2));
  if (saltSize > MAX_SALT_SIZE) throw bad(`verity salt of ${saltSize} bytes, limit ${MAX_SALT_SIZE}`);
  reader.take(6);
  return { salt: reader.take(saltSize), dataBlockSize, hashBlockSize, dataBlocks };
}

function blockSize(what: string, bytes: Uint8Array): number {
  const size = uintLe(bytes);
  const isPowerOfTwo = size > 0 && (size & (size - 1)) === 0;
  if (!isPowerOfTwo || size < MIN_BLOCK_SIZE || size > MAX_BLOCK_SIZE) {
    throw bad(`verity ${what} blocks of ${size} bytes, expected a power of two from ${MIN_BLOCK_SIZE} to ${MAX_BLOCK_SIZE}`);
  }
  return size;
}

/** The name in a field that zeros fill; hex where it is no plain name, since it may be shown. */
function nameIn(field: Uint8Array): string {
  const end = field.indexOf(0);
  const bytes = end < 0 ? field : field.subarray(0, end);
  const text = String.fromCharCode(...bytes);
  return /^[a-z0-9-]+$/.test(text) ? text : toHex(bytes);
}

function bad(message: string): ConfigError {
  return new ConfigError('bad_verity_image', message);
}
