import { Counter, type Registry } from 'prom-client';
import { totalTokens } from '../../wrappers/statements';
import type { AnswerReport } from './answer';

/** What /metrics says of the client: answers, tokens and coins, no content. */
export class ClientMetrics {
  private readonly answers: Counter<'status'>;
  private readonly tokens: Counter;
  private readonly cost: Counter;

  constructor(registry: Registry) {
    const registers = [registry];
    this.answers = new Counter({
      name: 'cocoon_client_answers_total',
      help: 'answers with a verified receipt',
      labelNames: ['status'],
      registers,
    });
    this.tokens = new Counter({ name: 'cocoon_client_tokens_total', help: 'tokens of all classes in verified receipts', registers });
    this.cost = new Counter({ name: 'cocoon_client_cost_nano_total', help: 'cost of verified receipts, nanoTON', registers });
  }

  count(report: AnswerReport): void {
    this.answers.inc({ status: STATUS[report.receipt.receipt.status] });
    this.tokens.inc(Number(totalTokens(report.usage)));
    this.cost.inc(Number(report.costNano));
  }
}

const STATUS = ['complete', 'capped', 'stopped', 'failed'] as const;
