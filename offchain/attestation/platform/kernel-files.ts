import { constants } from 'node:fs';
import { mkdir, open, readdir, rmdir } from 'node:fs/promises';
import { PlatformError } from './platform-error';

/** What the TDX platform does with the files through which the kernel speaks. Errors are the system's, with their code, unless said. */
export interface KernelFiles {
  /** The whole of a file. @throws PlatformError kernel_file when it has more than `maxBytes` */
  read(path: string, maxBytes: number): Promise<Uint8Array>;
  /** Writes all bytes at once into a file that is there. @throws PlatformError kernel_file when it takes a part of them */
  write(path: string, bytes: Uint8Array): Promise<void>;
  makeFolder(path: string): Promise<void>;
  removeFolder(path: string): Promise<void>;
  /** Names in a folder; null when there is no such folder. */
  list(path: string): Promise<readonly string[] | null>;
}

/** The machine's own. Reads may block for as long as the kernel waits, on a thread of Node's pool. */
export const machineFiles: KernelFiles = {
  read: async (path, maxBytes) => {
    const file = await open(path, constants.O_RDONLY);
    try {
      // Files of the kernel have no size before they are read, so there is none to ask for.
      const buffer = new Uint8Array(maxBytes + 1);
      let size = 0;
      for (;;) {
        const { bytesRead } = await file.read(buffer, size, buffer.length - size, null);
        size += bytesRead;
        if (size > maxBytes) throw new PlatformError('kernel_file', `${path} has more than ${maxBytes} bytes`);
        if (bytesRead === 0) return buffer.slice(0, size);
      }
    } finally {
      await file.close();
    }
  },
  write: async (path, bytes) => {
    // Neither created nor cut: attributes can only be written, and in one piece.
    const file = await open(path, constants.O_WRONLY);
    try {
      const { bytesWritten } = await file.write(bytes, 0, bytes.length, null);
      if (bytesWritten !== bytes.length) throw new PlatformError('kernel_file', `${path} took ${bytesWritten} of ${bytes.length} bytes`);
    } finally {
      await file.close();
    }
  },
  makeFolder: async (path) => {
    await mkdir(path);
  },
  removeFolder: rmdir,
  list: (path) => readdir(path).catch(() => null),
};
