/** Any data of the model as one line of text: equal text is equal data, whatever the order of maps and fields. */
import { Address, Cell } from '@ton/core';

export function textOf(value: unknown): string {
  if (value instanceof Address) return value.toRawString();
  if (value instanceof Cell) return value.hash().toString('hex');
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (value instanceof Map)
    return `{${[...value]
      .map(([key, entry]) => `${textOf(key)}: ${textOf(entry)}`)
      .sort()
      .join(', ')}}`;
  if (Array.isArray(value)) return `[${value.map(textOf).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${fields.map(([name, field]) => `${name}: ${textOf(field)}`).join(', ')}}`;
  }
  return String(value);
}
