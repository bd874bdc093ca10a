import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { RECEIPT_STATUS, type Usage } from '../../wrappers/statements';
import type { Outcome } from './completion';

/** What the gauges show when they are read. */
export interface GuestGauges {
  running(): number;
  receiptsWaiting(): number;
  isReady(): boolean;
}

const STATUS_NAMES = Object.entries(RECEIPT_STATUS);

/** The guest's metrics, all `cocoon_guest_*`. */
export class GuestMetrics {
  private readonly answers: Counter<'status'>;
  private readonly tokens: Counter<'kind'>;
  private readonly refusals: Counter<'code'>;
  private readonly seconds: Histogram;

  constructor(private readonly registry: Registry) {
    const registers = [registry];
    this.answers = new Counter({
      name: 'cocoon_guest_answers_total',
      help: 'Answers by how they ended',
      labelNames: ['status'],
      registers,
    });
    this.tokens = new Counter({ name: 'cocoon_guest_tokens_total', help: 'Tokens in receipts', labelNames: ['kind'], registers });
    this.refusals = new Counter({ name: 'cocoon_guest_refusals_total', help: 'Calls refused', labelNames: ['code'], registers });
    this.seconds = new Histogram({
      name: 'cocoon_guest_answer_seconds',
      help: 'From an opened request to its receipt',
      buckets: [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300],
      registers,
    });
  }

  /** Shows these whenever the metrics are read. */
  show(gauges: GuestGauges): void {
    const gauge = (name: string, help: string, read: () => number) =>
      new Gauge({
        name,
        help,
        registers: [this.registry],
        collect() {
          this.set(read());
        },
      });
    gauge('cocoon_guest_running_requests', 'Requests that run', () => gauges.running());
    gauge('cocoon_guest_waiting_receipts', 'Receipts that the worker has not fetched', () => gauges.receiptsWaiting());
    gauge('cocoon_guest_ready', '1 while requests are accepted', () => (gauges.isReady() ? 1 : 0));
  }

  /** Starts a stopwatch; it gives the seconds since then. */
  startAnswer(): () => number {
    const startedAtMs = performance.now();
    return () => (performance.now() - startedAtMs) / 1000;
  }

  answered(outcome: Outcome, seconds: number): void {
    this.answers.inc({ status: STATUS_NAMES.find(([, value]) => value === outcome.status)?.[0] ?? 'unknown' });
    this.seconds.observe(seconds);
    const usage: Usage = outcome.usage;
    for (const [kind, count] of Object.entries(usage)) this.tokens.inc({ kind }, count);
  }

  refused(code: string): void {
    this.refusals.inc({ code });
  }
}
