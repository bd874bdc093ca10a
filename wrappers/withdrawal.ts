import type { Builder, Slice } from '@ton/core';

/** An amount that means everything, the reserve for rent included: the whole exit. */
export const EVERYTHING = (1n << 64n) - 1n;

/** An announced withdrawal of a channel's money. */
export interface Withdrawal {
  /** NanoTON; EVERYTHING for the whole exit. Less is paid if there is less. */
  readonly amount: bigint;
  /** Unix seconds: the earliest completion. */
  readonly readyAt: bigint;
}

/** withdraw_amount:uint64 withdraw_at:uint64, as the state of both kinds of channel has them. */
export function loadWithdrawal(slice: Slice): Withdrawal | null {
  const amount = slice.loadUintBig(64);
  const readyAt = slice.loadUintBig(64);
  return amount === 0n ? null : { amount, readyAt };
}

/** The same fields of a channel from which nothing is announced. */
export function storeNoWithdrawal(builder: Builder): void {
  builder.storeUint(0, 64).storeUint(0, 64);
}

/** What of `balance` can be paid out, besides a whole exit: all but the reserve. */
export function aboveReserve(balance: bigint, reserve: bigint): bigint {
  return balance > reserve ? balance - reserve : 0n;
}
