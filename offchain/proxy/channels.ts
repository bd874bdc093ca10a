/** Clients' channels as the chain shows them: which are ours, and what they hold. */
import { Address } from '@ton/core';
import type { ChainAccount, ChainClient } from '../chain/chain-client';
import { ChainError } from '../chain/chain-error';
import { ClientContract } from '../chain/contracts';
import type { ChainWatcher } from '../chain/watcher';
import { toBigEndian } from '../core/bytes';
import type { Clock } from '../core/clock';
import { CallError } from '../protocol/json';
import type { Activity } from './requests';

/** A channel's state as last read. Amounts in nanoTON. */
export interface ChannelView {
  readonly owner: Address;
  readonly sessionKey: Uint8Array;
  /** The key before the last rotation: what it signed counts until then, inclusive. */
  readonly oldKey: { readonly key: Uint8Array; readonly untilSec: number } | null;
  /** By vouchers and by receipts. */
  readonly charged: bigint;
  readonly paid: bigint;
  /** Highest number that was settled by receipt since the last charged voucher. */
  readonly settled: bigint;
  /** Highest number that the charged voucher covers. */
  readonly upTo: bigint;
  /** Hash of the numbers below that it leaves open; 0n for none. */
  readonly open: bigint;
  readonly deposit: bigint;
  /** Announced, at most 2^64 - 1 for everything. */
  readonly withdrawal: bigint;
  /** When that may leave, in unix seconds. */
  readonly withdrawalAtSec: number;
}

/** A channel that is watched: `view` is always the newest. */
export interface Channel {
  /** Raw address. */
  readonly id: string;
  readonly address: Address;
  readonly view: ChannelView;
}

/** Whose channels these are. */
export interface ChannelTerms {
  readonly proxy: Address;
  readonly operator: Address;
  readonly withdrawDelay: number;
}

export interface ChannelsParts {
  readonly client: Pick<ChainClient, 'getAccount'>;
  readonly watcher: Pick<ChainWatcher, 'onAccount'>;
  readonly clock: Clock;
  readonly terms: ChannelTerms;
  /** Most channels that are watched at once: each costs a read a round. */
  readonly maxWatched: number;
  /** What the channel is still watched for, by our record. */
  activity(channel: Channel): Activity;
  /** Told at once when a channel is no longer watched. */
  onForgotten(id: string): void;
}

/** Most addresses that are looked up at once for callers whom nobody knows yet. */
const MAX_LOOKUPS = 32;
/** A channel that nobody has used for so long is no longer watched, once it is settled. */
export const IDLE_SEC = 600;
/** What was read longer ago is read again before it is used; and well before an announced withdrawal can be completed. */
const MAX_AGE_SEC = 120;

interface Watched {
  readonly id: string;
  readonly address: Address;
  view: ChannelView;
  lastLt: bigint;
  readAtSec: number;
  usedAtSec: number;
  /** When a caller last had it read. */
  askedAtSec: number;
  readonly unwatch: () => void;
}

export class Channels {
  /** The least recently used first. */
  private readonly known = new Map<string, Watched>();
  private readonly lookups = new Map<string, Promise<Watched>>();

  constructor(private readonly parts: ChannelsParts) {}

  get(id: string): Channel | undefined {
    return this.known.get(id);
  }

  all(): readonly Channel[] {
    return [...this.known.values()];
  }

  /**
   * The channel at an address, read from the chain when it is new or was not read for long. It is served only if the address follows
   * from the known code, this proxy, its operator and its delay.
   * @throws CallError no_channel, too_many_requests, not_ready when the chain cannot be read
   */
  async find(address: Address): Promise<Channel> {
    const id = address.toRawString();
    const known = this.known.get(id) ?? (await this.lookUp(id, address));
    this.touch(known);
    if (!this.isFresh(known)) this.update(known, await this.readAccount(address));
    if (!this.isFresh(known)) throw new CallError('not_ready', 'the chain stands still', {}, true);
    return known;
  }

  /** Reads a channel anew, at most once a second, when a refusal must not rest on the last look. @throws CallError not_ready */
  async refresh(channel: Channel): Promise<void> {
    const known = this.known.get(channel.id);
    const nowSec = this.parts.clock.nowSec();
    if (known === undefined || known.askedAtSec === nowSec) return;
    known.askedAtSec = nowSec;
    this.update(known, await this.readAccount(channel.address));
  }

  /** Whether nobody has used the channel for long. */
  isIdle(channel: Channel): boolean {
    const usedAtSec = this.known.get(channel.id)?.usedAtSec ?? 0;
    return usedAtSec + IDLE_SEC < this.parts.clock.nowSec();
  }

