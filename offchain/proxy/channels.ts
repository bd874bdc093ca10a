/** Clients' channels as the chain shows them: which are ours, and what they hold. */
import { Address } from '@ton/core';
import type { ChainAccount, ChainClient } from '../chain/chain-client';
import { ClientContract } from '../chain/contracts';
import type { ChainWatcher } from '../chain/watcher';
import { toBigEndian } from '../core/bytes';
import { CallError } from '../protocol/json';

/** A channel's state as last read. Amounts in nanoTON. */
export interface ChannelView {
  readonly owner: Address;
  readonly sessionKey: Uint8Array;
  readonly charged: bigint;
  readonly paid: bigint;
  readonly deposit: bigint;
  /** Announced, at most 2^64 - 1 for everything. */
  readonly withdrawal: bigint;
}

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

/** Most channels that are watched at once: each costs a read a round. */
const MAX_WATCHED = 10_000;

export class Channels {
  private readonly known = new Map<string, Channel>();

  constructor(
    private readonly client: ChainClient,
    private readonly watcher: ChainWatcher,
    private readonly terms: ChannelTerms,
  ) {}

  get(id: string): Channel | undefined {
    return this.known.get(id);
  }

  all(): Iterable<Channel> {
    return this.known.values();
  }

  /**
   * The channel at an address, read from the chain when it is new. It is served only if the address follows from the known code, this
   * proxy, its operator and its delay.
   * @throws CallError no_channel, too_many_requests; ChainError
   */
  async find(address: Address): Promise<Channel> {
    const id = address.toRawString();
    const known = this.known.get(id);
    if (known !== undefined) return known;
    if (this.known.size >= MAX_WATCHED) throw new CallError('too_many_requests', 'too many channels', {}, true);
    const channel = this.read(await this.client.getAccount(address));
    if (channel === null) throw new CallError('no_channel', 'no open channel to this proxy at this address');
    if (!this.known.has(id)) {
      this.known.set(id, channel);
      this.watcher.onAccount(address, (account) => this.update(account));
    }
    return this.known.get(id) ?? channel;
  }

  /** Reads a channel anew, when a decision must not rest on the last look. */
  async refresh(channel: Channel): Promise<Channel> {
    this.update(await this.client.getAccount(channel.address));
    return this.known.get(channel.id) ?? channel;
  }

  private update(account: ChainAccount): void {
    const channel = this.read(account);
    if (channel !== null) this.known.set(channel.id, channel);
  }

  private read(account: ChainAccount): Channel | null {
    if (account.data === null) return null;
    const { proxy, operator, withdrawDelay } = this.terms;
    let state: ReturnType<typeof ClientContract.parseState>;
    try {
      state = ClientContract.parseState(account.data);
    } catch {
      return null;
    }
    const expected = ClientContract.create({ owner: state.terms.owner, proxy, operator, withdrawDelay });
    if (!expected.address.equals(account.address) || state.sessionKey === 0n) return null;
    return {
      id: account.address.toRawString(),
      address: account.address,
      view: {
        owner: state.terms.owner,
        sessionKey: toBigEndian(state.sessionKey, 32),
        charged: state.charged,
        paid: state.paid,
        deposit: ClientContract.deposit(account.balance),
        withdrawal: state.withdrawal?.amount ?? 0n,
      },
    };
  }
}

/** The address of a path parameter. @throws CallError bad_request */
export function parseChannelAddress(text: string): Address {
  if (!/^0:[0-9a-f]{64}$/.test(text)) throw new CallError('bad_request', 'not a raw address');
  return Address.parseRaw(text);
}
