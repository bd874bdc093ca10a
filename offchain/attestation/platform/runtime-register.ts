import { createHash } from 'node:crypto';
import { equal, toHex } from '../../core/bytes';
import { CocoonError, ConfigError, codeOf } from '../../core/errors';
import type { KernelFiles } from './kernel-files';
import { isKernelOlderThan } from './kernel-release';

/** RTMR3. Source: Linux, Documentation/ABI/testing/sysfs-devices-virtual-misc-tdx_guest: 48 bytes; a write extends it. */
export const RTMR3 = '/sys/devices/virtual/misc/tdx_guest/measurements/rtmr3:sha384';
const SIZE = 48;
/** The first release that lets a process extend it. */
const OLDEST_KERNEL = '6.16';

/** A runtime register after a digest was extended into its value, 48 bytes each. Source: Intel TDX Module ABI, TDG.MR.RTMR.EXTEND. */
export function extended(value: Uint8Array, digest: Uint8Array): Uint8Array {
  return createHash('sha384').update(value).update(digest).digest();
}

/**
 * Has RTMR3 measure one digest of 48 bytes and nothing else, once in the life of the machine: a guest that is started again finds it
 * measured. Returns the register's value.
 *
 * @throws ConfigError bad_measurement, rtmr_missing, rtmr_forbidden, rtmr_failed; rtmr_foreign when the register holds something else
 */
export async function measureOnce(digest: Uint8Array, files: KernelFiles, kernelRelease: string): Promise<Uint8Array> {
  if (digest.length !== SIZE) throw new ConfigError('bad_measurement', `digest of ${digest.length} bytes, expected ${SIZE}`);
  const nothing = new Uint8Array(SIZE);
  const wanted = extended(nothing, digest);
  const before = await readRtmr3(files, kernelRelease);
  if (equal(before, wanted)) return wanted;
  if (!equal(before, nothing)) {
    throw new ConfigError(
      'rtmr_foreign',
      `rtmr3 is ${toHex(before).slice(0, 16)}..., and may measure this image's configuration alone: start the machine again with this image`,
    );
  }
  await files.write(RTMR3, digest).catch((cause: unknown) => {
    throw whyNot('extended', cause);
  });
  const after = await readRtmr3(files, kernelRelease);
  if (!equal(after, wanted)) {
    throw new ConfigError(
      'rtmr_foreign',
      `rtmr3 is ${toHex(after).slice(0, 16)}... after it was extended, expected ${toHex(wanted).slice(0, 16)}...`,
    );
  }
  return wanted;
}

/** The register's value, 48 bytes. @throws ConfigError rtmr_missing, rtmr_forbidden, rtmr_failed */
export async function readRtmr3(files: KernelFiles, kernelRelease: string): Promise<Uint8Array> {
  let value: Uint8Array;
  try {
    value = await files.read(RTMR3, SIZE);
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') {
      const words = isKernelOlderThan(kernelRelease, OLDEST_KERNEL)
        ? `kernel ${kernelRelease} lets nobody extend rtmr3, ${OLDEST_KERNEL} is the first that does`
        : `there is no ${RTMR3}: this is no TDX guest, or module tdx_guest did not load`;
      throw new ConfigError('rtmr_missing', words, {}, { cause });
    }
    throw whyNot('read', cause);
  }
  if (value.length !== SIZE) throw new ConfigError('rtmr_failed', `rtmr3 of ${value.length} bytes, expected ${SIZE}`);
  return value;
}

/** Source of the codes: Linux, arch/x86/coco/tdx/tdx.c (tdx_mcall_extend_rtmr). */
function whyNot(what: string, cause: unknown): ConfigError {
  const code = codeOf(cause);
  if (code === 'EACCES' || code === 'EPERM') {
    return new ConfigError('rtmr_forbidden', `no right: rtmr3 cannot be ${what}; run the guest as root`, {}, { cause });
  }
  const words = FAILURES.get(code) ?? (cause instanceof CocoonError ? cause.message : `the kernel answered ${code}`);
  return new ConfigError('rtmr_failed', `rtmr3 cannot be ${what}: ${words}`, {}, { cause });
}

const FAILURES: ReadonlyMap<string, string> = new Map([
  ['EBUSY', 'the TDX module is busy: start the guest again'],
  ['EINTR', 'it was interrupted: start the guest again'],
  ['ENXIO', 'the TDX module refused the register'],
  ['EIO', 'the TDX module failed'],
  ['EINVAL', 'the kernel takes exactly 48 bytes at once'],
]);
