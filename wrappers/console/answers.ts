/** What people type, as values. Every function throws a Refusal that says what is allowed. */
import { createHash } from 'node:crypto';
import { Address, toNano } from '@ton/core';
import { isWeakKey } from './keys';
import { Refusal } from './refusal';

const UINT32 = 0xffff_ffff;
const MAX_AMOUNT = (1n << 64n) - 1n;
const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** An address of the basechain, in any of its forms. */
export function parseAddress(text: string): Address {
  let address: Address;
  try {
    address = Address.parse(text);
  } catch {
    throw new Refusal(`'${text}' is not an address`);
  }
  if (address.workChain !== 0) throw new Refusal(`address of workchain ${address.workChain}, expected 0`);
  return address;
}

/** TON with up to nine decimals, as nanoTON; above zero. */
export function parseAmount(text: string): bigint {
  if (!/^\d{1,11}(\.\d{1,9})?$/.test(text)) throw new Refusal(`'${text}' is not an amount of TON, such as 12.5`);
  const amount = toNano(text);
  if (amount === 0n) throw new Refusal('amount of 0 TON, expected more');
  // The highest number means everything.
  if (amount >= MAX_AMOUNT) throw new Refusal(`amount of ${text} TON, limit 18446744073`);
  return amount;
}

/** The same, or zero. */
export function parseAmountOrZero(text: string): bigint {
  return /^0+(\.0+)?$/.test(text) ? 0n : parseAmount(text);
}

/** 32 bytes in hex. */
export function parseHash(text: string): bigint {
  const digits = text.replace(/^0x/, '');
  if (!/^[0-9a-f]{64}$/i.test(digits)) throw new Refusal(`'${text}' is not a hash: expected 64 hex digits`);
  return BigInt(`0x${digits}`);
}

/** An Ed25519 public key in hex. */
export function parseKey(text: string): bigint {
  const digits = text.replace(/^0x/, '');
  if (!/^[0-9a-f]{64}$/i.test(digits)) throw new Refusal(`'${text}' is not a public key: expected 64 hex digits`);
  const key = BigInt(`0x${digits}`);
  if (isWeakKey(key)) throw new Refusal('this public key is a point of small order: anybody could sign for it');
  return key;
}

/** Seconds, or 90s, 30m, 12h, 7d; one second at least. */
export function parseDuration(text: string): number {
  const match = /^(\d{1,10})\s*([smhd]?)$/.exec(text);
  const seconds = Number(match?.[1]) * (UNIT_SECONDS[match?.[2] || 's'] ?? Number.NaN);
  if (match === null || !Number.isSafeInteger(seconds)) throw new Refusal(`'${text}' is not a duration, such as 3600, 90s, 30m, 12h or 7d`);
  if (seconds < 1 || seconds > UINT32) throw new Refusal(`duration of ${seconds} seconds, expected 1 to ${UINT32}`);
  return seconds;
}

/** A whole number within bounds. */
export function parseWhole(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^-?\d{1,12}$/.test(text) || value < min || value > max)
      throw new Refusal(`'${text}' is not a whole number from ${min} to ${max}`);
    return value;
  };
}

/** An https URL that fits into one cell. */
export function parseUrl(text: string): string {
  const length = Buffer.byteLength(text);
  if (length > 127) throw new Refusal(`url of ${length} bytes, limit 127`);
  if (!URL.canParse(text) || !text.startsWith('https://')) throw new Refusal(`'${text}' is not an https url`);
  return text;
}

/** SHA-256 of a text: what the chain keeps of a note. */
export function noteOf(text: string): bigint {
  return BigInt(`0x${createHash('sha256').update(text).digest('hex')}`);
}
