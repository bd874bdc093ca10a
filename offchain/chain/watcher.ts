import type { Address } from '@ton/core';
import type { OffsetClock } from '../core/clock';
import { codeOf } from '../core/errors';
import type { Logger } from '../runtime/log';
import type { ChainAccount, ChainBlock, ChainClient } from './chain-client';

export interface WatcherOptions {
  readonly client: Pick<ChainClient, 'latestBlock' | 'getAccount'>;
  readonly intervalMs: number;
  readonly log: Logger;
  /** Set to each new block's time: given where the network's clock is the chain. */
  readonly clock?: OffsetClock;
}

/** Called after each read of an account; `changed` at the first and whenever there was a transaction since the last. */
export type AccountListener = (account: ChainAccount, changed: boolean) => void | Promise<void>;
export type BlockListener = (block: ChainBlock) => void | Promise<void>;

/** Accounts that are read at a time: a public endpoint refuses a burst of more than it likes, and a proxy may watch ten thousand. */
const MAX_READS = 16;

interface WatchedAccount {
  readonly address: Address;
  readonly listeners: Set<AccountListener>;
  lastLt: bigint | null;
}

/**
 * Looks at the chain again and again: the newest block, and each account that somebody watches.
 * A look that fails is logged, and the next one catches up: what is read is state, so nothing can be missed.
 */
export class ChainWatcher {
  private readonly accounts = new Map<string, WatchedAccount>();
  private readonly blockListeners = new Set<BlockListener>();
  private timer: NodeJS.Timeout | undefined;
  private polling: Promise<void> | undefined;
  private isStarted = false;
  private block: ChainBlock | null = null;

  constructor(private readonly options: WatcherOptions) {}

  /** The newest block that was seen; null before the first. */
  get latestBlock(): ChainBlock | null {
    return this.block;
  }

  /** Watches an account until the returned function is called. */
  onAccount(address: Address, listener: AccountListener): () => void {
    const key = address.toRawString();
    const watched = this.accounts.get(key) ?? { address, listeners: new Set(), lastLt: null };
    this.accounts.set(key, watched);
    watched.listeners.add(listener);
    // A listener that comes later has its first read as a change, too.
    watched.lastLt = null;
    return () => {
      watched.listeners.delete(listener);
      if (watched.listeners.size === 0 && this.accounts.get(key) === watched) this.accounts.delete(key);
    };
  }

  /** Calls back for each new block that is seen (not every block is), until the returned function is called. */
  onBlock(listener: BlockListener): () => void {
    this.blockListeners.add(listener);
    return () => this.blockListeners.delete(listener);
  }

  /** Looks once, now; reads everything that can be read, and throws what the first failing read threw. A look that is under way is waited for, then another is taken. */
  async poll(): Promise<void> {
    while (this.polling !== undefined) await this.polling.catch(() => undefined);
    this.polling = this.look();
    try {
      await this.polling;
    } finally {
      this.polling = undefined;
    }
  }

  /** Looks at once and then again `intervalMs` after each look has ended. */
  start(): void {
    if (this.isStarted) return;
    this.isStarted = true;
    void this.loop();
  }

  /** Ends after the look that is under way, if any. */
  async stop(): Promise<void> {
    this.isStarted = false;
    clearTimeout(this.timer);
    await this.polling?.catch(() => undefined);
  }

  private async loop(): Promise<void> {
    try {
      await this.poll();
    } catch (error) {
      this.options.log.warn({ code: codeOf(error) }, 'chain cannot be read');
    }
    if (this.isStarted) this.timer = setTimeout(() => void this.loop(), this.options.intervalMs);
  }

  private async look(): Promise<void> {
    const { client, clock } = this.options;
    const block = await client.latestBlock();
    // An endpoint can be several machines, some of them behind: time never goes back.
    if (this.block === null || block.seqno > this.block.seqno) {
      this.block = block;
      clock?.setNow(block.atSec);
      for (const listener of this.blockListeners) await this.call(() => listener(block));
    }
    const left = [...this.accounts.values()].values();
    const failures: unknown[] = [];
    // Each reader takes the next account that no other has taken.
    const readOn = async () => {
      for (const watched of left) await this.readAccount(watched).catch((error: unknown) => failures.push(error));
    };
    await Promise.all(Array.from({ length: MAX_READS }, readOn));
    if (failures.length > 0) throw failures[0];
  }

  private async readAccount(watched: WatchedAccount): Promise<void> {
    const account = await this.options.client.getAccount(watched.address);
    if (watched.lastLt !== null && account.lastLt < watched.lastLt) return;
    const changed = watched.lastLt !== account.lastLt;
    watched.lastLt = account.lastLt;
    for (const listener of watched.listeners) await this.call(() => listener(account, changed));
  }

  /** A listener's failure is its own: the others still hear. */
  private async call(listener: () => void | Promise<void>): Promise<void> {
    try {
      await listener();
    } catch (error) {
      this.options.log.error({ err: error }, 'chain listener failed');
    }
  }
}
