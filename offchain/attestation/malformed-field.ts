import type { z } from 'zod';
import { printable } from '../core/printable';

/**
 * What stands behind "is malformed": ` at gpus.0.chain`, the first field that does not fit a schema, or, of the value as a whole, what
 * that may be. Safe to show: no value stands in it, and the names in a record are its author's, while terminals obey.
 */
export function malformedAt({ issues }: z.core.$ZodError): string {
  const place = issues[0]?.path.map(String).join('.') ?? '';
  return place === '' ? ': missing or unknown fields' : ` at ${printable(place, 80)}`;
}
