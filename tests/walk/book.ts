/**
 * What has been signed in a walk, off chain: requests and their receipts, vouchers, worker vouchers. From it follows the most that any
 * channel may ever owe, whatever messages reach it.
 */
import type { Address } from '@ton/core';
import type { ClientState } from '../../wrappers/ClientContract';
import {
  cost,
  openHash,
  packAuthorisation,
  packOrder,
  packReceipt,
  packVoucher,
  packWorkerVoucher,
  RECEIPT_STATUS,
  statementHash,
  type Voucher,
  type WorkerVoucher,
} from '../../wrappers/statements';
import type { Answered, Signed } from './bodies';
import { type Signer, signerOf } from './keys';

/** A voucher with the numbers that it leaves open. */
export interface ClientVoucher extends Signed<Voucher> {
  readonly openNumbers: readonly bigint[];
}

/** What one channel's client has signed. */
export class ChannelBook {
  readonly requests: (Answered & { isCovered: boolean })[] = [];
  readonly vouchers: ClientVoucher[] = [];

  constructor(readonly channel: Address) {}

  /** A request that was answered for `amount` nanoTON, at most 4,294,967,295; under the next number, or one that it had before. */
  work(by: Signer, amount: bigint, validUntil: number, number = BigInt(this.requests.length + 1)): Answered {
    const answered = answer(this.channel, by, number, amount, validUntil);
    this.requests.push({ ...answered, isCovered: false });
    return answered;
  }

  /** A voucher for all requests but the oldest `open` of those that no voucher covers, as an honest client signs it. */
  sign(by: Signer, open: number): ClientVoucher {
    const uncovered = this.requests.filter(({ isCovered }) => !isCovered);
    for (const request of uncovered.slice(Math.min(open, uncovered.length - 1))) request.isCovered = true;
    const numbers = (isCovered: boolean) =>
      this.requests.filter((r) => r.isCovered === isCovered).map(({ settled }) => settled.order.number);
    const upTo = numbers(true).reduce((a, b) => (a > b ? a : b), 0n);
    const openNumbers = [...new Set(numbers(false))].filter((number) => number <= upTo);
    const total = this.requests.reduce((sum, r) => sum + (r.isCovered ? r.cost : 0n), 0n);
    return this.add(by, total, upTo, openNumbers);
  }

  /** Any voucher at all. */
  add(by: Signer, total: bigint, upTo: bigint, openNumbers: readonly bigint[]): ClientVoucher {
    const statement = { channel: this.channel, total, upTo, open: openHash(openNumbers) };
    const voucher = { ...signed(statement, packVoucher(statement).hash(), by), openNumbers };
    this.vouchers.push(voucher);
    return voucher;
  }

  /** The highest total of a voucher, and everything that was ever answered: a channel never owes more than both. */
  ceiling(): bigint {
    const highest = this.vouchers.reduce((most, { statement }) => (statement.total > most ? statement.total : most), 0n);
    return highest + this.answered();
  }

  answered(): bigint {
    return this.requests.reduce((sum, request) => sum + request.cost, 0n);
  }

  /** The numbers that the last charged voucher left open. */
  openNumbers(state: ClientState): readonly bigint[] {
    return this.vouchers.find(({ statement }) => statement.open === state.open)?.openNumbers ?? [];
  }

  /** What a receipt can still settle, in rising order. */
  settleable(state: ClientState, now: number): readonly Answered[] {
    const open = new Set(this.openNumbers(state));
    const found = new Map<bigint, Answered>();
    for (const request of this.requests) {
      const { number } = request.settled.order;
      const isLate = request.settled.authorisation.validUntil < now - state.terms.withdrawDelay;
      if (number > state.settled && (number > state.upTo || open.has(number)) && !isLate) found.set(number, request);
    }
    return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, request]) => request);
  }
}

export class Book {
  private readonly channels = new Map<string, ChannelBook>();
  private readonly claims = new Map<string, Signed<WorkerVoucher>[]>();

  channel(address: Address): ChannelBook {
    const key = address.toRawString();
    const book = this.channels.get(key) ?? new ChannelBook(address);
    this.channels.set(key, book);
    return book;
  }

  workerVouchers(workerContract: Address): Signed<WorkerVoucher>[] {
    const key = workerContract.toRawString();
    const vouchers = this.claims.get(key) ?? [];
    this.claims.set(key, vouchers);
    return vouchers;
  }

  signForWorker(workerContract: Address, by: Signer, total: bigint, tokens: bigint): Signed<WorkerVoucher> {
    const statement = { workerContract, total, tokens };
    const voucher = signed(statement, packWorkerVoucher(statement).hash(), by);
    this.workerVouchers(workerContract).push(voucher);
    return voucher;
  }
}

export function signed<T>(statement: T, hash: Buffer, signer: Signer): Signed<T> {
  return { statement, signature: signer.sign(hash), signer };
}

/** A request of one channel, authorised by its client and answered by a guest, that costs `amount`: one nanoTON a token. */
export function answer(
  channel: Address,
  by: Signer,
  number: bigint,
  amount: bigint,
  validUntil: number,
  guest = signerOf('guest'),
): Answered {
  const order = { channel, number, salt: number * 7n + 1n };
  const prices = { uncachedPrompt: 0n, cachedPrompt: 0n, answer: 1_000_000n, reasoning: 0n };
  const usage = { uncachedPrompt: 0, cachedPrompt: 0, answer: Number(amount), reasoning: 0 };
  const authorisation = {
    orderHash: statementHash(packOrder(order)),
    receiptKey: guest.publicKey,
    seal: 1n,
    maxAmount: amount + 1n,
    validUntil,
    prices,
  };
  const authorised = packAuthorisation(authorisation);
  const authorisationHash = statementHash(authorised);
  const receipt = { authorisationHash, sealedHash: 2n, details: 3n, usage, status: RECEIPT_STATUS.complete, at: validUntil };
  return {
    settled: {
      order,
      authorisation,
      authorisationSignature: by.sign(authorised.hash()),
      receipt,
      receiptSignature: guest.sign(packReceipt(receipt).hash()),
    },
    authorisedBy: by,
    answeredBy: guest,
    cost: cost(usage, prices, authorisation.maxAmount),
  };
}
