import { z } from 'zod';
import { cost } from '../../wrappers/statements';
import { numberKey } from '../ledger/ledger';
import { hash, prices, rawAddress, signature, timeSec } from '../protocol/fields';
import { authorisation, order, signedReceipt } from '../protocol/statements-json';

export const requestSchema = z.strictObject({
  order,
  authorisation,
  authorisationHash: hash,
  /** The session key's, over the authorisation's hash. */
  signature,
  workerContract: rawAddress,
  /** The worker's own. Null: what it earns here is in a voucher that this record had forgotten. */
  workerPrices: prices.nullable(),
  evidence: hash,
  receipt: signedReceipt.nullable(),
  /** Whether the receipt came with its whole answer, and not later by itself. */
  isDelivered: z.boolean(),
  /** No receipt came in time: the request no longer counts, the number stays used. */
  isVoid: z.boolean(),
  /** It was sent to the chain to be settled by receipt: from then on a voucher has to cover it. */
  isSettling: z.boolean(),
  /** When the request came; with a receipt, when that came. */
  at: timeSec,
});

/** One request as the proxy remembers it. */
export type RequestRecord = z.output<typeof requestSchema>;

/** What the client pays for it; nothing without a receipt. NanoTON. */
export function priceOf({ receipt, authorisation }: RequestRecord): bigint {
  return receipt === null ? 0n : cost(receipt.receipt.usage, authorisation.prices, authorisation.maxAmount);
}

/** What the worker earns by it; nothing without a receipt. NanoTON. */
export function earningOf({ receipt, authorisation, workerPrices }: RequestRecord): bigint {
  return receipt === null || workerPrices === null ? 0n : cost(receipt.receipt.usage, workerPrices, authorisation.maxAmount);
}

/** Requests lie under their channel, in the order of their numbers. */
export function requestKey(channel: string, number: bigint): string {
  return `${channel}/${numberKey(number)}`;
}
