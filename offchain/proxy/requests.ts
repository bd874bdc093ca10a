/** The proxy's record of requests, vouchers and what it owes: durable before anything acts on it. */
import { z } from 'zod';
import { openHash, packAuthorisation, packVoucher, statementHash, totalTokens } from '../../wrappers/statements';
import { type Admission, admit, BillingError, type Coverage, type CreditState, checkVoucher, covers, unsecured } from '../billing/credit';
import { toBigEndian } from '../core/bytes';
import type { CryptoProvider } from '../core/crypto';
import { maxNano, minNano } from '../core/money';
import { type Ledger, LedgerError, type Table } from '../ledger/ledger';
import { hashText } from '../protocol/fields';
import { type SignedReceipt, type SignedWorkerVoucher, signedVoucher } from '../protocol/statements-json';
import type { SignedVoucher } from '../sealing/relay-body';
import { ChannelIndex, coverageOf } from './channel-index';
import type { Channel, ChannelView } from './channels';
import { earningOf, type RequestRecord, requestKey, requestSchema } from './request-record';
import type { WorkerDebts } from './worker-debts';
import { WorkerExposure } from './worker-exposure';

/** How far requests may go; amounts in nanoTON. */
export interface CreditLimits {
  /** Unsigned work of one channel. */
  readonly creditWindow: bigint;
  /** Of one worker: requests in flight, and receipts that came without their answers. */
  readonly workerCredit: bigint;
  /** Requests of one channel that are on record: those that cost nothing count, too. */
  readonly maxOnRecord: number;
}

/** What became of a request at the door. */
export type Begun = Admission | { readonly admitted: false; readonly reason: 'already_used' | 'worker_exhausted' | 'channel_full' };

/** busy: something runs or can be charged; unsigned: only the client can do something about it; settled: neither. */
export type Activity = 'busy' | 'unsigned' | 'settled';

/** What is outstanding and reserved in one channel. */
export type Standing = Pick<
  ChannelIndex,
  'coverage' | 'voucher' | 'outstanding' | 'reserved' | 'unpaid' | 'inFlight' | 'coveredNumbers' | 'openNumbers'
>;

/** Most records that are forgotten in one go. */
const PRUNE_SIZE = 1000;
/** For so long a receipt without its answer counts against its worker. */
const UNDELIVERED_SEC = 86_400;

export class RequestBook {
  private readonly requests: Table<RequestRecord>;
  private readonly vouchers: Table<SignedVoucher>;
  /** By channel, the voucher that was on chain when the newest came. */
  private readonly replacedVouchers: Table<SignedVoucher>;
  private readonly byAuthorisation: Table<string>;
  /** Channels that something may be outstanding in. */
  private readonly open: Table<string>;
  private readonly exposure = new WorkerExposure();
  private readonly indices = new Map<string, ChannelIndex>();

  constructor(
    private readonly ledger: Ledger,
    private readonly debts: WorkerDebts,
    private readonly crypto: CryptoProvider,
  ) {
    this.requests = ledger.table('requests', requestSchema);
    this.vouchers = ledger.table('vouchers', signedVoucher);
    this.replacedVouchers = ledger.table('replaced-vouchers', signedVoucher);
    this.byAuthorisation = ledger.table('by-authorisation', z.string());
    this.open = ledger.table('open-channels', z.literal(''));
    for (const id of this.channels()) this.index(id);
  }

  standing(channel: string): Standing {
    return this.index(channel);
  }

  /** Cost of receipts that neither a voucher nor a charge on chain stands for, in nanoTON. */
  unsecured({ id, view }: Channel): bigint {
    return unsecured(creditOf(view, this.index(id)));
  }

  /** @throws LedgerError ledger_corrupt when there is none */
  record(channel: string, number: bigint): RequestRecord {
    const record = this.requests.get(requestKey(channel, number));
    if (record === undefined) throw new LedgerError('ledger_corrupt', 'a number without its record', { number: number.toString() });
    return record;
  }

  byHash(authorisationHash: bigint): RequestRecord | undefined {
    const key = this.byAuthorisation.get(hashText(authorisationHash));
    return key === undefined ? undefined : this.requests.get(key);
  }

