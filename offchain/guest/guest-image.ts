import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { extname, join, relative, resolve, sep } from 'node:path';

/** The rooms that a guest is built of, all of their files. */
const GUEST_ROOMS = ['attestation', 'billing', 'core', 'guest', 'openai', 'protocol', 'runtime', 'sealing', 'transport'] as const;
/** The statements, outside of them: their module, and the folder of its parts. */
const STATEMENTS = 'wrappers/statements';
const STATEMENT_PARTS = 'wrappers/statement';

/**
 * What RTMR3 measures: the configuration that every guest of this image has. Model, prices, names and ports are in the claims or
 * nowhere, so that all workers of one image share a hash.
 */
const IMAGE_CONFIGURATION = 'cocoon guest image configuration 1\n';

/** SHA-384 of it, which is extended into RTMR3 on every platform; 48 bytes. */
export function imageConfigDigest(): Uint8Array {
  return createHash('sha384').update(IMAGE_CONFIGURATION).digest();
}

/** The files of the guest, paths relative to `folder` with forward slashes: compiled ones, or the sources when it runs from those. */
export interface GuestFiles {
  readonly folder: string;
  readonly paths: readonly string[];
}

/** The files that the simulated platform measures. Tests are no part of a guest. */
export function guestFiles(): GuestFiles {
  const folder = resolve(__dirname, '..', '..');
  const extension = extname(__filename);
  const folders = [...GUEST_ROOMS.map((room) => join(folder, 'offchain', room)), join(folder, STATEMENT_PARTS)];
  const files = folders
    .flatMap(filesUnder)
    .map((file) => relative(folder, file).split(sep).join('/'))
    .filter((path) => path.endsWith(extension) && !/\.test[.-]/.test(path));
  return { folder, paths: [`${STATEMENTS}${extension}`, ...files] };
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesUnder(path) : [path];
  });
}
