/** What the proxy stands to lose by a worker: requests that it runs now, and receipts that came without their answers. */
export class WorkerExposure {
  private readonly workers = new Map<string, { inFlight: bigint; readonly undelivered: Map<string, Undelivered> }>();

  /** Max amounts of the requests that run at this worker, in nanoTON. */
  inFlight(workerContract: string): bigint {
    return this.workers.get(workerContract)?.inFlight ?? 0n;
  }

  /** Worth of receipts without answers since then, which no client has signed for, in nanoTON. */
  undelivered(workerContract: string, sinceSec: number): bigint {
    let sum = 0n;
    for (const { amount, atSec } of this.workers.get(workerContract)?.undelivered.values() ?? []) if (atSec >= sinceSec) sum += amount;
    return sum;
  }

  /** Negative to take away. */
  addInFlight(workerContract: string, amount: bigint): void {
    const worker = this.worker(workerContract);
    worker.inFlight += amount;
    this.tidy(workerContract);
  }

  addUndelivered(workerContract: string, request: string, undelivered: Undelivered): void {
    this.worker(workerContract).undelivered.set(request, undelivered);
  }

  removeUndelivered(workerContract: string, request: string): void {
    this.worker(workerContract).undelivered.delete(request);
    this.tidy(workerContract);
  }

  private worker(workerContract: string) {
    const known = this.workers.get(workerContract);
    if (known !== undefined) return known;
    const worker = { inFlight: 0n, undelivered: new Map<string, Undelivered>() };
    this.workers.set(workerContract, worker);
    return worker;
  }

  private tidy(workerContract: string): void {
    const worker = this.workers.get(workerContract);
    if (worker?.inFlight === 0n && worker.undelivered.size === 0) this.workers.delete(workerContract);
  }
}

interface Undelivered {
  readonly amount: bigint;
  readonly atSec: number;
}
