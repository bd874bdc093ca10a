import { concat, fromHex, utf8 } from '../core/bytes';
import { DER_TAG } from './der';

/** One DER element around its parts. Source: ITU-T X.690 sections 8.1 and 10.1. */
export function derElement(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = concat(...parts);
  const size = content.length;
  const short = size < 0x80;
  const sizeBytes = fromHex(size.toString(16).padStart(size < 0x100 ? 2 : size < 0x10000 ? 4 : 6, '0'));
  return concat(Uint8Array.of(tag), short ? Uint8Array.of(size) : concat(Uint8Array.of(0x80 | sizeBytes.length), sizeBytes), content);
}

export function derSequence(...parts: readonly Uint8Array[]): Uint8Array {
  return derElement(DER_TAG.sequence, ...parts);
}

/** A non-negative INTEGER; bytes are big-endian, with or without leading zeros. */
export function derInteger(value: number | Uint8Array): Uint8Array {
  const bytes = typeof value === 'number' ? fromHex(value.toString(16).padStart(8, '0')) : value;
  const start = bytes.findIndex((byte) => byte !== 0);
  const magnitude = start < 0 ? Uint8Array.of(0) : bytes.subarray(start);
  return derElement(DER_TAG.integer, (magnitude[0] ?? 0) >= 0x80 ? Uint8Array.of(0) : new Uint8Array(0), magnitude);
}

export function derOid(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...arcs] = dotted.split('.').map(Number);
  const bytes: number[] = [];
  for (const arc of [40 * first + second, ...arcs]) {
    const digits = [arc % 128];
    for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) digits.unshift((rest % 128) | 0x80);
    bytes.push(...digits);
  }
  return derElement(DER_TAG.oid, Uint8Array.from(bytes));
}

export function derOctets(bytes: Uint8Array): Uint8Array {
  return derElement(DER_TAG.octetString, bytes);
}

/** A BIT STRING; `unusedBits` of the last byte do not count. */
export function derBits(bytes: Uint8Array, unusedBits = 0): Uint8Array {
  return derElement(DER_TAG.bitString, Uint8Array.of(unusedBits), bytes);
}

export function derBoolean(value: boolean): Uint8Array {
  return derElement(DER_TAG.boolean, Uint8Array.of(value ? 0xff : 0));
}

export function derText(text: string): Uint8Array {
  return derElement(DER_TAG.utf8String, utf8(text));
}

/** A time in the form that certificates use for its year. Source: RFC 5280 section 4.1.2.5. */
export function derTime(sec: number): Uint8Array {
  const text = `${new Date(sec * 1000).toISOString().replaceAll(/[-:T]/g, '').slice(0, 14)}Z`;
  return text < '2050' ? derElement(DER_TAG.utcTime, utf8(text.slice(2))) : derElement(DER_TAG.generalizedTime, utf8(text));
}
