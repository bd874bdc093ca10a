import { type Address, beginCell, Cell } from '@ton/core';
import { mainnetPrices } from '../../wrappers/chain-config';
import { packEndpoint } from '../../wrappers/ProxyContract';
import type { Clock } from '../core/clock';
import { sandboxConfig } from '../localnet/chain/sandbox-config';
import type { ChainAccount } from './chain-client';
import { ChainError } from './chain-error';
import { ClientContract, type ClientTerms, ProxyContract, WorkerContract } from './contracts';
import type { OutgoingMessage } from './wallet';
import type { AccountListener } from './watcher';

// The chain as plain account states, laid out as the contracts lay them out.

export class TestChain {
  private readonly accounts = new Map<string, ChainAccount>();
  private readonly listeners = new Map<string, Set<AccountListener>>();
  private lt = 1000n;
  reads = 0;
  isDown = false;
  /** What reads say of the time; the clock's when null. */
  standsAtSec: number | null = null;

  constructor(private readonly clock: Clock) {}

  async getAccount(address: Address): Promise<ChainAccount> {
    this.reads++;
    if (this.isDown) throw new ChainError('chain_unreachable', 'no answer');
    return this.account(address);
  }

  async config(): Promise<Cell> {
    return mainnetPrices(Cell.fromBase64(sandboxConfig));
  }

  onAccount(address: Address, listener: AccountListener): () => void {
    const key = address.toRawString();
    const listeners = this.listeners.get(key) ?? new Set();
    this.listeners.set(key, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.listeners.delete(key);
    };
  }

  /** Addresses that somebody watches. */
  get watched(): readonly string[] {
    return [...this.listeners.keys()];
  }

  /** A new state of an account, which is seen by those who read; `look` shows it to those who watch. */
  set(address: Address, balance: bigint, data: Cell | null): ChainAccount {
    const account: ChainAccount = {
      address,
      state: data === null ? 'uninitialized' : 'active',
      balance,
      codeHash: null,
      code: null,
      data,
      lastLt: ++this.lt,
      lastHash: null,
      atSec: 0,
    };
    this.accounts.set(address.toRawString(), account);
    return account;
  }

  /** One look of the watcher. */
  look(): void {
    for (const [key, listeners] of this.listeners) {
      const account = this.accounts.get(key);
      if (account !== undefined) this.show({ ...account, atSec: this.now() }, listeners);
    }
  }

  /** Shows those who watch a state that they should have seen before. */
  lookLate(account: ChainAccount): void {
    this.show(account, this.listeners.get(account.address.toRawString()) ?? new Set());
  }

  private show(account: ChainAccount, listeners: ReadonlySet<AccountListener>): void {
    for (const listener of listeners) void listener(account, true);
  }

  private account(address: Address): ChainAccount {
    const account = this.accounts.get(address.toRawString()) ?? this.set(address, 0n, null);
    return { ...account, atSec: this.now() };
  }

  private now(): number {
    return this.standsAtSec ?? this.clock.nowSec();
  }
}

export interface ChannelMoney {
  readonly deposit: bigint;
  readonly charged?: bigint;
  readonly paid?: bigint;
  readonly settled?: bigint;
  readonly upTo?: bigint;
  readonly open?: bigint;
  readonly withdrawal?: bigint;
  /** Unix seconds; far ahead when it is left out. */
  readonly withdrawalAt?: number;
  readonly oldKey?: { readonly key: bigint; readonly until: number };
}

/** The channel's state on chain. */
export function setChannel(chain: TestChain, terms: ClientTerms, sessionKey: bigint, money: ChannelMoney, at?: Address): ChainAccount {
  const contract = ClientContract.create(terms);
  const { deposit, charged = 0n, paid = charged, settled = 0n, upTo = 0n, open = 0n, withdrawal = 0n, oldKey } = money;
  const data = beginCell()
    .storeUint(charged, 64)
    .storeUint(paid, 64)
    .storeUint(settled, 64)
    .storeUint(upTo, 64)
    .storeUint(open, 256)
    .storeUint(sessionKey, 256)
    .storeUint(withdrawal, 64)
    .storeUint(withdrawal === 0n ? 0 : (money.withdrawalAt ?? 2_000_000_000), 64)
    .storeRef(termsOf(contract.init?.data))
    .storeMaybeRef(oldKey === undefined ? null : beginCell().storeUint(oldKey.key, 256).storeUint(oldKey.until, 64).endCell())
    .endCell();
  return chain.set(at ?? contract.address, deposit + ClientContract.RESERVE, data);
}

/** A worker's contract on chain. */
export function setWorkerContract(chain: TestChain, contract: WorkerContract, deposit: bigint, paid = 0n, withdrawal = 0n): ChainAccount {
  const data = beginCell()
    .storeUint(paid, 64)
    .storeUint(0, 64)
    .storeUint(withdrawal, 64)
    .storeUint(withdrawal === 0n ? 0 : 2_000_000_000, 64)
    .storeRef(termsOf(contract.init?.data))
    .endCell();
  return chain.set(contract.address, deposit + WorkerContract.RESERVE, data);
}

/** The proxy's contract on chain, with so much free income. */
export function setProxyContract(chain: TestChain, terms: Parameters<typeof ProxyContract.create>[0], freeIncome: bigint): ProxyContract {
  const contract = ProxyContract.create(terms);
  chain.set(contract.address, freeIncome + ProxyContract.RESERVE, contract.init?.data ?? null);
  return contract;
}

/** A proxy's contract as its owner has configured it. */
export function configureProxy(
  chain: TestChain,
  terms: Parameters<typeof ProxyContract.create>[0],
  configuration: { readonly payerKey: bigint; readonly endpoint: Parameters<typeof packEndpoint>[0] },
): Address {
  const contract = ProxyContract.create(terms);
  const data = beginCell()
    .storeUint(0, 64)
    .storeUint(0, 64)
    .storeUint(0, 64)
    .storeUint(0, 64)
    .storeBit(true)
    .storeUint(configuration.payerKey, 256)
    .storeAddress(terms.owner)
    .storeUint(0, 64)
    .storeMaybeRef(null)
    .storeMaybeRef(packEndpoint(configuration.endpoint))
    .storeRef(termsOf(contract.init?.data))
    .endCell();
  chain.set(contract.address, ProxyContract.RESERVE, data);
  return contract.address;
}

function termsOf(data: Cell | null | undefined): Cell {
  const terms = data?.refs.at(-1);
  if (terms === undefined) throw new Error('a contract without terms');
  return terms;
}

/** A wallet that keeps what it is told to send. */
export class TestWallet {
  readonly batches: (readonly OutgoingMessage[])[] = [];
  coins = 100_000_000_000n;
  failure: Error | null = null;

  constructor(readonly address: Address) {}

  async balance(): Promise<bigint> {
    return this.coins;
  }

  async send(messages: readonly OutgoingMessage[]): Promise<void> {
    if (this.failure !== null) throw this.failure;
    this.batches.push(messages);
  }

  /** Receivers of all messages so far, in order. */
  get receivers(): readonly string[] {
    return this.batches.flat().map(({ to }) => to.toRawString());
  }
}
