/** One proxy that this worker serves: the connection that it keeps up, the contract that pays it, the claims. */
import type { Address, Cell } from '@ton/core';
import type { ChainAccount } from '../chain/chain-client';
import { ProxyContract, type ProxyState, WorkerContract } from '../chain/contracts';
import type { SendingWallet } from '../chain/wallet';
import type { ChainWatcher } from '../chain/watcher';
import { toBigEndian, toHex } from '../core/bytes';
import type { Clock } from '../core/clock';
import { codeOf } from '../core/errors';
import { formatTon, minNano } from '../core/money';
import type { WorkerInfo } from '../protocol/calls';
import type { Logger } from '../runtime/log';
import { nodeCrypto } from '../runtime/node-crypto';
import { Backoff, pause } from '../runtime/repeat';
import { MAX_RELAY_BODY } from '../sealing/relay-body';
import { http2Server } from '../transport/server';
import { dialTls, WORKER_PROTOCOL } from '../transport/tls';
import type { ContractView, WorkerAccounts } from './accounts';
import type { WorkerConfig } from './config';
import type { GuestLink } from './guest-link';
import { proxyService } from './proxy-service';

export interface ProxyLinkParts {
  readonly config: WorkerConfig;
  readonly owner: Address;
  readonly accounts: WorkerAccounts;
  readonly guest: GuestLink;
  readonly wallet: SendingWallet;
  readonly watcher: ChainWatcher;
  readonly clock: Clock;
  readonly log: Logger;
  info(): WorkerInfo;
}

/** What the proxy's contract says of it, as far as a worker needs it. */
interface ProxyTerms {
  readonly endpoint: string;
  readonly pin: string | null;
  readonly payerKey: Uint8Array;
  readonly workerContract: WorkerContract;
}

export class ProxyLink {
  private readonly stopping = new AbortController();
  private readonly unwatch: (() => void)[] = [];
  private terms: ProxyTerms | null = null;
  private contract: ContractView | null = null;
  private isConnected = false;
  private running: Promise<void> | null = null;

  constructor(
    readonly proxy: Address,
    private readonly parts: ProxyLinkParts,
  ) {
    this.unwatch.push(parts.watcher.onAccount(proxy, (account) => this.onProxy(account)));
  }

  get connected(): boolean {
    return this.isConnected;
  }

  /** Worth of the newest voucher above what the contract has paid. */
  claimable(): bigint {
    const total = this.parts.accounts.view(this.proxy.toRawString()).voucher?.voucher.total ?? 0n;
    return this.contract === null ? 0n : total - this.contract.paid;
  }

  /**
   * Claims what the newest voucher is worth. @returns the amount asked for, 0 when there is nothing.
   * @throws ChainError
   */
  async claim(): Promise<bigint> {
    const signed = this.parts.accounts.view(this.proxy.toRawString()).voucher;
    const amount = this.claimable();
    if (signed === null || this.terms === null || amount <= 0n) return 0n;
    await this.parts.wallet.send([
      {
        to: this.terms.workerContract.address,
        value: WorkerContract.VALUE.claim,
        bounce: true,
        body: WorkerContract.claimBody({ voucher: signed.voucher, signature: signed.signature }),
      },
    ]);
    this.parts.log.info({ proxy: this.proxy.toRawString(), ton: formatTon(amount) }, 'claimed');
    return amount;
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    for (const unwatch of this.unwatch) unwatch();
    await this.running;
  }

  /** While the proxy's contract with this worker pays for nothing, there is nothing to be had: capacity 0. */
  private info(): WorkerInfo {
    const info = this.parts.info();
    const headroom = this.contract === null ? 0n : this.parts.accounts.headroom(this.proxy.toRawString(), this.contract);
    return headroom > 0n ? info : { ...info, capacity: 0 };
  }

  private onProxy(account: ChainAccount): void {
    if (account.data === null) return;
    const state = ProxyContract.parseState(account.data);
    const terms = termsOf(this.proxy, this.parts.owner, state);
    if (terms === null) return;
    const isNew = this.terms === null || !this.terms.workerContract.address.equals(terms.workerContract.address);
    this.terms = terms;
    if (isNew) this.unwatch.push(this.parts.watcher.onAccount(terms.workerContract.address, (worker) => this.onContract(worker)));
    this.running ??= this.keepConnected();
  }

  private onContract(account: ChainAccount): void {
    if (account.data === null || this.terms === null || !account.address.equals(this.terms.workerContract.address)) return;
    this.contract = contractView(account.data, account.balance);
  }

  private async keepConnected(): Promise<void> {
    const backoff = new Backoff(250, 15_000);
    const signal = this.stopping.signal;
    while (!signal.aborted) {
      try {
        await this.connectOnce(() => backoff.reset());
      } catch (error) {
        this.parts.log.info({ proxy: this.proxy.toRawString(), code: codeOf(error) }, 'proxy not reached');
      }
      await pause(backoff.nextMs(), signal);
    }
  }

  /** Serves one connection until it ends. */
  private async connectOnce(onConnected: () => void): Promise<void> {
    const { terms, parts } = this;
    if (terms === null) return;
    const socket = await dialTls(terms.endpoint, terms.pin, WORKER_PROTOCOL);
    const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    const abort = () => socket.destroy();
    this.stopping.signal.addEventListener('abort', abort, { once: true });
    if (this.stopping.signal.aborted) socket.destroy();
    const service = proxyService({
      proxy: this.proxy,
      payerKey: terms.payerKey,
      workerContract: terms.workerContract.address,
      prices: parts.config.prices,
      accounts: parts.accounts,
      guest: parts.guest,
      crypto: nodeCrypto,
      log: parts.log,
      info: () => this.info(),
      contract: () => this.contract,
      nowSec: () => parts.clock.nowSec(),
    });
    http2Server(service, {
      maxBodySize: MAX_RELAY_BODY,
      onError: (error) => parts.log.error({ err: error }, 'call of a proxy failed'),
    }).serve(socket);
    this.isConnected = true;
    onConnected();
    parts.log.info({ proxy: this.proxy.toRawString(), endpoint: terms.endpoint }, 'connected to proxy');
    await ended;
    this.isConnected = false;
    this.stopping.signal.removeEventListener('abort', abort);
    if (!this.stopping.signal.aborted) parts.log.info({ proxy: this.proxy.toRawString() }, 'connection to proxy lost');
  }
}

/** Null while the proxy's owner has not configured it. */
function termsOf(proxy: Address, owner: Address, state: ProxyState): ProxyTerms | null {
  if (state.endpoint === null || state.payerKey === 0n) return null;
  return {
    endpoint: state.endpoint.url,
    pin: state.endpoint.keyPin === null ? null : toHex(state.endpoint.keyPin),
    payerKey: toBigEndian(state.payerKey, 32),
    workerContract: WorkerContract.create({ owner, proxy, payerKey: state.payerKey, withdrawDelay: state.terms.withdrawDelay }),
  };
}

/** What a WorkerContract's account says. */
export function contractView(data: Cell, balance: bigint): ContractView {
  const state = WorkerContract.parseState(data);
  const available = WorkerContract.deposit(balance);
  return { available, announcedWithdrawal: minNano(state.withdrawal?.amount ?? 0n, available), paid: state.paid };
}
