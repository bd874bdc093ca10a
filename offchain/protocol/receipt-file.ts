import { z } from 'zod';
import { hash, nano, signature } from './fields';
import { authorisation, opening, order, receipt } from './statements-json';

/** What a receipt file says of itself. */
export const RECEIPT_FORMAT = 'cocoon receipt';

/**
 * A receipt as its caller holds it, with everything that it hangs on: canonical JSON, statements as base64url. It shows what was asked
 * and answered to whoever has both, and which channel paid: it is its owner's to show or to keep.
 */
export const receiptFile = z.strictObject({
  format: z.literal(RECEIPT_FORMAT),
  version: z.literal(1),
  /** The channel's session key. */
  sessionKey: hash,
  order,
  authorisation,
  /** The session key's, over the authorisation's hash. */
  authorisationSignature: signature,
  receipt,
  /** The receipt key's, over the receipt's hash. */
  signature,
  opening,
  /** What the caller accounts for it. */
  cost: nano,
  /** An evidence file's content; null where it is not at hand. */
  evidence: z.unknown(),
});

export type ReceiptFile = z.output<typeof receiptFile>;
