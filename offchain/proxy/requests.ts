/** The proxy's record of requests, vouchers and what it owes: durable before anything acts on it. */
import { z } from 'zod';
import { cost, openHash, packAuthorisation, packVoucher, type Receipt, statementHash, totalTokens } from '../../wrappers/statements';
import { type Admission, admit, BillingError, type Coverage, checkVoucher, covers, NO_COVERAGE } from '../billing/credit';
import { toBigEndian } from '../core/bytes';
import type { CryptoProvider } from '../core/crypto';
import { maxNano, minNano } from '../core/money';
import { keyNumber, type Ledger, numberKey, type Table } from '../ledger/ledger';
import { hash, hashText, prices, rawAddress, signature, timeSec } from '../protocol/fields';
import { authorisation, order, type SignedReceipt, signedReceipt, signedVoucher } from '../protocol/statements-json';
import type { SignedVoucher } from '../sealing/relay-body';
import type { Channel } from './channels';
import type { WorkerDebts } from './worker-debts';

const requestSchema = z.strictObject({
  order,
  authorisation,
  /** The session key's. */
  signature,
  workerContract: rawAddress,
  workerPrices: prices,
  evidence: hash,
  receipt: signedReceipt.nullable(),
  /** No receipt came in time: the request no longer counts, the number stays used. */
  isVoid: z.boolean(),
  at: timeSec,
});

export type RequestRecord = z.output<typeof requestSchema>;

/** What is outstanding and reserved in one channel. */
export interface Standing {
  readonly coverage: Coverage;
  readonly voucher: SignedVoucher | null;
  readonly outstanding: bigint;
  readonly reserved: bigint;
  /** Cost by number of receipts that no voucher covers. */
  readonly unpaid: ReadonlyMap<bigint, bigint>;
  readonly inFlight: readonly bigint[];
}

export class RequestBook {
  private readonly requests: Table<RequestRecord>;
  private readonly vouchers: Table<SignedVoucher>;
  private readonly byAuthorisation: Table<string>;

  constructor(
    private readonly ledger: Ledger,
    private readonly debts: WorkerDebts,
    private readonly crypto: CryptoProvider,
  ) {
    this.requests = ledger.table('requests', requestSchema);
    this.vouchers = ledger.table('vouchers', signedVoucher);
    this.byAuthorisation = ledger.table('by-authorisation', z.string());
  }

  standing(channel: string): Standing {
    const voucher = this.vouchers.get(channel) ?? null;
    const coverage = voucher === null ? NO_COVERAGE : coverageOf(voucher);
    const unpaid = new Map<bigint, bigint>();
    const inFlight: bigint[] = [];
    let outstanding = 0n;
    let reserved = 0n;
    for (const [number, record] of this.requestsOf(channel)) {
      if (record.receipt !== null) {
        if (covers(coverage, number)) continue;
        const price = costOf(record, record.receipt.receipt);
        unpaid.set(number, price);
        outstanding += price;
      } else if (!record.isVoid) {
        inFlight.push(number);
        reserved += record.authorisation.maxAmount;
      }
    }
    return { coverage, voucher, outstanding, reserved, unpaid, inFlight };
  }

  /** By rising number. */
  *requestsOf(channel: string): Generator<readonly [bigint, RequestRecord]> {
    for (const [key, record] of this.requests.entries({ prefix: `${channel}/` })) yield [keyNumber(key.slice(channel.length + 1)), record];
  }

  byHash(authorisationHash: bigint): RequestRecord | undefined {
    const key = this.byAuthorisation.get(hashText(authorisationHash));
    return key === undefined ? undefined : this.requests.get(key);
  }

  /**
   * Admits a request by the credit rule and writes it down, in one step.
   * @returns used: the number or the authorisation is used or covered already
   */
  async begin(
    channel: Channel,
    record: RequestRecord,
    creditWindow: bigint,
  ): Promise<Admission | { readonly admitted: false; readonly reason: 'already_used' }> {
    const number = record.order.number;
    const key = requestKey(channel.id, number);
    const authorisationKey = hashText(statementHash(packAuthorisation(record.authorisation)));
    return this.ledger.change(() => {
      const standing = this.standing(channel.id);
      const isUsed =
        number === 0n || this.requests.has(key) || covers(standing.coverage, number) || this.byAuthorisation.has(authorisationKey);
      if (isUsed) return { admitted: false, reason: 'already_used' } as const;
      const admission = admit(
        {
          deposit: channel.view.deposit,
          announcedWithdrawal: minNano(channel.view.withdrawal, channel.view.deposit),
          voucherTotal: maxNano(standing.coverage.total, channel.view.charged),
          paidOnChain: channel.view.paid,
          outstanding: standing.outstanding,
          reserved: standing.reserved,
        },
        record.authorisation.maxAmount,
        creditWindow,
      );
      if (!admission.admitted) return admission;
      this.requests.put(key, record);
      this.byAuthorisation.put(authorisationKey, key);
      return admission;
    });
  }

