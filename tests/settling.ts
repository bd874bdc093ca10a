/** Requests that no voucher covers, with all that their client and their guest signed: what a settlement by receipt is made of. */
import type { Address } from '@ton/core';
import { type KeyPair, sign } from '@ton/crypto';
import type { SettledReceipt } from '../wrappers/ClientContract';
import {
  type Authorisation,
  type Order,
  type Prices,
  packAuthorisation,
  packOrder,
  packReceipt,
  type Receipt,
  statementHash,
  type Usage,
} from '../wrappers/statements';
import { publicKeyOf, RECEIPT, SESSION, START } from './world';

/** NanoTON per 1,000,000 tokens. */
export const PRICES: Prices = { uncachedPrompt: 100_000_000n, cachedPrompt: 10_000_000n, answer: 1_000_000_000n, reasoning: 500_000_000n };

/** Costs 0.03 + 0.01 + 0.05 + 0.01 TON at these prices. */
export const USAGE: Usage = { uncachedPrompt: 300_000, cachedPrompt: 1_000_000, answer: 50_000, reasoning: 20_000 };
export const COST = 100_000_000n;

/** One request, as everybody means it; each part can be changed before it is signed. */
export interface Settling {
  readonly channel: Address;
  readonly number: bigint;
  readonly usage?: Usage;
  readonly prices?: Prices;
  /** NanoTON; 1 TON unless told. */
  readonly maxAmount?: bigint;
  /** Unix seconds; a minute after START unless told. */
  readonly validUntil?: number;
  readonly byOldKey?: boolean;
  /** Who signs the authorisation; the session key unless told. */
  readonly sessionKey?: KeyPair;
  /** Who signs the receipt; the receipt key unless told. */
  readonly receiptKey?: KeyPair;
  readonly order?: Partial<Order>;
  readonly authorisation?: Partial<Authorisation>;
  readonly receipt?: Partial<Receipt>;
}

/** A request that was ordered, authorised, answered and signed for. */
export function settled(request: Settling): SettledReceipt {
  const order: Order = { channel: request.channel, number: request.number, salt: 1_000n + request.number, ...request.order };
  const authorisation: Authorisation = {
    orderHash: statementHash(packOrder(order)),
    receiptKey: publicKeyOf(RECEIPT),
    seal: 11n,
    maxAmount: request.maxAmount ?? 1_000_000_000n,
    validUntil: request.validUntil ?? START + 60,
    prices: request.prices ?? PRICES,
    ...request.authorisation,
  };
  const receipt: Receipt = {
    authorisationHash: statementHash(packAuthorisation(authorisation)),
    sealedHash: 12n,
    details: 13n,
    usage: request.usage ?? USAGE,
    status: 0,
    at: START,
    ...request.receipt,
  };
  return {
    order,
    authorisation,
    authorisationSignature: sign(packAuthorisation(authorisation).hash(), (request.sessionKey ?? SESSION).secretKey),
    receipt,
    receiptSignature: sign(packReceipt(receipt).hash(), (request.receiptKey ?? RECEIPT).secretKey),
    byOldKey: request.byOldKey,
  };
}

/** Several requests of one channel, alike but for their numbers. */
export function settledAll(channel: Address, numbers: readonly bigint[], request: Partial<Settling> = {}): SettledReceipt[] {
  return numbers.map((number) => settled({ ...request, channel, number }));
}

/** Five numbers that share no way through a dictionary. */
export const NUMBERS = [1n, 2n, 3n, 4n, 5n].map((i) => (i << 61n) + i);

/** Open numbers, few enough for a voucher, whose dictionary is as deep as it can be on the way to each of `numbers`: 64 forks. */
export function deepestOpen(numbers: readonly bigint[]): bigint[] {
  const open = new Set(numbers);
  for (const number of numbers) for (let bit = 0n; bit < 64n; bit++) open.add(number ^ (1n << bit));
  return [...open];
}
