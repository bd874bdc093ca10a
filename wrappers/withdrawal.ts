/** An amount that means everything, the reserve for rent included: the whole exit. */
export const EVERYTHING = (1n << 64n) - 1n;

/** An announced withdrawal of a channel's money. */
export interface Withdrawal {
  /** NanoTON; EVERYTHING for the whole exit. Less is paid if there is less. */
  readonly amount: bigint;
  /** Unix seconds: the earliest completion. */
  readonly readyAt: bigint;
}

/** What of `balance` can be paid out, besides a whole exit: all but the reserve. */
export function aboveReserve(balance: bigint, reserve: bigint): bigint {
  return balance > reserve ? balance - reserve : 0n;
}
