import { toHex } from '../core/bytes';
import type { Clock } from '../core/clock';
import type { KeySet } from './key-set';

/** Age at which a set is replaced: within its life, so that a set never runs out while it is offered. */
const REPLACE_AFTER_SEC = 23 * 3600;
/** How long a replaced set still accepts, for callers that have just verified it. */
const ACCEPT_OLD_SEC = 600;

/**
 * The key sets of one guest: the one that it offers, and the one before for ten minutes more. Dropping a set erases it: requests that
 * still run under it hold what they need, and nothing else does.
 */
export class KeyRing {
  private offered: KeySet | null = null;
  private replaced: { readonly set: KeySet; readonly acceptsUntilSec: number } | null = null;

  constructor(
    /** Must never go back. */
    private readonly clock: Clock,
  ) {}

  /** The set that callers should seal to; null before there is one, and when it has run out. */
  get current(): KeySet | null {
    return this.offered !== null && this.clock.nowSec() < this.offered.info.notAfter ? this.offered : null;
  }

  /** Whether it is time for a new set. */
  get isDue(): boolean {
    return this.offered === null || this.clock.nowSec() >= this.offered.madeAtSec + REPLACE_AFTER_SEC;
  }

  /** Offers a new set from now on. */
  replace(set: KeySet): void {
    const acceptsUntilSec = this.clock.nowSec() + ACCEPT_OLD_SEC;
    if (this.offered !== null) this.replaced = { set: this.offered, acceptsUntilSec };
    this.offered = set;
  }

  /** Erases what accepts nothing any more. */
  sweep(): void {
    if (this.replaced !== null && !this.isAccepting(this.replaced)) this.replaced = null;
  }

  /** The set with this receipt key, while it accepts requests. */
  accepting(receiptKey: Uint8Array): KeySet | null {
    const id = toHex(receiptKey);
    if (this.current?.info.receipt === id) return this.current;
    if (this.replaced?.set.info.receipt === id && this.isAccepting(this.replaced)) return this.replaced.set;
    return null;
  }

  /** The evidence bundle with this digest, lower-case hex. */
  evidence(digest: string): Uint8Array | null {
    return [this.offered, this.replaced?.set].find((set) => set?.info.evidence === digest)?.bundle ?? null;
  }

  private isAccepting(replaced: { readonly set: KeySet; readonly acceptsUntilSec: number }): boolean {
    const nowSec = this.clock.nowSec();
    return nowSec < replaced.acceptsUntilSec && nowSec < replaced.set.info.notAfter;
  }
}
