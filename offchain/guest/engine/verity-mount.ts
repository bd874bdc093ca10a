import { access, stat } from 'node:fs/promises';
import { z } from 'zod';
import { ConfigError } from '../../core/errors';
import { type RunCommand, runCommand } from '../../runtime/run-command';

/** What this module takes from the machine. */
export interface DeviceMapper {
  /** Numbers of the block device that a file or folder lies on. @throws when the path cannot be read */
  deviceOf(path: string): Promise<BlockDevice>;
  /** Whether the device mapper made it. */
  isMapped(device: BlockDevice): Promise<boolean>;
  readonly run: RunCommand;
}

export interface BlockDevice {
  readonly major: number;
  readonly minor: number;
}

const SECTOR_SIZE = 512n;
/** Options that change nothing in what a reader may get; every other one is refused. */
const HARMLESS_FLAGS = new Set(['restart_on_corruption', 'panic_on_corruption', 'ignore_zero_blocks', 'try_verify_in_tasklet']);
const HARMLESS_PAIRS = new Set(['root_hash_sig_key_desc', 'use_fec_from_device', 'fec_roots', 'fec_blocks', 'fec_start']);

/**
 * The root hash of the dm-verity device that a model is mounted from, lower-case hex: from the kernel's own table, so that it is the
 * hash against which each block is checked when it is read. Nothing is read of the model itself.
 *
 * @throws ConfigError model_not_found, model_not_verity
 */
export async function verityRootOfMount(path: string, mapper: DeviceMapper): Promise<string> {
  const device = await mapper.deviceOf(path).catch((cause: unknown) => {
    throw new ConfigError('model_not_found', `no model at ${path}`, {}, { cause });
  });
  const { major, minor } = device;
  if (!(await mapper.isMapped(device))) {
    throw notVerity(`${path} lies on device ${major}:${minor}, which is no dm-verity device: mount the model's image through veritysetup`);
  }
  const outcome = await mapper.run('dmsetup', ['table', '--major', `${major}`, '--minor', `${minor}`]);
  if (outcome === null) throw notVerity('dmsetup, which says how a device is verified, is not installed');
  if (outcome.code !== 0)
    throw notVerity(`dmsetup does not say how device ${major}:${minor} is verified (exit code ${outcome.code}); it needs root`);
  return verityRootOfTable(outcome.stdout);
}

const tableSchema = z.tuple(
  [
    z.literal('0'), // start sector
    z.string().regex(/^[1-9][0-9]{0,15}$/), // sectors
    z.literal('verity'),
    z.literal('1'), // hash type
    z.string(), // data device
    z.string(), // hash device
    z.string().regex(/^[1-9][0-9]{2,4}$/), // data block size
    z.string().regex(/^[1-9][0-9]{2,4}$/), // hash block size
    z.string().regex(/^[1-9][0-9]{0,15}$/), // data blocks
    z.string().regex(/^[0-9]{1,16}$/), // first hash block
    z.literal('sha256'),
    z.string().regex(/^[0-9a-f]{64}$/), // root hash
    z.string().regex(/^(?:-|(?:[0-9a-f]{2}){1,256})$/), // salt
  ],
  z.string(), // options, with their count first
);

/**
 * The root hash in a device's table: one verity target over the whole device, that fails on a wrong block and checks each at every read.
 *
 * Source: Linux, Documentation/admin-guide/device-mapper/verity.rst, "Construction Parameters"
 *
 * @throws ConfigError model_not_verity
 */
export function verityRootOfTable(table: string): string {
  const lines = table.trim().split('\n');
  const [line] = lines;
  if (line === undefined || lines.length !== 1) throw notVerity(`the device consists of ${lines.length} targets, expected one`);
  const fields = line.trim().split(/\s+/);
  const parsed = tableSchema.safeParse(fields);
  if (!parsed.success) throw notVerity('the device has no dm-verity table of hash type 1 with sha256');
  const [, sectors, , , , , dataBlockSize, , dataBlocks, , , root, , ...options] = parsed.data;
  if (BigInt(sectors) * SECTOR_SIZE !== BigInt(dataBlocks) * BigInt(dataBlockSize)) {
    throw notVerity(`the device has ${sectors} sectors, and its tree covers ${dataBlocks} blocks of ${dataBlockSize} bytes`);
  }
  refuseWeakOptions(options);
  return root;
}

/** A corrupt block that is passed on, or one that is checked at its first read alone, lets whoever owns the disk change the model. */
function refuseWeakOptions([count = '0', ...options]: readonly string[]): void {
  if (Number(count) !== options.length) throw notVerity('the options in the dm-verity table do not add up');
  for (let i = 0; i < options.length; i++) {
    const name = options[i] ?? '';
    if (HARMLESS_PAIRS.has(name)) i++;
    else if (!HARMLESS_FLAGS.has(name))
      throw notVerity(`the device was made with ${name.replace(/[^a-z0-9_]/g, '?').slice(0, 40)}, which is refused`);
  }
}

function notVerity(message: string): ConfigError {
  return new ConfigError('model_not_verity', message);
}

/** Linux's device mapper. Its tables are asked of `dmsetup`, which is part of the image. */
export const linuxDeviceMapper: DeviceMapper = {
  deviceOf: async (path) => deviceNumbers((await stat(path, { bigint: true })).dev),
  isMapped: ({ major, minor }) =>
    access(`/sys/dev/block/${major}:${minor}/dm`).then(
      () => true,
      () => false,
    ),
  run: runCommand,
};

/** Source: glibc, sys/sysmacros.h, gnu_dev_major and gnu_dev_minor. */
export function deviceNumbers(dev: bigint): BlockDevice {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n);
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n);
  return { major: Number(major), minor: Number(minor) };
}