  /** The first records with receipts that no voucher covers, by rising number. */
  unpaidRecords(channel: string, limit: number): readonly RequestRecord[] {
    const numbers = [...this.index(channel).unpaid.keys()].sort((a, b) => (a < b ? -1 : 1));
    return numbers.slice(0, limit).map((number) => this.record(channel, number));
  }

  /** Resolves when everything that is visible here is on disk. @throws LedgerError */
  durable(): Promise<void> {
    return this.ledger.durable();
  }

  /** Worth of receipts that this worker showed without their answers, lately and unsigned for, in nanoTON. */
  undelivered(workerContract: string, nowSec: number): bigint {
    return this.exposure.undelivered(workerContract, nowSec - UNDELIVERED_SEC);
  }

  /**
   * Admits a request by the credit rule and writes it down, in one step.
   * @returns already_used: the number or the authorisation is used or covered
   */
  async begin(channel: Channel, record: RequestRecord, limits: CreditLimits): Promise<Begun> {
    const { number } = record.order;
    const { maxAmount } = record.authorisation;
    const key = requestKey(channel.id, number);
    return this.ledger.change(() => {
      const index = this.index(channel.id);
      const isUsed =
        number === 0n || this.requests.has(key) || covers(index.coverage, number) || this.byAuthorisation.has(record.authorisationHash);
      if (isUsed) return { admitted: false, reason: 'already_used' };
      if (index.size >= limits.maxOnRecord) return { admitted: false, reason: 'channel_full' };
      const admission = admitTo(channel.view, index, maxAmount, limits.creditWindow);
      if (!admission.admitted) return admission;
      const worker = record.workerContract;
      const atWorker = this.exposure.inFlight(worker) + this.undelivered(worker, record.at) + maxAmount;
      if (atWorker > limits.workerCredit) return { admitted: false, reason: 'worker_exhausted' };
      this.byAuthorisation.put(record.authorisationHash, key);
      this.put(channel.id, record);
      return admission;
    });
  }

  /** The worker refused the request before anything ran: the number is free again. */
  async withdraw(record: RequestRecord): Promise<void> {
    await this.ledger.change(() => this.remove(record.order.channel.toRawString(), record.order.number, record.authorisationHash));
  }

  /**
   * Counts a verified receipt, once: for the client's channel and for the worker.
   * @param isDelivered whether the whole answer came with it
   * @param atSec now
   * @returns false when it was counted before, is of no request here, or came after its request was given up and covered at no cost
   */
  async complete(receipt: SignedReceipt, isDelivered: boolean, atSec: number): Promise<boolean> {
    return this.ledger.change(() => {
      const record = this.byHash(receipt.receipt.authorisationHash);
      if (record === undefined) return false;
      const channel = record.order.channel.toRawString();
      if (record.receipt !== null) {
        if (isDelivered && !record.isDelivered) this.put(channel, { ...record, isDelivered });
        return false;
      }
      if (covers(this.index(channel).coverage, record.order.number)) return false;
      const completed = { ...record, receipt, isDelivered, isVoid: false, at: atSec };
      this.put(channel, completed);
      if (record.workerPrices !== null) this.debts.add(record.workerContract, earningOf(completed), totalTokens(receipt.receipt.usage));
      return true;
    });
  }

