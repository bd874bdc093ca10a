import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const HOUSE = join(__dirname, '..', '..');

/** Texts of contracts/*.tact by file name, in the order of the names. */
export type Sources = ReadonlyMap<string, string>;

/** The contract sources of a checkout. */
export function readSources(house: string = HOUSE): Sources {
  const folder = join(house, 'contracts');
  const files = readdirSync(folder).filter((file) => file.endsWith('.tact'));
  return new Map(files.sort().map((file) => [file, readFileSync(join(folder, file), 'utf8')]));
}

/** One hash over names and texts, in hex: the list of survivors is of exactly these sources. */
export function hashOf(texts: ReadonlyMap<string, string>): string {
  const hash = createHash('sha256');
  for (const [name, text] of texts) hash.update(`${name} ${text.length}\n${text}`);
  return hash.digest('hex');
}

/** A file and all that it imports, directly or not. */
export function closureOf(file: string, sources: Sources): ReadonlySet<string> {
  const seen = new Set<string>();
  const visit = (name: string) => {
    if (seen.has(name)) return;
    seen.add(name);
    for (const [, imported] of (sources.get(name) ?? '').matchAll(/^import "\.\/([^"]+)";$/gm)) {
      if (imported !== undefined) visit(imported);
    }
  };
  visit(file);
  return seen;
}

/** The contracts whose code a change of this file can change: root holds the proxy's code, and proxy the worker's. */
export function contractsWith(file: string, sources: Sources): readonly string[] {
  return [...sources.keys()]
    .filter((name) => name.endsWith('Contract.tact') && closureOf(name, sources).has(file))
    .map((name) => name.slice(0, -'.tact'.length));
}
