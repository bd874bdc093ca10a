import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The text of a file beside the contracts. */
export function sourceOf(file: string): string {
  return readFileSync(join(__dirname, '..', 'contracts', file), 'utf8');
}

/** The integer constants of a Tact file, by name. */
export function constantsOf(file: string): ReadonlyMap<string, number> {
  const constants = new Map<string, number>();
  for (const [, name, value] of sourceOf(file).matchAll(/^const (\w+): Int = (0x[0-9a-f]+|[0-9]+);/gm)) {
    if (name !== undefined) constants.set(name, Number(value));
  }
  return constants;
}

/** `ErrorOldVoucher` as `oldVoucher`. */
export function withoutPrefix(name: string, prefix: string): string {
  const rest = name.slice(prefix.length);
  return rest.charAt(0).toLowerCase() + rest.slice(1);
}
