/** What each proxy owes this worker, and how far it may be trusted: the durable half of the worker. */
import { z } from 'zod';
import {
  type Authorisation,
  cost,
  type Prices,
  packAuthorisation,
  type Receipt,
  statementHash,
  totalTokens,
} from '../../wrappers/statements';
import { maxNano } from '../core/money';
import { keyNumber, type Ledger, numberKey, type Table } from '../ledger/ledger';
import { counter, hash, hashText, nano, prices, rawAddress } from '../protocol/fields';
import {
  authorisation,
  type SignedReceipt,
  type SignedWorkerVoucher,
  signedReceipt,
  signedWorkerVoucher,
} from '../protocol/statements-json';

const accountSchema = z.strictObject({ proxy: rawAddress, earned: nano, tokens: counter, voucher: signedWorkerVoucher.nullable() });
/** `prices` are ours when the request came: what is earned by it does not change when they do. */
const inFlightSchema = z.strictObject({ proxy: rawAddress, contract: rawAddress, boot: hash, prices, authorisation });

type Account = z.output<typeof accountSchema>;
type InFlight = z.output<typeof inFlightSchema>;

/** What a proxy's WorkerContract holds, as last read from the chain. NanoTON. */
export interface ContractView {
  /** What the contract may pay out. */
  readonly available: bigint;
  readonly announcedWithdrawal: bigint;
  readonly paid: bigint;
}

export interface AccountView {
  /** Worth of every receipt so far, at least what the proxy has signed for. */
  readonly earned: bigint;
  readonly tokens: bigint;
  /** Max amounts of the requests in flight. */
  readonly reserved: bigint;
  readonly voucher: SignedWorkerVoucher | null;
}

/** A request at the door. */
export interface Arrival {
  readonly proxy: string;
  /** The WorkerContract that pays for it. */
  readonly contract: string;
  readonly view: ContractView;
  /** Names the guest's run: when that is over, so are its receipts. */
  readonly boot: string;
  readonly authorisation: Authorisation;
}

export type Arrived = 'admitted' | 'already_used' | 'full' | 'unacknowledged' | 'no_headroom';

/** Receipts of one proxy that it has not acknowledged: above this it has to ask for them first. */
export const MAX_UNACKNOWLEDGED = 10_000;
const RECEIPT_PAGE = 1000;

/**
 * One owner's accounts: money by WorkerContract, receipts by proxy. All amounts at the worker's own prices. What is in flight is held
 * in memory, too, and changes there in the same step as on disk.
 */
export class WorkerAccounts {
  private readonly accounts: Table<Account>;
  private readonly onDisk: Table<InFlight>;
  private readonly receipts: Table<SignedReceipt>;
  /** Number of the last receipt, by proxy. */
  private readonly sequences: Table<bigint>;
  private readonly inFlight: Map<string, InFlight>;
  private readonly unacknowledged = new Map<string, number>();

  constructor(
    private readonly ledger: Ledger,
    private readonly terms: { readonly prices: Prices; readonly capacity: number },
  ) {
    this.accounts = ledger.table('accounts', accountSchema);
    this.onDisk = ledger.table('in-flight', inFlightSchema);
    this.receipts = ledger.table('receipts', signedReceipt);
    this.sequences = ledger.table('sequences', counter);
    this.inFlight = new Map(this.onDisk.entries());
    for (const [key] of this.receipts.entries()) this.countReceipts(proxyOf(key), 1);
  }

  view(contract: string): AccountView {
    const { earned, tokens, voucher } = this.account(contract, '');
    let reserved = 0n;
    for (const entry of this.inFlight.values()) if (entry.contract === contract) reserved += entry.authorisation.maxAmount;
    return { earned, tokens, reserved, voucher };
  }

  /**
   * How much more may be served: what the WorkerContract holds, less announced withdrawals, less what could be claimed already, less
   * receipts that no voucher covers, less what is in flight. Negative when too much is open.
   */
  headroom(contract: string, chain: ContractView): bigint {
    const { earned, reserved } = this.view(contract);
    return chain.available - chain.announcedWithdrawal - (earned - chain.paid) - reserved;
  }

  /** Whether a request of this proxy runs. */
  isRunning(proxy: string, authorisationHash: string): boolean {
    return this.inFlight.get(authorisationHash)?.proxy === proxy;
  }

  /** Contracts that a proxy has ever owed by. */
  contractsOf(proxy: string): readonly string[] {
    return [...this.accounts.entries()].filter(([, account]) => account.proxy === proxy).map(([contract]) => contract);
  }

  /** Admits a request and writes it down before the guest sees it, in one step. */
  async begin({ proxy, contract, view, boot, authorisation }: Arrival): Promise<Arrived> {
    const key = hashText(statementHash(packAuthorisation(authorisation)));
    return this.ledger.change(() => {
      if (this.inFlight.has(key)) return 'already_used';
      if (this.inFlight.size >= this.terms.capacity) return 'full';
      if ((this.unacknowledged.get(proxy) ?? 0) >= MAX_UNACKNOWLEDGED) return 'unacknowledged';
      if (this.headroom(contract, view) < authorisation.maxAmount) return 'no_headroom';
      const entry = { proxy, contract, boot, prices: this.terms.prices, authorisation };
      this.onDisk.put(key, entry);
      this.inFlight.set(key, entry);
      return 'admitted';
    });
  }

