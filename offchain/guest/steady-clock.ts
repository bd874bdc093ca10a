import type { Clock } from '../core/clock';

/** Another clock that never goes back: the guest's time is its host's, and a host could turn it back to run an authorisation twice. */
export class SteadyClock implements Clock {
  private latestSec = 0;

  constructor(private readonly source: Clock) {}

  nowSec(): number {
    this.latestSec = Math.max(this.latestSec, this.source.nowSec());
    return this.latestSec;
  }
}
