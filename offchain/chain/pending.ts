import type { Clock } from '../core/clock';

/** The chain shows the effect of a message some blocks after the wallet has sent it, or never. */
const FIRST_WAIT_SEC = 60;
const LONGEST_WAIT_SEC = 3600;

interface Asked {
  readonly above: bigint;
  readonly untilSec: number;
  readonly times: number;
}

/**
 * What was asked of contracts and is not seen yet, each by a counter of its contract that the effect raises. Nothing is asked twice
 * while the chain lags; what a contract goes on refusing is asked ever more rarely.
 */
export class Pending {
  private readonly asked = new Map<string, Asked>();

  constructor(private readonly clock: Clock) {}

  /** Whether this was asked for and is still waited for. `counter` is what the chain shows now. */
  isWaiting(id: string, counter: bigint): boolean {
    const asked = this.asked.get(id);
    if (asked === undefined) return false;
    if (counter <= asked.above) return this.clock.nowSec() < asked.untilSec;
    this.asked.delete(id);
    return false;
  }

  /** Before the message leaves: its effect is seen once the counter is above `above`. */
  ask(id: string, above: bigint): void {
    const times = (this.asked.get(id)?.times ?? 0) + 1;
    const waitSec = Math.min(LONGEST_WAIT_SEC, FIRST_WAIT_SEC * 2 ** (times - 1));
    this.asked.set(id, { above, untilSec: this.clock.nowSec() + waitSec, times });
  }

  /** Nothing was sent, or nobody cares any more. */
  forget(id: string): void {
    this.asked.delete(id);
  }
}
