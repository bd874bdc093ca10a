import { MalformedError } from './errors';

const encoder = new TextEncoder();
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** UTF-8 bytes of `text`. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Text of UTF-8 `bytes`. @throws bad_utf8 */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return strictDecoder.decode(bytes);
  } catch (cause) {
    throw new MalformedError('bad_utf8', 'bytes are not UTF-8', {}, { cause });
  }
}

/** One array with the parts in order; the parts are copied. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let size = 0;
  for (const part of parts) size += part.length;
  const all = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Whether two byte strings are equal. Not constant-time: for public values only. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));

/** Lower-case hex. */
export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += HEX[byte];
  return text;
}

/** Bytes of lower-case hex, of exactly `size` bytes when it is given. @throws bad_hex */
export function fromHex(text: string, size?: number): Uint8Array {
  if (!/^(?:[0-9a-f]{2})*$/.test(text)) throw new MalformedError('bad_hex', 'not lower-case hex');
  if (size !== undefined && text.length !== size * 2) {
    throw new MalformedError('bad_hex', `hex of ${text.length / 2} bytes, expected ${size}`);
  }
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
/** The value of each character by its code; 255 for what is none. */
const BASE64URL_VALUE = Uint8Array.from({ length: 128 }, (_, code) => BASE64URL.indexOf(String.fromCharCode(code)) & 255);

/** Bytes of base64 that a schema has checked. Source: RFC 4648 section 4. */
export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** base64url without padding. Source: RFC 4648 section 5. */
export function toBase64Url(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const b = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    text += BASE64URL.charAt(b >> 18) + BASE64URL.charAt((b >> 12) & 63) + BASE64URL.charAt((b >> 6) & 63) + BASE64URL.charAt(b & 63);
  }
  // A last group of one byte has two characters, one of two bytes three.
  return text.slice(0, Math.ceil((bytes.length * 4) / 3));
}

/** Bytes of canonical, unpadded base64url. @throws bad_base64url */
export function fromBase64Url(text: string, size?: number): Uint8Array {
  const bad = () => new MalformedError('bad_base64url', 'not canonical base64url');
  if (text.length % 4 === 1) throw bad();
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  if (size !== undefined && bytes.length !== size)
    throw new MalformedError('bad_base64url', `base64url of ${bytes.length} bytes, expected ${size}`);
  let buffer = 0;
  let bits = 0;
  let at = 0;
  for (let i = 0; i < text.length; i++) {
    const value = BASE64URL_VALUE[text.charCodeAt(i)] ?? 255;
    if (value === 255) throw bad();
    buffer = ((buffer << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (buffer >> bits) & 255;
    }
  }
  if ((buffer & ((1 << bits) - 1)) !== 0) throw bad();
  return bytes;
}

/** Big-endian encoding of a non-negative integer below 2^(8 * size). @throws out_of_range */
export function toBigEndian(value: bigint | number, size: number): Uint8Array {
  let rest = BigInt(value);
  if (rest < 0n || rest >> BigInt(8 * size) !== 0n) throw new MalformedError('out_of_range', `value does not fit ${size} bytes`);
  const bytes = new Uint8Array(size);
  for (let i = size - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 255n);
    rest >>= 8n;
  }
  return bytes;
}

/** The integer of big-endian bytes. */
export function fromBigEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value;
}

/** The number of little-endian bytes, exact wherever it is a safe integer. */
export function uintLe(bytes: Uint8Array): number {
  return bytes.reduceRight((value, byte) => value * 256 + byte, 0);
}

/** Reads fields off the front of a byte string. Every read is checked; `end` refuses what is left. */
export class ByteReader {
  private at = 0;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly what: string,
  ) {}

  /** The next `size` bytes, a view on the input. @throws truncated */
  take(size: number): Uint8Array {
    if (size < 0 || this.at + size > this.bytes.length) {
      throw new MalformedError('truncated', `${this.what} of ${this.bytes.length} bytes, needed ${this.at + size}`);
    }
    this.at += size;
    return this.bytes.subarray(this.at - size, this.at);
  }

  /** A big-endian unsigned integer of up to 6 bytes. @throws truncated */
  uint(size: number): number {
    return Number(fromBigEndian(this.take(size)));
  }

  /** A big-endian unsigned integer of any size. @throws truncated */
  bigUint(size: number): bigint {
    return fromBigEndian(this.take(size));
  }

  /** Everything that is left. */
  rest(): Uint8Array {
    return this.take(this.bytes.length - this.at);
  }

  /** @throws trailing_bytes */
  end(): void {
    if (this.at !== this.bytes.length) {
      throw new MalformedError('trailing_bytes', `${this.what} has ${this.bytes.length - this.at} bytes too many`);
    }
  }
}
