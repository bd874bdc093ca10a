import type { Address } from '@ton/core';
import type { ChainAccount } from '../chain/chain-client';
import { WorkerContract } from '../chain/contracts';
import type { ChainWatcher } from '../chain/watcher';
import type { Clock } from '../core/clock';
import { minNano } from '../core/money';
import type { ContractView } from './accounts';

/** No work rests on an older look: the proxy's owner could have announced a withdrawal meanwhile, and be about to complete it. */
const MAX_AGE_SEC = 120;

interface Seen extends ContractView {
  readonly lastLt: bigint;
  readonly atSec: number;
  readonly maxAgeSec: number;
}

/** One WorkerContract, as the chain shows it. */
export class ContractWatch {
  private seen: Seen | null = null;
  private readonly unwatch: () => void;

  constructor(
    readonly address: Address,
    watcher: Pick<ChainWatcher, 'onAccount'>,
    private readonly clock: Clock,
  ) {
    this.unwatch = watcher.onAccount(address, (account) => this.update(account));
  }

  /** As last seen; null while there is no contract. */
  get view(): ContractView | null {
    return this.seen;
  }

  /** As seen lately; null when that is too long ago to trust the proxy for more. */
  get freshView(): ContractView | null {
    const { seen } = this;
    return seen !== null && this.clock.nowSec() - seen.atSec <= seen.maxAgeSec ? seen : null;
  }

  stop(): void {
    this.unwatch();
  }

  private update(account: ChainAccount): void {
    if (this.seen !== null && account.lastLt < this.seen.lastLt) return;
    if (account.data === null) {
      this.seen = null;
      return;
    }
    const { withdrawal, paid, terms } = WorkerContract.parseState(account.data);
    const available = WorkerContract.deposit(account.balance);
    this.seen = {
      available,
      announcedWithdrawal: minNano(withdrawal?.amount ?? 0n, available),
      paid,
      lastLt: account.lastLt,
      atSec: account.atSec,
      maxAgeSec: Math.min(MAX_AGE_SEC, terms.withdrawDelay / 2),
    };
  }
}
