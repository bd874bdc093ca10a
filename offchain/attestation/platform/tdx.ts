import { release } from 'node:os';
import { equal, toHex } from '../../core/bytes';
import { type KernelFiles, machineFiles } from './kernel-files';
import type { Platform } from './platform';
import { PlatformError } from './platform-error';
import { measureOnce } from './runtime-register';
import { TsmReports } from './tsm-report';

/** Where the platform's facts come from; the machine itself unless told otherwise. */
export interface TdxMachine {
  readonly files: KernelFiles;
  /** `uname -r` */
  readonly kernelRelease: string;
}

/**
 * The platform of a TDX guest: quotes of the hardware through configfs-tsm, and RTMR3 measuring the image's own configuration, of which
 * `configDigest` is the SHA-384. Nothing is simulated; off TDX hardware it refuses to open, and says what is missing.
 *
 * @throws ConfigError no_tdx, tsm_missing, tsm_forbidden, rtmr_missing, rtmr_forbidden, rtmr_failed, rtmr_foreign
 */
export async function openTdxPlatform(configDigest: Uint8Array, machine: TdxMachine = thisMachine()): Promise<Platform> {
  const reports = new TsmReports(machine.files, machine.kernelRelease);
  await reports.requireTdx();
  const rtmr3 = await measureOnce(configDigest, machine.files, machine.kernelRelease);
  return {
    kind: 'tdx',
    quote: async (reportData) => {
      const { bytes, td } = await reports.quote(reportData);
      // Whoever extends the register behind our back makes this machine one that nobody lists.
      if (!equal(td.rtmr[3], rtmr3)) {
        throw new PlatformError(
          'quote_foreign',
          `the quote has rtmr3 ${toHex(td.rtmr[3]).slice(0, 16)}..., expected ${toHex(rtmr3).slice(0, 16)}...`,
        );
      }
      return bytes;
    },
  };
}

function thisMachine(): TdxMachine {
  return { files: machineFiles, kernelRelease: release() };
}
