import type { z } from 'zod';

/**
 * The first field that does not fit a schema, such as ` at gpus.0.chain`, to stand behind "is malformed"; empty for the value as a
 * whole. Values never stand in it, and it is safe to show: the names in a record are its author's, and terminals obey.
 */
export function malformedAt({ issues }: z.core.$ZodError): string {
  const place = issues[0]?.path.map(String).join('.') ?? '';
  return place === '' ? '' : ` at ${place.replace(/[^\x20-\x7e]/g, '?').slice(0, 80)}`;
}
