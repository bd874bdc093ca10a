/** Settlement by receipt: how one to five requests travel to a ClientContract. Statements lose what the contract fills in itself. */
import { type Builder, beginCell, type Cell } from '@ton/core';
import { type Authorisation, type Order, packPrices, type Receipt } from './statements';

/** One request that no voucher covers, with everything that its client and its guest signed. */
export interface SettledReceipt {
  readonly order: Order;
  readonly authorisation: Authorisation;
  /** The session key's, 64 bytes over the authorisation's hash. */
  readonly authorisationSignature: Uint8Array;
  readonly receipt: Receipt;
  /** The receipt key's, 64 bytes over the receipt's hash. */
  readonly receiptSignature: Uint8Array;
  /** Whether the session key before the last rotation signed the authorisation. */
  readonly byOldKey?: boolean;
}

/**
 * settlement$_ of schema.tlb, a list that begins with the first of `receipts`. Their numbers have to rise, and the contract takes no
 * more than five; neither is checked here. Not sent: the order's channel, and the hashes by which one statement names another.
 *
 * @throws RangeError when there is no receipt
 */
export function settlementOf(receipts: readonly SettledReceipt[]): Builder {
  const [first, ...others] = receipts;
  if (first === undefined) throw new RangeError('no receipt to settle, at least 1 expected');
  const next = others.reduceRight<Cell | null>((rest, settled) => settlement(settled, rest).endCell(), null);
  return settlement(first, next);
}

function settlement(settled: SettledReceipt, next: Cell | null): Builder {
  return beginCell()
    .storeBit(settled.byOldKey ?? false)
    .storeBuffer(Buffer.from(settled.authorisationSignature), 64)
    .storeRef(settledReceipt(settled))
    .storeMaybeRef(next)
    .storeUint(settled.order.number, 64)
    .storeUint(settled.order.salt, 256);
}

/** settled_receipt$_ of schema.tlb. */
function settledReceipt({ authorisation, receipt, receiptSignature }: SettledReceipt): Cell {
  const { usage } = receipt;
  return beginCell()
    .storeBuffer(Buffer.from(receiptSignature), 64)
    .storeRef(settledAuthorisation(authorisation, receipt.sealedHash))
    .storeUint(receipt.details, 256)
    .storeUint(usage.uncachedPrompt, 32)
    .storeUint(usage.cachedPrompt, 32)
    .storeUint(usage.answer, 32)
    .storeUint(usage.reasoning, 32)
    .storeUint(receipt.status, 8)
    .storeUint(receipt.at, 32)
    .endCell();
}

/** settled_authorisation$_ of schema.tlb; the sealed hash is the receipt's, and stands here for want of room there. */
function settledAuthorisation(authorisation: Authorisation, sealedHash: bigint): Cell {
  return beginCell()
    .storeUint(authorisation.receiptKey, 256)
    .storeUint(authorisation.seal, 256)
    .storeUint(authorisation.maxAmount, 64)
    .storeUint(authorisation.validUntil, 32)
    .storeRef(packPrices(authorisation.prices))
    .storeUint(sealedHash, 256)
    .endCell();
}
