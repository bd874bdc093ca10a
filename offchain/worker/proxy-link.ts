/** One proxy that this worker serves: the connection that it keeps up, and the contracts by which it pays. */
import { Address } from '@ton/core';
import type { ChainAccount } from '../chain/chain-client';
import { ProxyContract, type ProxyState, WorkerContract } from '../chain/contracts';
import type { ChainWatcher } from '../chain/watcher';
import { toBigEndian, toHex } from '../core/bytes';
import type { Clock } from '../core/clock';
import { codeOf } from '../core/errors';
import { LedgerError } from '../ledger/ledger';
import type { WorkerInfo } from '../protocol/calls';
import type { Logger } from '../runtime/log';
import { nodeCrypto } from '../runtime/node-crypto';
import { Backoff, pause } from '../runtime/repeat';
import { MAX_RELAY_BODY } from '../sealing/relay-body';
import { http2Server } from '../transport/server';
import { dialTls, WORKER_PROTOCOL } from '../transport/tls';
import type { ContractView, WorkerAccounts } from './accounts';
import type { Claimable } from './claims';
import type { WorkerConfig } from './config';
import { ContractWatch } from './contract-watch';
import type { GuestLink } from './guest-link';
import { proxyService } from './proxy-service';

export interface ProxyLinkParts {
  readonly config: Pick<WorkerConfig, 'prices'>;
  readonly owner: Address;
  readonly accounts: WorkerAccounts;
  readonly guest: GuestLink;
  readonly watcher: Pick<ChainWatcher, 'onAccount'>;
  readonly clock: Clock;
  readonly log: Logger;
  info(): WorkerInfo;
  /** Ends the process: the record cannot be written. */
  fail(error: unknown): void;
}

/** What the proxy's contract says of it, as far as a worker needs it. */
interface ProxyTerms {
  readonly endpoint: string;
  readonly pin: string | null;
  readonly payerKey: Uint8Array;
  readonly workerContract: WorkerContract;
}

/** A connection that lasted so long was worth having: the next attempt comes at once. */
const LASTING_MS = 10_000;

export class ProxyLink {
  private readonly stopping = new AbortController();
  private readonly unwatch: () => void;
  private terms: ProxyTerms | null = null;
  /** By raw address: the present one, and those that still owe from before the proxy changed its payer key. */
  private readonly contracts = new Map<string, ContractWatch>();
  private isConnected = false;
  private running: Promise<void> | null = null;

  constructor(
    readonly proxy: Address,
    private readonly parts: ProxyLinkParts,
  ) {
    for (const contract of parts.accounts.contractsOf(proxy.toRawString())) this.watch(Address.parseRaw(contract));
    this.unwatch = parts.watcher.onAccount(proxy, (account) => this.onProxy(account));
  }

  get connected(): boolean {
    return this.isConnected;
  }

  /** Raw address of the contract by which the proxy pays now; null before the chain was read. */
  get contract(): string | null {
    return this.terms?.workerContract.address.toRawString() ?? null;
  }

  /** What could be claimed, by contract. */
  claimables(): readonly Claimable[] {
    return [...this.contracts.values()].flatMap(({ address, view }) => {
      const { voucher } = this.parts.accounts.view(address.toRawString());
      return view === null || voucher === null ? [] : [{ contract: address, view, voucher }];
    });
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    this.unwatch();
    for (const watch of this.contracts.values()) watch.stop();
    await this.running;
  }

  private watch(address: Address): void {
    const id = address.toRawString();
    if (!this.contracts.has(id)) this.contracts.set(id, new ContractWatch(address, this.parts.watcher, this.parts.clock));
  }

  /** What the proxy's present contract holds; null while there is none, or it was not read lately. */
  private contractView(): ContractView | null {
    return this.contracts.get(this.contract ?? '')?.freshView ?? null;
  }

  /** While the proxy's contract with this worker pays for nothing, there is nothing to be had: capacity 0. */
  private info(): WorkerInfo {
    const info = this.parts.info();
    const { contract } = this;
    const view = this.contractView();
    const headroom = contract === null || view === null ? 0n : this.parts.accounts.headroom(contract, view);
    return headroom > 0n ? info : { ...info, capacity: 0 };
  }

  private onProxy(account: ChainAccount): void {
    const terms = account.data === null ? null : termsOf(this.proxy, this.parts.owner, account.data);
    if (terms === null) return;
    this.terms = terms;
    this.watch(terms.workerContract.address);
    this.running ??= this.keepConnected();
  }

  private async keepConnected(): Promise<void> {
    const backoff = new Backoff(250, 15_000);
    const signal = this.stopping.signal;
    while (!signal.aborted) {
      const startedMs = performance.now();
      try {
        await this.connectOnce();
      } catch (error) {
        this.parts.log.info({ proxy: this.proxy.toRawString(), code: codeOf(error) }, 'proxy not reached');
      }
      if (performance.now() - startedMs >= LASTING_MS) backoff.reset();
      await pause(backoff.nextMs(), signal);
    }
  }

  /** Serves one connection until it ends. */
  private async connectOnce(): Promise<void> {
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
      // A proxy that has changed its payer key meanwhile has to connect anew.
      contract: () => (this.terms?.workerContract.address.equals(terms.workerContract.address) ? this.contractView() : null),
    });
    http2Server(service, {
      maxBodySize: MAX_RELAY_BODY,
      onError: (error) =>
        error instanceof LedgerError ? parts.fail(error) : parts.log.error({ code: codeOf(error) }, 'call of a proxy failed'),
    }).serve(socket);
    this.isConnected = true;
    parts.log.info({ proxy: this.proxy.toRawString() }, 'connected to proxy');
    await ended;
    this.isConnected = false;
    this.stopping.signal.removeEventListener('abort', abort);
    if (!this.stopping.signal.aborted) parts.log.info({ proxy: this.proxy.toRawString() }, 'connection to proxy lost');
  }
}

/** Null while the proxy's owner has not configured it, and for what is no proxy's contract. */
function termsOf(proxy: Address, owner: Address, data: NonNullable<ChainAccount['data']>): ProxyTerms | null {
  let state: ProxyState;
  try {
    state = ProxyContract.parseState(data);
  } catch {
    return null;
  }
  if (state.endpoint === null || state.payerKey === 0n) return null;
  return {
    endpoint: state.endpoint.url,
    pin: state.endpoint.keyPin === null ? null : toHex(state.endpoint.keyPin),
    payerKey: toBigEndian(state.payerKey, 32),
    workerContract: WorkerContract.create({ owner, proxy, payerKey: state.payerKey, withdrawDelay: state.terms.withdrawDelay }),
  };
}