  /** The worker refused the request before anything ran: the number is free again. */
  async withdraw(record: RequestRecord): Promise<void> {
    await this.ledger.change(() => {
      this.requests.remove(requestKey(record.order.channel.toRawString(), record.order.number));
      this.byAuthorisation.remove(hashText(statementHash(packAuthorisation(record.authorisation))));
    });
  }

  /** Counts a verified receipt, once: for the client's channel and for the worker. @returns false when it was counted before */
  async complete(receipt: SignedReceipt): Promise<boolean> {
    return this.ledger.change(() => {
      const key = this.byAuthorisation.get(hashText(receipt.receipt.authorisationHash));
      const record = key === undefined ? undefined : this.requests.get(key);
      if (key === undefined || record === undefined || record.receipt !== null) return false;
      this.requests.put(key, { ...record, receipt, isVoid: false });
      this.debts.add(
        record.workerContract,
        cost(receipt.receipt.usage, record.workerPrices, record.authorisation.maxAmount),
        totalTokens(receipt.receipt.usage),
      );
      return true;
    });
  }

  /**
   * Takes a voucher if it may follow the last one. One that adds nothing is not an error.
   * @throws BillingError of checkVoucher; voucher_bad_open, voucher_bad_signature
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
      const standing = this.standing(channel.id);
      const next = coverageOf(signed);
      if (standing.voucher !== null && isSame(standing.coverage, next)) return;
      // After a restored backup the chain can know more than the record: nothing below what is charged is worth anything.
      const last = { ...standing.coverage, total: maxNano(standing.coverage.total, channel.view.charged) };
      checkVoucher(last, next, standing.unpaid, standing.inFlight);
      this.vouchers.put(channel.id, signed);
    });
  }

  /** Forgets what a voucher covers that is charged on chain. */
  async prune(channel: Channel): Promise<void> {
    const { voucher, coverage } = this.standing(channel.id);
    if (voucher === null || channel.view.charged < coverage.total) return;
    const done = [...this.requestsOf(channel.id)].filter(
      ([number, record]) => covers(coverage, number) && (record.receipt !== null || record.isVoid),
    );
    if (done.length === 0) return;
    await this.ledger.change(() => {
      for (const [number, record] of done) {
        this.requests.remove(requestKey(channel.id, number));
        this.byAuthorisation.remove(hashText(statementHash(packAuthorisation(record.authorisation))));
      }
    });
  }

  /** Gives up requests whose receipt can no longer come; what they reserved is free again. */
  async voidExpired(nowSec: number, longestRunSec: number): Promise<void> {
    const expired = [...this.requests.entries()].filter(
      ([, record]) => record.receipt === null && !record.isVoid && record.authorisation.validUntil + longestRunSec < nowSec,
    );
    if (expired.length === 0) return;
    await this.ledger.change(() => {
      for (const [key, record] of expired) this.requests.put(key, { ...record, isVoid: true });
    });
  }

  /** Channels that have a request or a voucher on record. */
  channels(): ReadonlySet<string> {
    const ids = new Set<string>();
    for (const [id] of this.vouchers.entries()) ids.add(id);
    for (const [key] of this.requests.entries()) ids.add(key.slice(0, key.indexOf('/')));
    return ids;
  }
}

/** What the client pays for a receipt. */
export function costOf(record: RequestRecord, receipt: Receipt): bigint {
  return cost(receipt.usage, record.authorisation.prices, record.authorisation.maxAmount);
}

function coverageOf(signed: SignedVoucher): Coverage {
  return { total: signed.voucher.total, upTo: signed.voucher.upTo, open: new Set(signed.openNumbers) };
}

function isSame(a: Coverage, b: Coverage): boolean {
  return a.total === b.total && a.upTo === b.upTo && a.open.size === b.open.size && [...a.open].every((number) => b.open.has(number));
}

function requestKey(channel: string, number: bigint): string {
  return `${channel}/${numberKey(number)}`;
}
