/** What the client owes and for which requests: the durable half of its channel. No I/O but its store. */
import type { Address } from '@ton/core';
import {
  type Authorisation,
  cost,
  isCovered,
  MAX_OPEN,
  openHash,
  packVoucher,
  statementHash,
  type Voucher,
} from '../../wrappers/statements';
import { toBigEndian } from '../core/bytes';
import type { Signer } from '../core/crypto';
import type { SignedReceipt } from '../protocol/statements-json';
import type { SignedVoucher } from '../sealing/relay-body';
import { ClientError } from './errors';

/** One number that no voucher covers. */
export interface OrderRecord {
  readonly number: bigint;
  readonly salt: bigint;
  /**
   * Null for a number that the proxy knows and this record had forgotten (restored from an older copy): it is never paid unless what we
   * signed for it is shown again.
   */
  readonly authorisation: Authorisation | null;
  /** Unix seconds after which it may no longer start. */
  readonly validUntil: number;
  readonly receipt: SignedReceipt | null;
}

/** A number that was just taken. */
export interface PlacedRecord extends OrderRecord {
  readonly authorisation: Authorisation;
}

export interface BookHead {
  /** Highest number that was ever used. */
  readonly lastNumber: bigint;
  /** The newest voucher that was signed, sent or not. */
  readonly voucher: SignedVoucher | null;
}

/** One change: whole, or not at all. */
export interface BookChange {
  readonly head?: BookHead;
  readonly put?: readonly OrderRecord[];
  readonly remove?: readonly bigint[];
}

/** Where the book is kept. A change is on disk when `save` resolves, and changes get there in the order of the calls. */
export interface BookStore {
  load(): { readonly head: BookHead | null; readonly orders: readonly OrderRecord[] };
  save(change: BookChange): Promise<void>;
}

/** No authorisation is valid for longer. Source: the protocol's bound on `valid_until`. */
const MAX_VALID_SEC = 600;

/** Numbers without a receipt that may pile up: below MAX_OPEN, so that a voucher can always leave them open. */
const MAX_WITHOUT_RECEIPT = MAX_OPEN - 24;

/**
 * Everything is written before it is used: a number before its request is sent, a receipt before it counts, a voucher before it is
 * sent. So a crash at any point never uses a number twice and never pays twice: at worst a number is burned.
 */