  /** Nothing ran: the guest has refused the request or was not reached. */
  async giveUp(authorisationHash: bigint): Promise<void> {
    await this.ledger.change(() => this.end(hashText(authorisationHash)));
  }

  /**
   * Counts receipts, each once, before anybody is shown that they exist. One of no request that we relayed is not counted.
   * @returns how many were counted
   */
  async record(receipts: readonly { readonly receipt: Receipt; readonly signature: Uint8Array }[]): Promise<number> {
    const isNew = ({ receipt }: { readonly receipt: Receipt }) => this.inFlight.has(hashText(receipt.authorisationHash));
    if (!receipts.some(isNew)) {
      // Somebody else may be writing the same receipt: it counts as kept only once it is on disk.
      await this.ledger.durable();
      return 0;
    }
    return this.ledger.change(() => {
      let count = 0;
      for (const { receipt, signature } of receipts) if (this.recordNow(receipt, signature)) count++;
      return count;
    });
  }

  /** Receipts for a proxy behind `after`, at most 1,000; those up to it are acknowledged and forgotten. */
  async receiptsAfter(proxy: string, after: bigint): Promise<{ readonly sequence: bigint; readonly receipt: SignedReceipt }[]> {
    const prefix = `${proxy}/`;
    const acknowledged: string[] = [];
    for (const [key] of this.receipts.entries({ prefix })) {
      if (sequenceOf(key) > after) break;
      acknowledged.push(key);
    }
    if (acknowledged.length > 0) {
      await this.ledger.change(() => {
        for (const key of acknowledged) {
          if (!this.receipts.has(key)) continue;
          this.receipts.remove(key);
          this.countReceipts(proxy, -1);
        }
      });
    }
    return [...this.receipts.entries({ prefix, limit: RECEIPT_PAGE })].map(([key, receipt]) => ({ sequence: sequenceOf(key), receipt }));
  }

  /** Keeps a verified voucher if it is worth more than the one that is kept. */
  async acceptVoucher(proxy: string, voucher: SignedWorkerVoucher): Promise<void> {
    const contract = voucher.voucher.workerContract.toRawString();
    const { total, tokens } = voucher.voucher;
    await this.ledger.change(() => {
      const account = this.account(contract, proxy);
      if (account.voucher !== null && account.voucher.voucher.total >= total) return;
      // More than we have counted: this record is from an old backup, and the proxy knows better.
      const earned = maxNano(account.earned, total);
      this.accounts.put(contract, { ...account, earned, tokens: maxNano(account.tokens, tokens), voucher });
    });
  }

  /** Gives up requests that can no longer end in a receipt: the guest has been started anew, or validity and the longest run have passed. */
  async forgetExpired(boot: string, nowSec: number, longestRunSec: number): Promise<void> {
    const isOver = (entry: InFlight) => entry.boot !== boot || entry.authorisation.validUntil + longestRunSec < nowSec;
    const expired = [...this.inFlight].filter(([, entry]) => isOver(entry));
    if (expired.length === 0) return;
    await this.ledger.change(() => {
      for (const [key] of expired) this.end(key);
    });
  }

  private recordNow(receipt: Receipt, signature: Uint8Array): boolean {
    const key = hashText(receipt.authorisationHash);
    const entry = this.inFlight.get(key);
    if (entry === undefined) return false;
    const account = this.account(entry.contract, entry.proxy);
    const sequence = (this.sequences.get(entry.proxy) ?? 0n) + 1n;
    this.end(key);
    this.sequences.put(entry.proxy, sequence);
    this.receipts.put(`${entry.proxy}/${numberKey(sequence)}`, { receipt, signature });
    this.countReceipts(entry.proxy, 1);
    this.accounts.put(entry.contract, {
      ...account,
      earned: account.earned + cost(receipt.usage, entry.prices, entry.authorisation.maxAmount),
      tokens: account.tokens + totalTokens(receipt.usage),
    });
    return true;
  }

  private end(key: string): void {
    this.onDisk.remove(key);
    this.inFlight.delete(key);
  }

  private countReceipts(proxy: string, by: number): void {
    this.unacknowledged.set(proxy, (this.unacknowledged.get(proxy) ?? 0) + by);
  }

  private account(contract: string, proxy: string): Account {
    return this.accounts.get(contract) ?? { proxy, earned: 0n, tokens: 0n, voucher: null };
  }
}

function proxyOf(key: string): string {
  return key.slice(0, key.indexOf('/'));
}

function sequenceOf(key: string): bigint {
  return keyNumber(key.slice(key.indexOf('/') + 1));
}