  /**
   * Takes a voucher if it may follow the last one. One that adds nothing is not an error.
   * @throws BillingError of checkVoucher; voucher_bad_open, voucher_bad_signature, voucher_leaves_settled
   */
  async acceptVoucher(channel: Channel, signed: SignedVoucher): Promise<void> {
    if (!signed.voucher.channel.equals(channel.address))
      throw new BillingError('voucher_bad_signature', 'the voucher is for another channel');
    if (openHash(signed.openNumbers) !== signed.voucher.open) {
      throw new BillingError('voucher_bad_open', 'the open numbers are not those that the voucher names');
    }
    const message = toBigEndian(statementHash(packVoucher(signed.voucher)), 32);
    if (!(await this.crypto.verifyEd25519(channel.view.sessionKey, message, signed.signature))) {
      throw new BillingError('voucher_bad_signature', "the voucher is not signed by the channel's session key");
    }
    await this.ledger.change(() => {
      const index = this.index(channel.id);
      const next = coverageOf(signed);
      if (index.voucher !== null && isSame(index.coverage, next)) return;
      const prices = new Map([...index.unpaid].map(([number, { price }]) => [number, price]));
      checkVoucher(lastCoverage(index, channel.view, next), next, prices, index.inFlight.keys());
      checkSettled(index, channel.view, next);
      // Only after a restored backup: the voucher that is charged on chain covers them, so they have ended.
      for (const number of [...index.inFlight.keys()]) if (covers(next, number)) this.giveUp(requestKey(channel.id, number));
      if (index.voucher !== null && isOnChain(index.voucher, channel.view)) {
        this.replacedVouchers.put(channel.id, index.voucher);
        index.setReplaced(index.voucher);
      }
      this.vouchers.put(channel.id, signed);
      this.markOpen(channel.id);
      index.setVoucher(signed);
    });
  }

  /** Before these receipts leave for the chain: whatever becomes of that, no voucher may leave them open any more. */
  async markSettling(channel: string, numbers: readonly bigint[]): Promise<void> {
    await this.ledger.change(() => {
      for (const number of numbers) {
        const record = this.record(channel, number);
        if (!record.isSettling) this.put(channel, { ...record, isSettling: true });
      }
    });
  }

  /** Takes over a voucher of ours that a worker shows and this record, restored from an old backup, had forgotten. */
  async adoptWorkerVoucher(shown: SignedWorkerVoucher): Promise<void> {
    if (!(await this.debts.isOurs(shown))) return;
    await this.ledger.change(() => {
      if (!this.debts.raise(shown.voucher)) return;
      const worker = shown.voucher.workerContract.toRawString();
      // Whatever was in flight in the backup may be in that total: it must not be added once more.
      for (const [channel, index] of this.indices) {
        for (const [number, { workerContract }] of [...index.inFlight]) {
          const record = workerContract === worker ? this.requests.get(requestKey(channel, number)) : undefined;
          if (record !== undefined) this.put(channel, { ...record, workerPrices: null });
        }
      }
    });
  }

  /** Forgets what a voucher covers that is charged on chain; a part of it, when it is much. */
  async prune(channel: Channel): Promise<void> {
    const index = this.index(channel.id);
    if (index.coveredNumbers.size === 0 || channel.view.charged < index.coverage.total) return;
    const done = [...index.coveredNumbers].slice(0, PRUNE_SIZE);
    await this.ledger.change(() => {
      for (const number of done) this.remove(channel.id, number, index.hashOf(number) ?? '');
    });
  }

  /** Gives up requests whose receipt can no longer come; what they reserved is free again. */
  async voidExpired(nowSec: number, longestRunSec: number): Promise<void> {
    const expired: string[] = [];
    for (const [channel, index] of this.indices) {
      for (const [number, { validUntil }] of index.inFlight) {
        if (validUntil + longestRunSec < nowSec) expired.push(requestKey(channel, number));
      }
    }
    if (expired.length === 0) return;
    await this.ledger.change(() => {
      for (const key of expired) this.giveUp(key);
    });
  }

  /** Channels that something may be outstanding in. */
  channels(): readonly string[] {
    return [...this.open.entries()].map(([id]) => id);
  }

  /** What a channel is still watched for. Less than `dust` (nanoTON) is not worth a message. */
  activity(channel: Channel, dust: bigint): Activity {
    const { view } = channel;
    const { inFlight, coverage } = this.index(channel.id);
    const collectable = minNano(maxNano(coverage.total, view.charged) - view.paid, view.deposit);
    if (inFlight.size > 0 || collectable >= dust) return 'busy';
    return this.unsecured(channel) > 0n && view.deposit >= dust ? 'unsigned' : 'settled';
  }

  /** Lets go of a channel's state; what is on disk stays there, and is taken up again when the channel is used again. */
  async forget(channel: string): Promise<void> {
    const index = this.indices.get(channel);
    this.indices.delete(channel);
    index?.clear();
    await this.ledger.change(() => this.open.remove(channel));
  }

