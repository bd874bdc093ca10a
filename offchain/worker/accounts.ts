/** What each proxy owes this worker, and how far it may be trusted: the durable half of the worker. */
import { z } from 'zod';
import { type Authorisation, cost, type Prices, type Receipt, totalTokens } from '../../wrappers/statements';
import { maxNano } from '../core/money';
import { keyNumber, type Ledger, numberKey, type Table } from '../ledger/ledger';
import { counter, hash, hashText, nano, rawAddress } from '../protocol/fields';
import {
  authorisation,
  type SignedReceipt,
  type SignedWorkerVoucher,
  signedReceipt,
  signedWorkerVoucher,
} from '../protocol/statements-json';

const accountSchema = z.strictObject({ earned: nano, tokens: counter, lastSequence: counter, voucher: signedWorkerVoucher.nullable() });
const inFlightSchema = z.strictObject({ proxy: rawAddress, boot: hash, authorisation });

type Account = z.output<typeof accountSchema>;

/** What a proxy's WorkerContract holds, as last read from the chain. */
export interface ContractView {
  /** NanoTON that the contract may pay out. */
  readonly available: bigint;
  readonly announcedWithdrawal: bigint;
  readonly paid: bigint;
}

export interface AccountView {
  readonly earned: bigint;
  readonly tokens: bigint;
  readonly reserved: bigint;
  readonly voucher: SignedWorkerVoucher | null;
}

/** One owner's accounts with all proxies. All amounts at the worker's own prices. */
export class WorkerAccounts {
  private readonly accounts: Table<Account>;
  private readonly inFlight: Table<z.output<typeof inFlightSchema>>;
  private readonly receipts: Table<SignedReceipt>;

  constructor(
    private readonly ledger: Ledger,
    private readonly prices: Prices,
  ) {
    this.accounts = ledger.table('accounts', accountSchema);
    this.inFlight = ledger.table('in-flight', inFlightSchema);
    this.receipts = ledger.table('receipts', signedReceipt);
  }

  view(proxy: string): AccountView {
    const { earned, tokens, voucher } = this.account(proxy);
    let reserved = 0n;
    for (const [, entry] of this.inFlight.entries()) if (entry.proxy === proxy) reserved += entry.authorisation.maxAmount;
    return { earned, tokens, reserved, voucher };
  }

  /**
   * How much more may be served to a proxy: what its WorkerContract holds, less announced withdrawals, less what could be claimed
   * already, less receipts that no voucher covers, less what is in flight. Negative when too much is open.
   */
  headroom(proxy: string, contract: ContractView): bigint {
    const { earned, reserved, voucher } = this.view(proxy);
    const owed = maxNano(earned, voucher?.voucher.total ?? 0n) - contract.paid;
    return contract.available - contract.announcedWithdrawal - owed - reserved;
  }

  has(authorisationHash: bigint): boolean {
    return this.inFlight.has(hashText(authorisationHash));
  }

  /** Before the request goes to the guest. `boot` names the guest's run: when that is over its receipts are, too. */
  async begin(proxy: string, boot: string, authorisationHash: bigint, authorised: Authorisation): Promise<void> {
    await this.ledger.change(() => this.inFlight.put(hashText(authorisationHash), { proxy, boot, authorisation: authorised }));
  }

  /** The guest has refused the request: nothing ran. */
  async giveUp(authorisationHash: bigint): Promise<void> {
    await this.ledger.change(() => this.inFlight.remove(hashText(authorisationHash)));
  }

  /**
   * Counts a receipt, once, before anybody is shown that it exists. A receipt of no request that we relayed is not counted.
   * @returns the proxy that owes it, null when it was counted before or is not ours
   */
  async record(receipt: Receipt, signature: Uint8Array): Promise<string | null> {
    const key = hashText(receipt.authorisationHash);
    return this.ledger.change(() => {
      const entry = this.inFlight.get(key);
      if (entry === undefined) return null;
      const account = this.account(entry.proxy);
      const sequence = account.lastSequence + 1n;
      this.inFlight.remove(key);
      this.receipts.put(`${entry.proxy}/${numberKey(sequence)}`, { receipt, signature });
      this.accounts.put(entry.proxy, {
        ...account,
        earned: account.earned + cost(receipt.usage, this.prices, entry.authorisation.maxAmount),
        tokens: account.tokens + totalTokens(receipt.usage),
        lastSequence: sequence,
      });
      return entry.proxy;
    });
  }

  /** Receipts for a proxy behind `after`; those up to it are acknowledged and forgotten. */
  async receiptsAfter(proxy: string, after: bigint): Promise<{ readonly sequence: bigint; readonly receipt: SignedReceipt }[]> {
    const prefix = `${proxy}/`;
    const acknowledged = [...this.receipts.entries({ prefix })].map(([key]) => key).filter((key) => sequenceOf(key) <= after);
    if (acknowledged.length > 0) {
      await this.ledger.change(() => {
        for (const key of acknowledged) this.receipts.remove(key);
      });
    }
    return [...this.receipts.entries({ prefix, limit: 1000 })].map(([key, receipt]) => ({ sequence: sequenceOf(key), receipt }));
  }

  /** Keeps a verified voucher if it is worth more than the one that is kept. */
  async acceptVoucher(proxy: string, voucher: SignedWorkerVoucher): Promise<void> {
    await this.ledger.change(() => {
      const account = this.account(proxy);
      if (account.voucher !== null && account.voucher.voucher.total >= voucher.voucher.total) return;
      this.accounts.put(proxy, { ...account, voucher });
    });
  }

  /** Gives up requests that can no longer end in a receipt: the guest has been started anew, or validity and the longest run have passed. */
  async forgetExpired(boot: string, nowSec: number, longestRunSec: number): Promise<void> {
    const isOver = (entry: z.output<typeof inFlightSchema>) =>
      entry.boot !== boot || entry.authorisation.validUntil + longestRunSec < nowSec;
    const expired = [...this.inFlight.entries()].filter(([, entry]) => isOver(entry));
    if (expired.length === 0) return;
    await this.ledger.change(() => {
      for (const [key] of expired) this.inFlight.remove(key);
    });
  }

  private account(proxy: string): Account {
    return this.accounts.get(proxy) ?? { earned: 0n, tokens: 0n, lastSequence: 0n, voucher: null };
  }
}

function sequenceOf(key: string): bigint {
  return keyNumber(key.slice(key.indexOf('/') + 1));
}
