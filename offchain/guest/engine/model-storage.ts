import { statfs } from 'node:fs/promises';
import { ConfigError } from '../../core/errors';

/** File systems that exist in memory alone. Source: Linux, include/uapi/linux/magic.h. */
const MEMORY_FILE_SYSTEMS: ReadonlySet<bigint> = new Set([
  0x01021994n, // tmpfs
  0x858458f6n, // ramfs
]);

/** The type of the file system that a path lies on. */
export type FileSystemType = (path: string) => Promise<bigint>;

/** As this machine has it mounted. */
export const fileSystemType: FileSystemType = async (path) => (await statfs(path, { bigint: true })).type;

/**
 * Refuses a model that does not lie in the guest's own memory: a disk is its host's, who can change it between the hash and the load.
 *
 * @throws ConfigError model_not_found, model_on_disk
 */
export async function requireInMemory(path: string, typeOf: FileSystemType): Promise<void> {
  let type: bigint;
  try {
    type = await typeOf(path);
  } catch (cause) {
    throw new ConfigError('model_not_found', `no model at ${path}`, { path }, { cause });
  }
  // Some file systems' numbers come with their sign.
  if (MEMORY_FILE_SYSTEMS.has(BigInt.asUintN(32, type))) return;
  throw new ConfigError(
    'model_on_disk',
    `${path} lies on a disk, which its owner can change after it was hashed: copy the model to a tmpfs, or mount it through dm-verity and set proof to "verity"`,
    { path },
  );
}
