/**
 * protocol: the JSON shapes of the calls between client, proxy, worker and guest, and their error codes. No I/O, no rules.
 * It trusts nothing: every shape is checked when it comes in, unknown fields are refused.
 */
import { Address } from '@ton/core';
import { z } from 'zod';
import { fromBase64Url, fromHex, toBase64Url, toHex } from '../core/bytes';
import { parseNano } from '../core/money';

/** A decimal string of nanoTON <-> bigint. */
export const nano = z.codec(z.string().regex(/^(?:0|[1-9][0-9]{0,19})$/), z.bigint(), {
  decode: (text) => parseNano(text),
  encode: (value) => value.toString(),
});

/** A decimal string <-> bigint below 2^64: numbers of requests, counts of tokens. */
export const counter = nano.clone();

/** Raw address of workchain 0 <-> Address. */
export const address = z.codec(z.string().regex(/^0:[0-9a-f]{64}$/), z.instanceof(Address), {
  decode: (text) => Address.parseRaw(text),
  encode: (value) => value.toRawString(),
});

/** Raw address of workchain 0, kept as text. */
export const rawAddress = z.string().regex(/^0:[0-9a-f]{64}$/);

/** 32 bytes as lower-case hex, kept as text: hashes, digests, public keys. */
export const hash = z.string().regex(/^[0-9a-f]{64}$/);

/** A 64-byte signature as base64url. */
export const signature = z.codec(
  z.string().length(86),
  z.custom<Uint8Array>((value) => value instanceof Uint8Array),
  {
    decode: (text) => fromBase64Url(text, 64),
    encode: (value) => toBase64Url(value),
  },
);

/** Unix seconds. */
export const timeSec = z.int().min(0).max(0xffff_ffff);

/** Prices as JSON: decimal nanoTON per 1,000,000 tokens. */
export const prices = z.strictObject({ uncachedPrompt: nano, cachedPrompt: nano, answer: nano, reasoning: nano });

/** A 256-bit integer of statements as the 64 hex digits that JSON carries. */
export function hashText(value: bigint): string {
  return value.toString(16).padStart(64, '0');
}

/** The 256-bit integer of 64 hex digits. @throws MalformedError bad_hex */
export function hashValue(text: string): bigint {
  fromHex(text, 32);
  return BigInt(`0x${text}`);
}

/** The 256-bit integer of 32 bytes. */
export function bytesValue(value: Uint8Array): bigint {
  return BigInt(`0x${toHex(value)}`);
}