export class ChannelBook {
  private head: BookHead;
  private readonly orders: Map<bigint, OrderRecord>;
  /** Numbers that may be covered at no cost. */
  private readonly releasable = new Set<bigint>();
  private readonly running = new Map<bigint, bigint>();
  /** Vouchers are made and adopted one after the other. */
  private turns: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly store: BookStore,
    private readonly channel: Address,
    private readonly signer: Signer,
  ) {
    const { head, orders } = store.load();
    this.head = head ?? { lastNumber: 0n, voucher: null };
    this.orders = new Map(orders.map((order) => [order.number, order]));
  }

  get voucher(): SignedVoucher | null {
    return this.head.voucher;
  }

  get lastNumber(): bigint {
    return this.head.lastNumber;
  }

  get total(): bigint {
    return this.head.voucher?.voucher.total ?? 0n;
  }

  /** Cost of receipts that no voucher covers. */
  get outstanding(): bigint {
    let sum = 0n;
    for (const order of this.orders.values()) sum += costOf(order);
    return sum;
  }

  /** Sum of the max amounts of requests that run now. */
  get reserved(): bigint {
    let sum = 0n;
    for (const maxAmount of this.running.values()) sum += maxAmount;
    return sum;
  }

  /** Whether a request with this number runs in this process. */
  isRunning(number: bigint): boolean {
    return this.running.has(number);
  }

  order(number: bigint): OrderRecord | undefined {
    return this.orders.get(number);
  }

  /**
   * Takes the next number and writes its authorisation. Once this resolves the request may be sent; it counts as running until `end`.
   * @throws ClientError too_many_open; what the store throws
   */
  async place(make: (number: bigint) => { readonly salt: bigint; readonly authorisation: Authorisation }): Promise<PlacedRecord> {
    let open = 0;
    for (const order of this.orders.values()) if (order.receipt === null) open++;
    if (open >= MAX_WITHOUT_RECEIPT) throw new ClientError('too_many_open', `${open} requests, limit ${MAX_WITHOUT_RECEIPT}`);
    const number = this.head.lastNumber + 1n;
    const { salt, authorisation } = make(number);
    const order = { number, salt, authorisation, validUntil: authorisation.validUntil, receipt: null };
    // In memory first, without a pause in between: no voucher can be made that does not see the number.
    this.head = { ...this.head, lastNumber: number };
    this.orders.set(number, order);
    this.running.set(number, authorisation.maxAmount);
    await this.store.save({ head: this.head, put: [order] });
    return order;
  }

  /** The request of this number runs no longer, with a receipt or without. */
  end(number: bigint): void {
    this.running.delete(number);
  }

  /** Remembers what was signed for a forgotten number, which the caller has verified. Changes nothing for any other. */
  async recall(number: bigint, salt: bigint, authorisation: Authorisation): Promise<void> {
    const order = this.orders.get(number);
    if (order === undefined || order.authorisation !== null) return;
    const recalled = { ...order, salt, authorisation, validUntil: authorisation.validUntil };
    this.orders.set(number, recalled);
    await this.store.save({ put: [recalled] });
  }

  /** Keeps a receipt that the caller has verified against the number's authorisation. One for a covered number changes nothing. */
  async addReceipt(number: bigint, receipt: SignedReceipt): Promise<void> {
    const order = this.orders.get(number);
    if (order === undefined || order.receipt !== null || order.authorisation === null) return;
    const received = { ...order, receipt };
    // In memory first: the same receipt can come twice at once. A voucher over it gets to the store behind it.
    this.orders.set(number, received);
    this.releasable.delete(number);
    await this.store.save({ put: [received] });
  }

  /** Numbers without a receipt that can no longer run: their validity and then the longest run have passed. */
  expired(nowSec: number, longestRunSec: number): readonly bigint[] {
    const isOver = (order: OrderRecord) =>
      order.receipt === null && !this.running.has(order.number) && order.validUntil + longestRunSec < nowSec;
    return [...this.orders.values()].filter(isOver).map((order) => order.number);
  }

  /** The next voucher may cover these at no cost: they have expired, and the proxy has just shown no receipt for them. */
  release(numbers: readonly bigint[]): void {
    for (const number of numbers) if (this.orders.get(number)?.receipt === null) this.releasable.add(number);
  }

  /** Whether a new voucher would cover anything more. */
  get isVoucherDue(): boolean {
    for (const order of this.orders.values()) if (this.isCoverable(order)) return true;
    return false;
  }

  /** Signs and writes the next voucher: the last total and the cost of the receipts that it covers anew. */
  makeVoucher(): Promise<SignedVoucher> {
    return this.inTurn(() => this.makeVoucherNow());
  }

  /**
   * Takes over what the proxy has shown and the caller has verified: a newer voucher of our own that this record had forgotten, and
   * numbers that were used. Numbers that are new here stay open until they expire.
   */
  adopt(voucher: SignedVoucher | null, numbers: readonly bigint[], nowSec: number): Promise<void> {
    return this.inTurn(() => this.adoptNow(voucher, numbers, nowSec));
  }

  private inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.turns.then(act);
    this.turns = turn.catch(() => undefined);
    return turn;
  }

  private async makeVoucherNow(): Promise<SignedVoucher> {
    const covered = [...this.orders.values()].filter((order) => this.isCoverable(order));
    const coveredNumbers = new Set(covered.map((order) => order.number));
    const openNumbers = [...this.orders.keys()].filter((number) => !coveredNumbers.has(number)).sort(byValue);
    const voucher: Voucher = {
      channel: this.channel,
      total: covered.reduce((sum, order) => sum + costOf(order), this.total),
      upTo: this.head.lastNumber,
      open: openHash(openNumbers),
    };
    const signed = { voucher, signature: await this.signer.sign(toBigEndian(statementHash(packVoucher(voucher)), 32)), openNumbers };
    const head = { lastNumber: this.head.lastNumber, voucher: signed };
    this.head = head;
    for (const number of coveredNumbers) this.forget(number);
    await this.store.save({ head, remove: [...coveredNumbers] });
    return signed;
  }

  private async adoptNow(voucher: SignedVoucher | null, numbers: readonly bigint[], nowSec: number): Promise<void> {
    const isNewer = voucher !== null && this.isNewer(voucher.voucher);
    const newest = isNewer ? voucher : this.head.voucher;
    const open = new Set(newest?.openNumbers);
    const covers = (number: bigint) => newest !== null && isCovered(newest.voucher, open, number);
    const forgotten = [...numbers, ...(isNewer ? voucher.openNumbers : [])].filter((number) => !this.orders.has(number) && !covers(number));
    const highest = [newest?.voucher.upTo ?? 0n, ...forgotten].reduce((a, b) => (a > b ? a : b), this.head.lastNumber);
    const remove = isNewer ? [...this.orders.keys()].filter(covers) : [];
    if (!isNewer && forgotten.length === 0 && highest === this.head.lastNumber) return;
    const validUntil = nowSec + MAX_VALID_SEC;
    const put = [...new Set(forgotten)].map((number) => ({ number, salt: 0n, authorisation: null, validUntil, receipt: null }));
    this.head = { lastNumber: highest, voucher: newest };
    for (const order of put) this.orders.set(order.number, order);
    for (const number of remove) this.forget(number);
    await this.store.save({ head: this.head, put, remove });
  }

  private isNewer({ total, upTo }: Voucher): boolean {
    return total > this.total || (total === this.total && upTo > (this.head.voucher?.voucher.upTo ?? 0n));
  }

  private isCoverable(order: OrderRecord): boolean {
    return order.receipt !== null || this.releasable.has(order.number);
  }

  private forget(number: bigint): void {
    this.orders.delete(number);
    this.releasable.delete(number);
  }
}

/** What a receipt costs; nothing without one. */
function costOf(order: OrderRecord): bigint {
  if (order.receipt === null || order.authorisation === null) return 0n;
  return cost(order.receipt.receipt.usage, order.authorisation.prices, order.authorisation.maxAmount);
}

function byValue(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