  /** Stops watching what nobody uses and nothing is outstanding in. */
  forgetIdle(): void {
    for (const watched of this.known.values()) {
      if (!this.isIdle(watched)) return;
      if (this.parts.activity(watched) === 'settled') this.forget(watched);
    }
  }

  private isFresh({ readAtSec }: Watched): boolean {
    const { clock, terms } = this.parts;
    return clock.nowSec() - readAtSec <= Math.min(MAX_AGE_SEC, terms.withdrawDelay / 2);
  }

  private lookUp(id: string, address: Address): Promise<Watched> {
    const running = this.lookups.get(id);
    if (running !== undefined) return running;
    if (this.lookups.size >= MAX_LOOKUPS) throw new CallError('too_many_requests', 'too many channels are looked up', {}, true);
    const lookup = this.readNew(id, address).finally(() => this.lookups.delete(id));
    this.lookups.set(id, lookup);
    return lookup;
  }

  private async readNew(id: string, address: Address): Promise<Watched> {
    const account = await this.readAccount(address);
    const view = this.viewOf(account);
    if (view === null) throw new CallError('no_channel', 'no open channel to this proxy at this address');
    if (this.known.size >= this.parts.maxWatched) this.makeRoom();
    const nowSec = this.parts.clock.nowSec();
    const watched: Watched = {
      id,
      address,
      view,
      lastLt: account.lastLt,
      readAtSec: account.atSec,
      usedAtSec: nowSec,
      askedAtSec: nowSec,
      unwatch: this.parts.watcher.onAccount(address, (read) => this.update(watched, read)),
    };
    this.known.set(id, watched);
    return watched;
  }

  /** @throws CallError not_ready */
  private async readAccount(address: Address): Promise<ChainAccount> {
    try {
      return await this.parts.client.getAccount(address);
    } catch (error) {
      if (error instanceof ChainError) throw new CallError('not_ready', 'the chain cannot be read', {}, true);
      throw error;
    }
  }

  /** Lets go of the channel that matters least. @throws CallError too_many_requests */
  private makeRoom(): void {
    const byActivity = (wanted: Activity) => this.all().find((channel) => this.parts.activity(channel) === wanted);
    const found = byActivity('settled') ?? byActivity('unsigned');
    const watched = found === undefined ? undefined : this.known.get(found.id);
    if (watched === undefined) throw new CallError('too_many_requests', 'too many channels', {}, true);
    this.forget(watched);
  }

  private forget(watched: Watched): void {
    watched.unwatch();
    this.known.delete(watched.id);
    this.parts.onForgotten(watched.id);
  }

  private touch(watched: Watched): void {
    if (!this.known.has(watched.id)) return;
    watched.usedAtSec = this.parts.clock.nowSec();
    this.known.delete(watched.id);
    this.known.set(watched.id, watched);
  }

  /** Reads can come late and out of order: a channel's state never goes back. */
  private update(watched: Watched, account: ChainAccount): void {
    if (account.lastLt < watched.lastLt) return;
    watched.lastLt = account.lastLt;
    if (account.atSec > watched.readAtSec) watched.readAtSec = account.atSec;
    // A contract that is there no longer (frozen for want of rent) has nothing to pay from.
    watched.view = this.viewOf(account) ?? { ...watched.view, deposit: 0n };
  }

  private viewOf(account: ChainAccount): ChannelView | null {
    if (account.data === null) return null;
    const { proxy, operator, withdrawDelay } = this.parts.terms;
    let state: ReturnType<typeof ClientContract.parseState>;
    try {
      state = ClientContract.parseState(account.data);
    } catch {
      return null;
    }
    const expected = ClientContract.create({ owner: state.terms.owner, proxy, operator, withdrawDelay });
    if (!expected.address.equals(account.address) || state.sessionKey === 0n) return null;
    return {
      owner: state.terms.owner,
      sessionKey: toBigEndian(state.sessionKey, 32),
      oldKey: state.oldKey === null ? null : { key: toBigEndian(state.oldKey.key, 32), untilSec: state.oldKey.until },
      charged: state.charged,
      paid: state.paid,
      settled: state.settled,
      upTo: state.upTo,
      open: state.open,
      deposit: ClientContract.deposit(account.balance),
      withdrawal: state.withdrawal?.amount ?? 0n,
      withdrawalAtSec: Number(state.withdrawal?.readyAt ?? 0n),
    };
  }
}

/** The address of a path parameter. @throws CallError bad_request */
export function parseChannelAddress(text: string): Address {
  if (!/^0:[0-9a-f]{64}$/.test(text)) throw new CallError('bad_request', 'not a raw address');
  return Address.parseRaw(text);
}
