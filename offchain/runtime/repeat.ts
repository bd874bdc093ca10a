import { setTimeout as delay } from 'node:timers/promises';

/**
 * Does `work` again and again, `intervalMs` after it has ended, until `signal` is aborted. An error does not end it: `onError` is told.
 * Resolves when the last round is over.
 */
export async function repeat(
  signal: AbortSignal,
  intervalMs: number,
  work: () => Promise<void>,
  onError: (error: unknown) => void,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await work();
    } catch (error) {
      if (!signal.aborted) onError(error);
    }
    await pause(intervalMs, signal);
  }
}

/** Waits, or returns at once when `signal` is aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal });
  } catch {
    // Aborted: the caller looks at the signal.
  }
}

/** Waiting times that grow from try to try, with chance, so that many who lost the same peer do not come back at once. */
export class Backoff {
  private attempt = 0;

  constructor(
    private readonly firstMs: number,
    private readonly mostMs: number,
  ) {}

  nextMs(): number {
    const full = Math.min(this.mostMs, this.firstMs * 2 ** this.attempt++);
    return full / 2 + Math.random() * (full / 2);
  }

  reset(): void {
    this.attempt = 0;
  }
}
