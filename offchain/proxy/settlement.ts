/** Turns vouchers into coins: charges clients' channels, and keeps workers' contracts filled. */
import type { Address } from '@ton/core';
import type { Logger } from 'pino';
import type { ChainAccount, ChainClient } from '../chain/chain-client';
import { ClientContract, ProxyContract, WorkerContract } from '../chain/contracts';
import type { OutgoingMessage, SendingWallet } from '../chain/wallet';
import type { ChainWatcher } from '../chain/watcher';
import { codeOf } from '../core/errors';
import { formatTon, minNano } from '../core/money';
import { type Channel, type Channels, parseChannelAddress } from './channels';
import type { ProxyConfig } from './config';
import type { RequestBook } from './requests';
import type { WorkerDebts } from './worker-debts';
import type { WorkerPool } from './worker-pool';

export interface SettlementParts {
  readonly config: ProxyConfig;
  readonly contract: ProxyContract;
  readonly operator: SendingWallet;
  readonly client: ChainClient;
  readonly watcher: ChainWatcher;
  readonly channels: Channels;
  readonly requests: RequestBook;
  readonly debts: WorkerDebts;
  readonly workers: WorkerPool;
  readonly log: Logger;
}

/** Most messages in one transaction of the operator's wallet. */
const MAX_BATCH = 100;

export class Settlement {
  /** What each worker's contract could pay beyond what is claimed, as last read. */
  private readonly funds = new Map<string, { readonly deposit: bigint; readonly paid: bigint } | null>();
  private turn: Promise<unknown> = Promise.resolve();

  constructor(private readonly parts: SettlementParts) {}

  /** Takes up channels that an earlier run has left. */
  async restore(): Promise<void> {
    for (const id of this.parts.requests.channels()) {
      try {
        await this.parts.channels.find(parseChannelAddress(id));
      } catch (error) {
        this.parts.log.warn({ channel: id, code: codeOf(error) }, 'channel not found');
      }
    }
  }

  /** What is worth its fee is charged and collected, workers are funded. One round at a time. */
  round(): Promise<bigint> {
    return this.inTurn(() => this.settle((channel, worth) => worth >= this.parts.config.chargeAtNano || channel.view.withdrawal > 0n));
  }

  /** Charges every voucher that is worth anything. @returns the amount charged */
  chargeAll(): Promise<bigint> {
    return this.inTurn(() => this.settle(() => true));
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.turn.then(work);
    this.turn = next.catch(() => undefined);
    return next;
  }

  private async settle(isWorth: (channel: Channel, worth: bigint) => boolean): Promise<bigint> {
    const messages: OutgoingMessage[] = [];
    const touched: Channel[] = [];
    let charged = 0n;
    for (const channel of this.parts.channels.all()) {
      await this.parts.requests.prune(channel);
      const message = this.chargeMessage(channel, isWorth);
      if (message === null || messages.length >= MAX_BATCH) continue;
      messages.push(message.outgoing);
      touched.push(channel);
      charged += message.worth;
    }
    await this.fundWorkers(messages);
    if (messages.length === 0) return 0n;
    await this.parts.operator.send(messages);
    // The views must show the charge before the next round decides: the chain is asked until they do.
    for (const channel of touched) await this.parts.channels.refresh(channel);
    this.parts.log.info({ messages: messages.length, ton: formatTon(charged) }, 'settled');
    return charged;
  }

  private chargeMessage(
    channel: Channel,
    isWorth: (channel: Channel, worth: bigint) => boolean,
  ): { readonly outgoing: OutgoingMessage; readonly worth: bigint } | null {
    const { view, address } = channel;
    const { voucher } = this.parts.requests.standing(channel.id);
    if (voucher !== null && voucher.voucher.total > view.charged) {
      const worth = voucher.voucher.total - view.charged;
      if (!isWorth(channel, worth)) return null;
      const body = ClientContract.chargeBody({ voucher: voucher.voucher, signature: voucher.signature });
      return { outgoing: { to: address, value: ClientContract.VALUE.charge, bounce: true, body }, worth };
    }
    const collectable = minNano(view.charged - view.paid, view.deposit);
    if (collectable <= 0n || !isWorth(channel, collectable)) return null;
    return {
      outgoing: { to: address, value: ClientContract.VALUE.collect, bounce: true, body: ClientContract.collectBody() },
      worth: collectable,
    };
  }

  /** Adds a message for each worker whose contract holds too little beyond what is owed, as far as free income goes. */
  private async fundWorkers(messages: OutgoingMessage[]): Promise<void> {
    const { config, contract, client } = this.parts;
    const wanting = new Map<string, Address>();
    for (const session of this.parts.workers.all()) {
      const owner = session.contractOwner;
      const worker = session.contract;
      if (owner === null || worker === null || !session.isVerified) continue;
      const id = worker.address.toRawString();
      if (!this.funds.has(id)) {
        this.take(id, await client.getAccount(worker.address));
        this.parts.watcher.onAccount(worker.address, (account) => this.take(id, account));
      }
      const held = this.funds.get(id);
      const owed = this.parts.debts.get(id).total - (held?.paid ?? 0n);
      if ((held?.deposit ?? 0n) - owed < config.workerRefillAtNano) wanting.set(id, owner);
    }
    if (wanting.size === 0) return;
    const account = await client.getAccount(contract.address);
    if (account.data === null) return;
    let free = ProxyContract.freeIncome(account.balance, ProxyContract.parseState(account.data).stake);
    for (const [id, workerOwner] of wanting) {
      if (messages.length >= MAX_BATCH) return;
      if (free < config.workerDepositNano) {
        this.parts.log.warn({ freeTon: formatTon(free) }, 'free income does not fund a worker');
        return;
      }
      free -= config.workerDepositNano;
      messages.push({
        to: contract.address,
        value: ProxyContract.VALUE.fund,
        bounce: true,
        body: ProxyContract.fundBody({ workerOwner, amount: config.workerDepositNano }),
      });
      // Counted at once, so that the next round does not fund it again before the chain shows it.
      const held = this.funds.get(id);
      this.funds.set(id, { deposit: (held?.deposit ?? 0n) + config.workerDepositNano, paid: held?.paid ?? 0n });
    }
  }

  private take(id: string, account: ChainAccount): void {
    const paid = account.data === null ? 0n : WorkerContract.parseState(account.data).paid;
    this.funds.set(id, account.data === null ? null : { deposit: WorkerContract.deposit(account.balance), paid });
  }
}
