import type { Offer } from '../protocol/calls';

/** Weight of the newest measurement in a moving average. */
const WEIGHT = 0.2;

/** What the proxy has seen of a worker: information for those who choose, measured here and not claimed by the worker. */
export class WorkerStats {
  private firstTokenMs: number | null = null;
  private tokensPerSec: number | null = null;
  private successRate: number | null = null;

  succeeded(firstByteMs: number, totalMs: number, tokens: number): void {
    this.firstTokenMs = average(this.firstTokenMs, firstByteMs);
    if (totalMs > 0) this.tokensPerSec = average(this.tokensPerSec, (tokens * 1000) / totalMs);
    this.successRate = average(this.successRate, 1);
  }

  failed(): void {
    this.successRate = average(this.successRate, 0);
  }

  shown(): Pick<Offer, 'firstTokenMs' | 'tokensPerSec' | 'successRate'> {
    return { firstTokenMs: this.firstTokenMs, tokensPerSec: this.tokensPerSec, successRate: this.successRate };
  }
}

function average(before: number | null, now: number): number {
  return before === null ? now : before + WEIGHT * (now - before);
}
