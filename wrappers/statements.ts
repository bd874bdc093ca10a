/**
 * Every signed statement of Cocoon: pack and parse (cells), encode and decode (bytes), hash, and cost.
 *
 * A statement is one cell, tag first; its signature is Ed25519 over the cell's hash. `schema.tlb` is the interface of record.
 * Off chain a statement travels as its fixed-size encoding: the same fields in the same order, big-endian, an address as the
 * 32 bytes of its hash (workchain 0 only), prices inline. Nothing here signs: whoever holds a key signs the hash of a statement
 * that it has built itself, never a hash that it was handed (rule R6).
 */
export * from './statement/bytes';
export * from './statement/cells';
export * from './statement/rules';
export {
  type Authorisation,
  type Challenge,
  type ChannelRequest,
  MAX_OPEN,
  type Order,
  type Prices,
  RECEIPT_STATUS,
  type Receipt,
  type ReceiptStatus,
  STATEMENT_TAG,
  StatementError,
  type Usage,
  type Voucher,
  type WorkerVoucher,
} from './statement/types';
