import type { Clock } from '../core/clock';

/** What the memory says to an authorisation: it is new and now remembered, was here before, or there is no room to remember it. */
export type ReplayVerdict = 'new' | 'known' | 'full';

/**
 * Which authorisations a key set has run. Each is remembered until its `validUntil` has passed, none is forgotten earlier to make
 * room, and after that the validity check refuses it: so none runs twice.
 */
export class ReplayMemory {
  private readonly known = new Set<bigint>();
  private readonly byExpiry = new Map<number, bigint[]>();
  private sweptAtSec = 0;

  constructor(
    /** Must never go back. */
    private readonly clock: Clock,
    private readonly limit: number,
  ) {}

  get size(): number {
    return this.known.size;
  }

  /** @param validUntil Unix seconds; the caller has checked that it has not passed. */
  remember(authorisationHash: bigint, validUntil: number): ReplayVerdict {
    this.sweep();
    if (this.known.has(authorisationHash)) return 'known';
    if (this.known.size >= this.limit) return 'full';
    this.known.add(authorisationHash);
    const sameExpiry = this.byExpiry.get(validUntil);
    if (sameExpiry === undefined) this.byExpiry.set(validUntil, [authorisationHash]);
    else sameExpiry.push(authorisationHash);
    return 'new';
  }

  /** Once a second at most; there are no more expiries than seconds that an authorisation may be ahead. */
  private sweep(): void {
    const nowSec = this.clock.nowSec();
    if (nowSec === this.sweptAtSec) return;
    this.sweptAtSec = nowSec;
    for (const [validUntil, hashes] of this.byExpiry) {
      if (validUntil >= nowSec) continue;
      for (const hash of hashes) this.known.delete(hash);
      this.byExpiry.delete(validUntil);
    }
  }
}