  private index(channel: string): ChannelIndex {
    const known = this.indices.get(channel);
    if (known !== undefined) return known;
    const index = new ChannelIndex(this.exposure);
    const voucher = this.vouchers.get(channel);
    if (voucher !== undefined) index.setVoucher(voucher);
    const replaced = this.replacedVouchers.get(channel);
    if (replaced !== undefined) index.setReplaced(replaced);
    for (const [, record] of this.requests.entries({ prefix: `${channel}/` })) index.put(record);
    this.indices.set(channel, index);
    return index;
  }

  /** Writes a record, and the index with it. Inside Ledger.change only. */
  private put(channel: string, record: RequestRecord): void {
    this.requests.put(requestKey(channel, record.order.number), record);
    this.markOpen(channel);
    this.index(channel).put(record);
  }

  private remove(channel: string, number: bigint, authorisationHash: string): void {
    this.requests.remove(requestKey(channel, number));
    this.byAuthorisation.remove(authorisationHash);
    this.index(channel).remove(number);
  }

  private giveUp(key: string): void {
    const record = this.requests.get(key);
    if (record !== undefined) this.put(record.order.channel.toRawString(), { ...record, isVoid: true });
  }

  private markOpen(channel: string): void {
    if (!this.open.has(channel)) this.open.put(channel, '');
  }
}

/** The hash by which everybody names an authorisation. */
export function authorisationHashOf(authorisation: Parameters<typeof packAuthorisation>[0]): string {
  return hashText(statementHash(packAuthorisation(authorisation)));
}

function creditOf(view: ChannelView, index: ChannelIndex): CreditState {
  return {
    deposit: view.deposit,
    announcedWithdrawal: minNano(view.withdrawal, view.deposit),
    voucherTotal: index.coverage.total,
    chargedOnChain: view.charged,
    paidOnChain: view.paid,
    outstanding: index.outstanding,
    reserved: index.reserved,
  };
}

/** More is charged than vouchers and receipts here come to: this record is from an old backup, and the client has the newer voucher. */
function isBehind(index: ChannelIndex, view: ChannelView): boolean {
  return view.charged > index.coverage.total + index.outstanding;
}

function admitTo(view: ChannelView, index: ChannelIndex, maxAmount: bigint, creditWindow: bigint): Admission {
  if (!isBehind(index, view)) return admit(creditOf(view, index), maxAmount, creditWindow);
  return { admitted: false, reason: 'credit_exhausted', missing: view.charged - index.coverage.total - index.outstanding };
}

/**
 * What the next voucher is measured by: the last one that we accepted, or, after a restored backup, what is charged on chain. Of that we
 * know the total and the highest number, but not which numbers it left open: those that the next one leaves open were open then, and
 * every other is taken as paid.
 */
function lastCoverage(index: ChannelIndex, view: ChannelView, next: Coverage): Coverage {
  const accepted = index.coverage;
  if (!isBehind(index, view)) return accepted;
  const upTo = [view.upTo, view.settled].reduce(maxNano, accepted.upTo);
  return { total: view.charged, upTo, open: new Set([...next.open].filter((number) => number <= upTo && !covers(accepted, number))) };
}

/**
 * A voucher that left open what was settled by receipt, and covered something else, could have a total that the chain has reached
 * already: it could never be charged. @throws BillingError voucher_leaves_settled
 */
function checkSettled(index: ChannelIndex, view: ChannelView, next: Coverage): void {
  for (const [number, { isSettling }] of index.unpaid) {
    if ((isSettling || number <= view.settled) && !covers(next, number)) {
      throw new BillingError('voucher_leaves_settled', `number ${number} is open, and was settled by receipt`);
    }
  }
}

/** Whether it is the voucher that was charged last. */
function isOnChain({ voucher }: SignedVoucher, view: ChannelView): boolean {
  return voucher.upTo === view.upTo && voucher.open === view.open && voucher.total <= view.charged;
}

function isSame(a: Coverage, b: Coverage): boolean {
  return a.total === b.total && a.upTo === b.upTo && a.open.size === b.open.size && [...a.open].every((number) => b.open.has(number));
}
