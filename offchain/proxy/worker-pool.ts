import { codeOf } from '../core/errors';
import type { Offer } from '../protocol/calls';
import type { Connection } from '../transport/exchange';
import { WorkerSession, type WorkerSessionParts } from './worker-session';

/** Most workers that are connected at once. */
const MAX_WORKERS = 1024;

/** The workers that are connected. */
export class WorkerPool {
  private readonly sessions = new Set<WorkerSession>();

  constructor(private readonly parts: WorkerSessionParts) {}

  get size(): number {
    return this.sessions.size;
  }

  all(): Iterable<WorkerSession> {
    return this.sessions;
  }

  /** Takes over a connection that a worker has dialled. */
  add(connection: Connection): void {
    if (this.sessions.size >= MAX_WORKERS) {
      connection.close();
      return;
    }
    const session = new WorkerSession(connection, this.parts);
    this.sessions.add(session);
    connection.onClose(() => {
      this.sessions.delete(session);
      this.parts.log.info({ owner: session.info?.owner }, 'worker gone');
    });
    void this.refresh(session);
  }

  /** One round over all workers. */
  async refreshAll(): Promise<void> {
    await Promise.all([...this.sessions].map((session) => this.refresh(session)));
  }

  /** A connected worker with verified evidence of this digest; one that is not full where there are several. */
  find(digest: string): WorkerSession | null {
    const able = [...this.sessions].filter((session) => session.connection.isOpen && session.guest(digest) !== null);
    return able.find((session) => !session.isFull) ?? able[0] ?? null;
  }

  /** Offers for a model, or for all, the best first: successful, cheap, idle. */
  offers(model: string | null): Offer[] {
    const offers: Offer[] = [];
    for (const session of this.sessions) {
      const offer = session.offer();
      if (offer !== null && (model === null || offer.model.name === model)) offers.push(offer);
    }
    return offers.sort(byMerit);
  }

  close(): void {
    for (const session of this.sessions) session.connection.close();
  }

  /** A worker that breaks the protocol is dropped; it may come again. */
  private async refresh(session: WorkerSession): Promise<void> {
    try {
      await session.refresh();
    } catch (error) {
      this.parts.log.warn({ owner: session.info?.owner, code: codeOf(error) }, 'worker dropped');
      session.connection.close();
    }
  }
}

function byMerit(a: Offer, b: Offer): number {
  const success = Math.round(10 * (b.successRate ?? 1)) - Math.round(10 * (a.successRate ?? 1));
  if (success !== 0) return success;
  if (a.prices.answer !== b.prices.answer) return a.prices.answer < b.prices.answer ? -1 : 1;
  return a.load.running / a.load.capacity - b.load.running / b.load.capacity;
}
