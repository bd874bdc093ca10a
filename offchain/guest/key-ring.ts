import { toHex } from '../core/bytes';
import type { Clock } from '../core/clock';
import type { KeySet } from './key-set';

/** Least and most that the life of a key set may be, in seconds. A day is what the design promises; below an hour nothing is left of it. */
export const KEY_LIFE_SEC = { least: 3600, most: 24 * 3600 } as const;
/** How long before its end a set is replaced: a 24th of its life, and at least this. Within that time the platform may fail and be asked again. */
const LEAST_MARGIN_SEC = 1200;
/** How long a replaced set still accepts, for callers that have just verified it. */
const ACCEPT_OLD_SEC = 600;

/**
 * The key sets of one guest: the one that it offers, and the one before for ten minutes more. Dropping a set erases it: requests that
 * still run under it hold what they need, and nothing else does.
 */
export class KeyRing {
  private offered: KeySet | null = null;
  private replaced: { readonly set: KeySet; readonly acceptsUntilSec: number } | null = null;
  private readonly replaceAfterSec: number;

  constructor(
    /** Must never go back. */
    private readonly clock: Clock,
    /** For how long a set may be used; within KEY_LIFE_SEC. */
    readonly lifeSec: number,
  ) {
    const { least, most } = KEY_LIFE_SEC;
    if (!(lifeSec >= least && lifeSec <= most)) throw new RangeError(`key life of ${lifeSec} s, expected ${least} to ${most}`);
    this.replaceAfterSec = lifeSec - Math.max(LEAST_MARGIN_SEC, Math.ceil(lifeSec / 24));
  }

  /** The set that callers should seal to; null before there is one, and when it has run out. */
  get current(): KeySet | null {
    return this.offered !== null && this.clock.nowSec() < this.offered.info.notAfter ? this.offered : null;
  }

  /** Whether it is time for a new set. */
  get isDue(): boolean {
    return this.offered === null || this.clock.nowSec() >= this.offered.madeAtSec + this.replaceAfterSec;
  }

  /** Offers a new set from now on. */
  replace(set: KeySet): void {
    const acceptsUntilSec = this.clock.nowSec() + ACCEPT_OLD_SEC;
    if (this.offered !== null) this.replaced = { set: this.offered, acceptsUntilSec };
    this.offered = set;
  }

  /** Erases what accepts nothing any more. */
  sweep(): void {
    if (this.current === null) this.offered = null;
    if (this.replaced !== null && !this.isAccepting(this.replaced)) this.replaced = null;
  }

  /** The set with this receipt key, while it accepts requests. */
  accepting(receiptKey: Uint8Array): KeySet | null {
    const id = toHex(receiptKey);
    return this.acceptingSets().find(({ info }) => info.receipt === id) ?? null;
  }

  /** The set with this evidence (digest, lower-case hex), while it accepts requests. */
  acceptingFor(evidence: string): KeySet | null {
    return this.acceptingSets().find(({ info }) => info.evidence === evidence) ?? null;
  }

  /** The evidence bundle with this digest, lower-case hex. */
  evidence(digest: string): Uint8Array | null {
    return this.setOf(digest)?.bundle ?? null;
  }

  /** The GPU evidence that the claims in this bundle name. */
  gpuEvidence(digest: string): Uint8Array | null {
    return this.setOf(digest)?.gpuEvidence ?? null;
  }

  private setOf(digest: string): KeySet | undefined {
    return [this.offered, this.replaced?.set].find((set) => set?.info.evidence === digest) ?? undefined;
  }

  private acceptingSets(): readonly KeySet[] {
    const { current, replaced } = this;
    return [...(current === null ? [] : [current]), ...(replaced !== null && this.isAccepting(replaced) ? [replaced.set] : [])];
  }

  private isAccepting(replaced: { readonly set: KeySet; readonly acceptsUntilSec: number }): boolean {
    const nowSec = this.clock.nowSec();
    return nowSec < replaced.acceptsUntilSec && nowSec < replaced.set.info.notAfter;
  }
}
