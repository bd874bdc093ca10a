/** Values as a person reads them. */
import { fromNano } from '@ton/core';
import { EVERYTHING } from '../withdrawal';

export function ton(nano: bigint): string {
  return nano === EVERYTHING ? 'everything' : `${fromNano(nano)} TON`;
}

/** 64 hex digits. */
export function hex(value: bigint): string {
  return value.toString(16).padStart(64, '0');
}

/** Unix seconds as a date. */
export function date(seconds: number | bigint): string {
  const milliseconds = Number(seconds) * 1_000;
  if (Number.isNaN(new Date(milliseconds).getTime())) return `second ${seconds}`;
  return `${new Date(milliseconds).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** A date, and how far it is away. */
export function moment(seconds: number | bigint, now: number): string {
  const away = Number(seconds) - now;
  return `${date(seconds)} (${away === 0 ? 'now' : away > 0 ? `in ${span(away)}` : `${span(-away)} ago`})`;
}

/** Seconds in the two largest units that fit. */
export function span(seconds: number): string {
  const parts: string[] = [];
  let rest = seconds;
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count} ${unit}${count === 1 ? '' : 's'}`);
  }
  return parts.slice(0, 2).join(' ') || '0 seconds';
}

const UNITS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
] as const;

/** `1 approval`, `2 approvals`. */
export function counted(count: number | bigint, noun: string): string {
  return `${count} ${noun}${BigInt(count) === 1n ? '' : 's'}`;
}
