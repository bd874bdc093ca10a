import type { Address } from '@ton/core';

/** What is wrong with a statement's bytes or cell. */
export class StatementError extends Error {
  constructor(
    readonly code: 'bad_tag' | 'bad_size' | 'bad_field' | 'bad_cell' | 'bad_open',
    message: string,
  ) {
    super(message);
    this.name = 'StatementError';
  }
}

/** First 32 bits of each statement; four ASCII letters, so that a hex dump can be read. */
export const STATEMENT_TAG = {
  order: 0x6f726472, // "ordr"
  authorisation: 0x61757468, // "auth"
  receipt: 0x72637074, // "rcpt"
  voucher: 0x76636872, // "vchr"
  workerVoucher: 0x77766368, // "wvch"
  challenge: 0x6368616c, // "chal"
  request: 0x72657173, // "reqs"
} as const;

/** Which request of which channel: shown to the proxy and to the contract only. `salt` hides the channel from whoever sees the hash. */
export interface Order {
  readonly channel: Address;
  readonly number: bigint;
  readonly salt: bigint;
}

/** NanoTON per 1,000,000 tokens, uint48 each. */
export interface Prices {
  readonly uncachedPrompt: bigint;
  readonly cachedPrompt: bigint;
  readonly answer: bigint;
  readonly reasoning: bigint;
}

/** Disjoint token counts, uint32 each, in the order of the prices. */
export interface Usage {
  readonly uncachedPrompt: number;
  readonly cachedPrompt: number;
  readonly answer: number;
  readonly reasoning: number;
}

/** What the client allows one attested guest to earn for one sealed prompt. Signed by the client's session key. */
export interface Authorisation {
  readonly orderHash: bigint;
  readonly receiptKey: bigint;
  /** SHA-256 of the encapsulation and counter of the sealed request. */
  readonly seal: bigint;
  readonly maxAmount: bigint;
  /** Unix seconds: the latest start. */
  readonly validUntil: number;
  readonly prices: Prices;
}

/** How a run ended. */
export const RECEIPT_STATUS = { complete: 0, capped: 1, stopped: 2, failed: 3 } as const;
export type ReceiptStatus = (typeof RECEIPT_STATUS)[keyof typeof RECEIPT_STATUS];

/** What was used for one authorised request. Signed by the guest's receipt key. */
export interface Receipt {
  readonly authorisationHash: bigint;
  /** SHA-256 of the response nonce and all sealed chunks before the final one. */
  readonly sealedHash: bigint;
  /** Commitment that only the caller can open. */
  readonly details: bigint;
  readonly usage: Usage;
  readonly status: ReceiptStatus;
  /** Unix seconds by the guest's clock, which is its host's. */
  readonly at: number;
}

/** What the client owes the proxy so far, and which requests that covers. Signed by the client's session key. */
export interface Voucher {
  readonly channel: Address;
  readonly total: bigint;
  /** Every number up to this one is covered, except those in the dictionary with hash `open`. */
  readonly upTo: bigint;
  /** Hash of the dictionary of open numbers; zero when there is none. */
  readonly open: bigint;
}

/** What the proxy owes the worker's owner so far. Signed by the proxy's payer key. */
export interface WorkerVoucher {
  readonly workerContract: Address;
  readonly total: bigint;
  readonly tokens: bigint;
}

/** A guest's answer to a proxy that it connects to. Signed by the guest's receipt key. */
export interface Challenge {
  readonly proxy: Address;
  readonly nonce: bigint;
  readonly at: number;
}

/** A client's call about its channel. Signed by the client's session key. */
export interface ChannelRequest {
  readonly channel: Address;
  /** SHA-256 of "METHOD path\n" and the body. */
  readonly callHash: bigint;
  readonly nonce: bigint;
  readonly at: number;
}

/** Most numbers that may be open in one voucher. */
export const MAX_OPEN = 1024;

/** @throws StatementError bad_field */
export function toStatus(value: number): ReceiptStatus {
  for (const status of Object.values(RECEIPT_STATUS)) if (status === value) return status;
  throw new StatementError('bad_field', `receipt status ${value} is unknown`);
}
