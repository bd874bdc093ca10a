import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { release } from 'node:os';
import { type KernelFiles, machineFiles } from '../attestation/platform/kernel-files';
import { type RunCommand, runCommand } from '../runtime/run-command';

/** What is looked at of a machine. */
export interface Machine {
  /** As Node names it: linux, darwin, win32, ... */
  readonly platform: string;
  /** `uname -r` */
  readonly kernelRelease: string;
  readonly nodeVersion: string;
  /** Null for a file that cannot be read. */
  readText(path: string): Promise<string | null>;
  /** Names in a folder, in order; null for one that cannot be read. */
  list(path: string): Promise<readonly string[] | null>;
  exists(path: string): Promise<boolean>;
  /** Where a symbolic link leads; null for what is none. */
  linkTarget(path: string): Promise<string | null>;
  readonly run: RunCommand;
  /** The files through which the kernel makes quotes. */
  readonly kernel: KernelFiles;
}

/** The machine that this process runs on. */
export function thisMachine(): Machine {
  return {
    platform: process.platform,
    kernelRelease: release(),
    nodeVersion: process.versions.node,
    readText: (path) => readFile(path, 'utf8').catch(() => null),
    list: async (path) => {
      const names = await readdir(path).catch(() => null);
      return names?.sort() ?? null;
    },
    exists: (path) =>
      stat(path).then(
        () => true,
        () => false,
      ),
    linkTarget: (path) => readlink(path).catch(() => null),
    run: runCommand,
    kernel: machineFiles,
  };
}
