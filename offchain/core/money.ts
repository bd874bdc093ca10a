import { MalformedError } from './errors';

/** NanoTON in one TON. */
export const NANO_PER_TON = 1_000_000_000n;

/** Amounts are uint64 on chain and in statements. */
export const MAX_NANO = (1n << 64n) - 1n;

/** A decimal string of nanoTON, as JSON carries money. @throws bad_amount */
export function parseNano(text: string): bigint {
  if (!/^(?:0|[1-9][0-9]{0,19})$/.test(text)) throw new MalformedError('bad_amount', 'not a decimal number of nanoTON');
  const nano = BigInt(text);
  if (nano > MAX_NANO) throw new MalformedError('bad_amount', `${nano} nanoTON, limit ${MAX_NANO}`);
  return nano;
}

/** Decimal TON as people write it ("1", "0.25"), at most nine places. @throws bad_amount */
export function parseTon(text: string): bigint {
  const match = /^([0-9]{1,11})(?:\.([0-9]{1,9}))?$/.exec(text);
  if (!match) throw new MalformedError('bad_amount', `"${text.slice(0, 40)}" is not an amount in TON such as 1 or 0.25`);
  const nano = BigInt(match[1] ?? '0') * NANO_PER_TON + BigInt((match[2] ?? '').padEnd(9, '0'));
  if (nano > MAX_NANO) throw new MalformedError('bad_amount', `${nano} nanoTON, limit ${MAX_NANO}`);
  return nano;
}

/** TON for people, exact: no digit is lost, trailing zeros are left out. Negative amounts carry a minus sign. */
export function formatTon(nano: bigint): string {
  const sign = nano < 0n ? '-' : '';
  const size = nano < 0n ? -nano : nano;
  const fraction = (size % NANO_PER_TON).toString().padStart(9, '0').replace(/0+$/, '');
  return `${sign}${size / NANO_PER_TON}${fraction === '' ? '' : `.${fraction}`}`;
}

/** The smaller of two amounts. */
export function minNano(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

/** The larger of two amounts. */
export function maxNano(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
