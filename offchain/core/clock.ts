/** Where a process reads the time: one injected clock, so that time travel on a local network moves everything at once. */
export interface Clock {
  /** Unix time in whole seconds. */
  nowSec(): number;
}

/** The machine's clock. */
export const systemClock: Clock = { nowSec: () => Math.floor(Date.now() / 1000) };

/** The machine's clock, moved by an offset that somebody else keeps: the local network's block time. */
export class OffsetClock implements Clock {
  private offsetSec = 0;

  /** Takes `sec` as the present time. A difference of at most two seconds is the block interval, not time travel, and is left alone. */
  setNow(sec: number): void {
    if (Math.abs(sec - this.nowSec()) > 2) this.offsetSec += sec - this.nowSec();
  }

  nowSec(): number {
    return systemClock.nowSec() + this.offsetSec;
  }
}

/** A clock that stands still until it is told otherwise. */
export class FixedClock implements Clock {
  constructor(private sec: number) {}

  nowSec(): number {
    return this.sec;
  }

  advance(sec: number): void {
    this.sec += sec;
  }
}
