/** Keeps the contracts of verified workers filled, as far as free income goes. */
import type { Address } from '@ton/core';
import type { Logger } from 'pino';
import type { ChainAccount, ChainClient } from '../chain/chain-client';
import { ProxyContract, WorkerContract } from '../chain/contracts';
import type { Pending } from '../chain/pending';
import type { OutgoingMessage } from '../chain/wallet';
import type { ChainWatcher } from '../chain/watcher';
import { formatTon, maxNano } from '../core/money';
import type { ProxyConfig } from './config';
import type { WorkerDebts } from './worker-debts';

/** A worker that may be funded. */
export interface FundableWorker {
  readonly isVerified: boolean;
  readonly contract: WorkerContract | null;
  readonly contractOwner: Address | null;
}

export interface WorkerFundingParts {
  readonly config: Pick<ProxyConfig, 'workerDepositNano' | 'workerRefillAtNano'>;
  readonly contract: ProxyContract;
  readonly client: Pick<ChainClient, 'getAccount'>;
  readonly watcher: Pick<ChainWatcher, 'onAccount'>;
  readonly debts: WorkerDebts;
  readonly workers: { all(): Iterable<FundableWorker> };
  readonly pending: Pending;
  readonly log: Logger;
}

/** One message, and what is waited for once it is sent: the counter `id` above `above`. */
export interface Wish {
  readonly id: string;
  readonly above: bigint;
  readonly message: OutgoingMessage;
  /** What the message costs on its way beyond any other, in nanoTON. */
  readonly carriage: bigint;
  /** What it moves, in nanoTON. */
  readonly worth: bigint;
}

/** What a worker's contract holds for vouchers and has paid, as last read. */
interface Funds {
  deposit: bigint;
  paid: bigint;
  lastLt: bigint;
  readonly unwatch: () => void;
}

export class WorkerFunding {
  private readonly funds = new Map<string, Funds>();
  private hasWarned = false;

  constructor(private readonly parts: WorkerFundingParts) {}

  /** A wish for each worker whose contract holds too little beyond what is owed. @throws ChainError */
  async wishes(): Promise<readonly Wish[]> {
    const { config, contract, client, debts, pending } = this.parts;
    const workers = this.verifiedWorkers();
    for (const [id, funds] of this.funds) if (!workers.has(id)) this.forget(id, funds);
    const wanting: { readonly id: string; readonly owner: Address; readonly received: bigint }[] = [];
    let underWay = 0n;
    for (const [id, { address, owner }] of workers) {
      const { deposit, paid } = await this.fundsOf(id, address);
      const received = deposit + paid;
      // A record from an old backup can know less than what is paid.
      const owed = maxNano(debts.get(id).total - paid, 0n);
      if (pending.isWaiting(wishId(id), received)) underWay += config.workerDepositNano;
      else if (deposit - owed < config.workerRefillAtNano) wanting.push({ id, owner, received });
    }
    if (wanting.length === 0) return [];
    const account = await client.getAccount(contract.address);
    if (account.data === null) return [];
    const free = ProxyContract.freeIncome(account.balance, ProxyContract.parseState(account.data).stake) - underWay;
    const affordable = free <= 0n ? 0 : Number(free / config.workerDepositNano);
    this.warn(affordable < wanting.length, free);
    return wanting.slice(0, affordable).map(({ id, owner, received }) => ({
      id: wishId(id),
      // Half: rent is paid from the balance meanwhile, and a stranger's coin must not look like ours.
      above: received + config.workerDepositNano / 2n,
      message: {
        to: contract.address,
        value: ProxyContract.VALUE.fund,
        bounce: true,
        body: ProxyContract.fundBody({ workerOwner: owner, amount: config.workerDepositNano }),
      },
      carriage: 0n,
      worth: 0n,
    }));
  }

  /** By contract: several connections of one owner are paid by one. */
  private verifiedWorkers(): ReadonlyMap<string, { readonly address: Address; readonly owner: Address }> {
    const workers = new Map<string, { readonly address: Address; readonly owner: Address }>();
    for (const { isVerified, contract, contractOwner } of this.parts.workers.all()) {
      if (!isVerified || contract === null || contractOwner === null) continue;
      workers.set(contract.address.toRawString(), { address: contract.address, owner: contractOwner });
    }
    return workers;
  }

  private async fundsOf(id: string, address: Address): Promise<Funds> {
    const known = this.funds.get(id);
    if (known !== undefined) return known;
    const account = await this.parts.client.getAccount(address);
    const funds: Funds = {
      deposit: 0n,
      paid: 0n,
      lastLt: 0n,
      unwatch: this.parts.watcher.onAccount(address, (read) => take(funds, read)),
    };
    take(funds, account);
    this.funds.set(id, funds);
    return funds;
  }

  private forget(id: string, funds: Funds): void {
    funds.unwatch();
    this.funds.delete(id);
  }

  /** Said when it begins, not with every round. */
  private warn(isShort: boolean, free: bigint): void {
    if (isShort && !this.hasWarned) this.parts.log.warn({ freeTon: formatTon(free) }, 'free income does not fund every worker');
    this.hasWarned = isShort;
  }
}

function wishId(contract: string): string {
  return `fund ${contract}`;
}

function take(funds: Funds, account: ChainAccount): void {
  if (account.lastLt < funds.lastLt) return;
  funds.lastLt = account.lastLt;
  funds.deposit = account.data === null ? 0n : WorkerContract.deposit(account.balance);
  funds.paid = account.data === null ? 0n : WorkerContract.parseState(account.data).paid;
}
