/**
 * billing: what a request may cost, who may still ask, and which vouchers count; pure arithmetic on bigint nanoTON, no I/O.
 * It trusts the numbers that it is given: callers verify signatures and read the chain.
 */
import { CocoonError } from '../core/errors';
import { maxNano } from '../core/money';

/** A statement about money breaks a rule of the protocol. Codes: see docs of each function. */
export class BillingError extends CocoonError {}

/** Where a channel stands, all in nanoTON. */
export interface CreditState {
  /** Coins in the channel contract that it may pay out. */
  readonly deposit: bigint;
  /** What the owner has announced to take out. */
  readonly announcedWithdrawal: bigint;
  /** Total of the newest accepted voucher. */
  readonly voucherTotal: bigint;
  /** By vouchers and by receipts: more than the newest voucher says when receipts were settled on chain. */
  readonly chargedOnChain: bigint;
  readonly paidOnChain: bigint;
  /** Cost of receipts that no voucher covers, those that were settled on chain included. */
  readonly outstanding: bigint;
  /** Sum of max amounts of requests in flight. */
  readonly reserved: bigint;
}

export type Admission =
  | { readonly admitted: true }
  | { readonly admitted: false; readonly reason: 'credit_exhausted' | 'deposit_exhausted'; readonly missing: bigint };

/**
 * Cost of receipts that neither the newest voucher nor a charge on chain stands for. Totals are cumulative: what was settled by receipt
 * is what the chain has charged beyond the voucher.
 */
export function unsecured(state: Pick<CreditState, 'voucherTotal' | 'chargedOnChain' | 'outstanding'>): bigint {
  return maxNano(state.voucherTotal + state.outstanding - securedTotal(state), 0n);
}

/**
 * The credit rule. A request is admitted if
 *   unsecured + reserved + maxAmount <= credit window, and
 *   (secured total - paid on chain) + unsecured + reserved + maxAmount <= deposit - announced withdrawals,
 * where the secured total is that of the newest voucher or, when receipts were settled, what is charged on chain.
 */
export function admit(state: CreditState, maxAmount: bigint, creditWindow: bigint): Admission {
  const asked = unsecured(state) + state.reserved + maxAmount;
  const free = state.deposit - state.announcedWithdrawal - (securedTotal(state) - state.paidOnChain);
  if (asked > free) return { admitted: false, reason: 'deposit_exhausted', missing: asked - free };
  if (asked > creditWindow) return { admitted: false, reason: 'credit_exhausted', missing: asked - creditWindow };
  return { admitted: true };
}

function securedTotal({ voucherTotal, chargedOnChain }: Pick<CreditState, 'voucherTotal' | 'chargedOnChain'>): bigint {
  return maxNano(voucherTotal, chargedOnChain);
}

/** The newest voucher that a side has accepted, as numbers. */
export interface Coverage {
  readonly total: bigint;
  readonly upTo: bigint;
  readonly open: ReadonlySet<bigint>;
}

export const NO_COVERAGE: Coverage = { total: 0n, upTo: 0n, open: new Set() };

/** Whether a number needs no more payment. */
export function covers(coverage: Coverage, number: bigint): boolean {
  return number <= coverage.upTo && !coverage.open.has(number);
}

/**
 * Whether a voucher may follow the last one.
 * @param receipts cost of each receipt that the last voucher does not cover, by number
 * @param inFlight numbers that are being served
 * @throws BillingError voucher_too_low, voucher_falls_back, voucher_covers_in_flight, voucher_bad_open
 */
export function checkVoucher(last: Coverage, next: Coverage, receipts: ReadonlyMap<bigint, bigint>, inFlight: Iterable<bigint>): void {
  if (next.upTo < last.upTo) throw new BillingError('voucher_falls_back', `up to ${next.upTo}, was ${last.upTo}`);
  for (const number of next.open) {
    if (number === 0n || number > next.upTo) throw new BillingError('voucher_bad_open', `open number ${number}, up to ${next.upTo}`);
    if (covers(last, number)) throw new BillingError('voucher_falls_back', `number ${number} was covered and is open again`);
  }
  let due = last.total;
  for (const [number, cost] of receipts) if (!covers(last, number) && covers(next, number)) due += cost;
  if (next.total < due) throw new BillingError('voucher_too_low', `total ${next.total} nanoTON, due ${due}`);
  for (const number of inFlight) {
    if (covers(next, number) && !covers(last, number)) throw new BillingError('voucher_covers_in_flight', `number ${number} is in flight`);
  }
}
