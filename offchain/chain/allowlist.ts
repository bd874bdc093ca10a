import type { Address, Cell } from '@ton/core';
import { IMAGE_ROLE, MODEL_KIND, RootContract, type ModelKind as RootKind, type RootState } from '../../wrappers/RootContract';
import type { ModelKind, Role } from '../attestation/claims';
import type { AllowlistView as EvidenceAllowlist, ListedImage, ListedModel } from '../attestation/verify-evidence';
import type { Clock } from '../core/clock';
import type { ChainAccount } from './chain-client';
import { ChainError } from './chain-error';
import type { ChainWatcher } from './watcher';

export interface AllowlistOptions {
  readonly root: Address;
  readonly clock: Clock;
  /** How old, by block time, the last read may be before nothing is answered any more. */
  readonly maxAgeSec: number;
}

/**
 * The root contract's lists as of the last look at the chain, each look being one read of the whole state.
 * It fails closed: before the first read, when the last one is too old, and when there is no such contract, every question throws;
 * it never says "not listed" for "not known".
 */
export class AllowlistView implements EvidenceAllowlist {
  private known: { readonly data: Cell; readonly state: RootState } | null = null;
  private atSec = 0;
  private lastLt = 0n;

  constructor(private readonly options: AllowlistOptions) {}

  /** Keeps the view fresh with each look of the watcher, until the returned function is called. */
  follow(watcher: ChainWatcher): () => void {
    return watcher.onAccount(this.options.root, (account) => this.update(account));
  }

  /**
   * Takes over a read of the root's account; one that is older than what is known is passed over. An endpoint can be several machines,
   * some of them behind: what was removed does not come back.
   *
   * @throws ChainError chain_malformed when its data is no root contract's; nothing is known then
   */
  update(account: ChainAccount): void {
    if (!account.address.equals(this.options.root)) throw new RangeError('account is not the root');
    if (account.lastLt < this.lastLt) return;
    this.lastLt = account.lastLt;
    this.atSec = Math.max(this.atSec, account.atSec);
    // Parsed only when it has changed: most reads bring what is known, newer.
    if (account.data !== null && this.known?.data.equals(account.data)) return;
    this.known = null;
    if (account.data === null) return;
    try {
      this.known = { data: account.data, state: RootContract.parseState(account.data) };
    } catch (cause) {
      const root = this.options.root.toRawString();
      throw new ChainError('chain_malformed', `the account ${root} is no root contract`, { root }, { cause });
    }
  }

  /** The image with this hash (64 hex digits), active or not yet; null when it is not listed. @throws ChainError chain_unread */
  image(hash: string): ListedImage | null {
    const entry = this.state().images.get(toKey(hash));
    return entry === undefined ? null : { roles: toRoles(entry.roles), activeFromSec: Number(entry.activeFrom) };
  }

  /** The model with this hash (64 hex digits), active or not yet; null when it is not listed. @throws ChainError chain_unread */
  model(hash: string): ListedModel | null {
    const entry = this.state().models.get(toKey(hash));
    return entry === undefined ? null : { kind: toKindName(entry.kind), activeFromSec: Number(entry.activeFrom) };
  }

  /** Addresses of the registered proxies. @throws ChainError chain_unread */
  proxies(): readonly Address[] {
    return [...this.state().proxies.keys()].map((key) => RootContract.proxyAddress(key));
  }

  /** Everything that the root contract holds. @throws ChainError chain_unread */
  state(): RootState {
    const root = this.options.root.toRawString();
    if (this.known === null) throw new ChainError('chain_unread', `the root contract ${root} has not been read`, { root });
    const ageSec = this.options.clock.nowSec() - this.atSec;
    if (ageSec > this.options.maxAgeSec) {
      const text = `the root contract was last read ${ageSec} s ago, limit ${this.options.maxAgeSec} s`;
      throw new ChainError('chain_unread', text, { root, ageSec });
    }
    return this.known.state;
  }
}

/** -1, which no entry has, for what is no hash. */
function toKey(hash: string): bigint {
  return /^[0-9a-f]{64}$/.test(hash) ? BigInt(`0x${hash}`) : -1n;
}

function toRoles(bits: number): Role[] {
  const roles: Role[] = [];
  if (bits & IMAGE_ROLE.worker) roles.push('worker');
  if (bits & IMAGE_ROLE.proxy) roles.push('proxy');
  return roles;
}

function toKindName(kind: RootKind): ModelKind {
  switch (kind) {
    case MODEL_KIND.files:
      return 'files';
    case MODEL_KIND.verity:
      return 'verity';
    case MODEL_KIND.unproven:
      return 'unproven';
  }
}
