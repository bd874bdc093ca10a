import { codeOf } from '../core/errors';
import { LedgerError } from '../ledger/ledger';
import type { Offer } from '../protocol/calls';
import type { Connection } from '../transport/exchange';
import { WorkerSession, type WorkerSessionParts } from './worker-session';

/** Most workers that are connected at once. */
const MAX_WORKERS = 1024;
/** Most offers in one answer. */
const MAX_OFFERS = 256;

export interface WorkerPoolParts extends WorkerSessionParts {
  /** Ends the process: the record cannot be written. */
  fail(error: unknown): void;
}

/** The workers that are connected. */
export class WorkerPool {
  private readonly sessions = new Set<WorkerSession>();
  private readonly refreshing = new Map<WorkerSession, Promise<void>>();

  constructor(private readonly parts: WorkerPoolParts) {}

  get size(): number {
    return this.sessions.size;
  }

  all(): Iterable<WorkerSession> {
    return this.sessions;
  }

  /** Takes over a connection that a worker has dialled. When all places are taken, the oldest that has proven nothing has to go. */
  add(connection: Connection): void {
    if (this.sessions.size >= MAX_WORKERS) {
      const unproven = [...this.sessions].find((session) => !session.isVerified);
      if (unproven === undefined) {
        connection.close();
        return;
      }
      unproven.connection.close();
      this.sessions.delete(unproven);
    }
    const session = new WorkerSession(connection, this.parts);
    this.sessions.add(session);
    connection.onClose(() => {
      if (this.sessions.delete(session)) this.parts.log.info({ owner: session.info?.owner }, 'worker gone');
    });
    this.refresh(session);
  }

  /** Begins a round over all workers; one that is slow keeps no other waiting. */
  refreshAll(): void {
    for (const session of this.sessions) this.refresh(session);
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
    return offers.sort(byMerit).slice(0, MAX_OFFERS);
  }

  /** Drops every worker and waits for what is under way. */
  async close(): Promise<void> {
    for (const session of this.sessions) session.connection.close();
    await Promise.all(this.refreshing.values());
  }

  private refresh(session: WorkerSession): void {
    if (this.refreshing.has(session)) return;
    const round = this.refreshNow(session).finally(() => this.refreshing.delete(session));
    this.refreshing.set(session, round);
  }

  /** A worker that breaks the protocol is dropped; it may come again. */
  private async refreshNow(session: WorkerSession): Promise<void> {
    try {
      await session.refresh();
    } catch (error) {
      if (error instanceof LedgerError) return this.parts.fail(error);
      if (session.connection.isOpen) this.parts.log.warn({ owner: session.info?.owner, code: codeOf(error) }, 'worker dropped');
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
