import { z } from 'zod';
import { encodeReceipt } from '../../wrappers/statements';
import { formatReport } from '../attestation/format-report';
import { toBase64Url, toHex } from '../core/bytes';
import { ConfigError, codeOf } from '../core/errors';
import { formatTon, parseTon } from '../core/money';
import { LedgerError } from '../ledger/ledger';
import type { Command } from '../runtime/control';
import { type ProcessContext, type RunningProcess, runProcess } from '../runtime/lifecycle';
import { encodeOpening } from '../sealing/opening';
import { listen } from '../transport/tls';
import type { AnswerReport } from './answer';
import { type CocoonClient, composeClient } from './cocoon-client';
import { type ClientConfig, ClientConfigSchema } from './config';
import { createGateway } from './gateway';
import { ClientMetrics } from './metrics';

runProcess({ name: 'client', config: ClientConfigSchema, start });

async function start(context: ProcessContext<ClientConfig>): Promise<RunningProcess> {
  const { config, log } = context;
  const onDefect = (error: unknown) => {
    if (error instanceof LedgerError) context.fail(error);
    else log.error({ err: error }, 'request failed');
  };
  const client = await composeClient(settingsOf(config), log, onDefect);
  const recent: AnswerReport[] = [];
  const metrics = new ClientMetrics(context.metrics);
  client.onAnswer((report) => {
    recent.push(report);
    metrics.count(report);
    if (recent.length > RECENT_ANSWERS) recent.shift();
    log.info(detailsOf(report), 'answer');
    context.report('answer', detailsOf(report));
  });
  try {
    if (config.ownerKeyFile !== null) await client.openChannel();
  } catch (error) {
    // The gateway still serves: a request says what is missing, and the deposit can be withdrawn.
    log.warn({ code: codeOf(error) }, 'channel not opened');
  }
  const gateway = createGateway({ fetch: client.fetch, maxBodySize: config.maxBodySize, onDefect });
  const port = await listen(gateway.server, { host: config.host, port: config.port });
  const { channel } = await client.balance();
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;

  return {
    details: { url: `http://${host}:${port}/v1`, port, channel },
    health: () => ({ status: 'ok', details: client.health() }),
    commands: commandsOf(client, recent),
    stop: async () => {
      gateway.close();
      await client.close();
    },
  };
}

function settingsOf({ host: _host, port: _port, maxBodySize: _maxBodySize, logLevel: _logLevel, ...settings }: ClientConfig) {
  return settings;
}

/** Answers that the control socket can show. */
const RECENT_ANSWERS = 1000;

const amountSchema = z.strictObject({ ton: z.string() });
const answerSchema = z.strictObject({ answer: z.string().nullable().default(null) });
const withdrawSchema = z.strictObject({ ton: z.string().nullable().default(null) });

/** What a person may ask of the gateway over its control socket. Amounts in TON. */
function commandsOf(client: CocoonClient, recent: readonly AnswerReport[]): Readonly<Record<string, Command>> {
  return {
    balance: async () => {
      const { channel, isOpen, freeNano, depositNano, owedNano, paidNano, withdrawal, walletNano } = await client.balance();
      return {
        channel,
        isOpen,
        free: formatTon(freeNano),
        deposit: formatTon(depositNano),
        owed: formatTon(owedNano),
        paid: formatTon(paidNano),
        withdrawal: withdrawal === null ? null : { ...amountOf(withdrawal.amountNano), readyAt: withdrawal.readyAtSec },
        wallet: walletNano === null ? null : formatTon(walletNano),
      };
    },
    /** What the last answer was, with the report on its guest's evidence and its receipt. */
    last: async () => {
      const report = recent.at(-1);
      if (report === undefined) return null;
      return { ...detailsOf(report), evidenceReport: formatReport(report.evidence), receiptText: formatReceipt(report) };
    },
    /** The latest answers, each with its receipt, signature and opening as base64url. */
    answers: async () => ({ answers: recent.map((report) => ({ ...detailsOf(report), ...proofOf(report) })) }),
    /** The receipt of the last answer, or of the one under an authorisation: what `cocoon verify` takes. */
    receipt: async (input) => {
      const { answer } = read(answerSchema, input, '{"answer": "AUTHORISATION HASH"}');
      const report = answer === null ? recent.at(-1) : recent.find(({ authorisationHash }) => authorisationHash === answer);
      if (report === undefined) throw new ConfigError('no_answer', `there is no such answer among the last ${RECENT_ANSWERS}`);
      return client.receiptFile(report);
    },
    open: async () => {
      await client.openChannel();
      return {};
    },
    topup: async (input) => {
      await client.topUp(parseTon(read(amountSchema, input).ton));
      return {};
    },
    /** Announces a withdrawal: of `ton`, or of everything; 0 takes the announcement back. */
    withdraw: async (input) => {
      const { ton } = read(withdrawSchema, input);
      const nano = ton === null ? null : parseTon(ton);
      if (nano === 0n) {
        await client.cancelWithdrawal();
        return { cancelled: true };
      }
      const { amountNano, readyAtSec } = await client.requestWithdrawal(nano);
      return { ...amountOf(amountNano), readyAt: readyAtSec };
    },
    complete: async () => {
      await client.completeWithdrawal();
      return {};
    },
    /** Sends a voucher over every receipt, now. */
    settle: async () => {
      await client.settle();
      return {};
    },
  };
}

function read<T>(schema: z.ZodType<T>, input: unknown, form = '{"ton": "AMOUNT"}'): T {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  throw new ConfigError('bad_command', `the command takes ${form}`);
}

function amountOf(nano: bigint | null): { readonly amount: string } {
  return { amount: nano === null ? 'everything' : formatTon(nano) };
}

/** One answer in flat values, safe to log and to show. */
function detailsOf(report: AnswerReport) {
  const { usage } = report;
  return {
    model: report.model,
    worker: report.worker,
    owner: report.owner,
    number: report.number.toString(),
    authorisation: report.authorisationHash,
    costNano: report.costNano.toString(),
    cost: `${formatTon(report.costNano)} TON`,
    ...usage,
    status: report.receipt.receipt.status,
    simulated: report.simulated,
    modelProven: report.modelProven,
  };
}

/** What anybody can check of an answer, and what only its caller can open. */
function proofOf({ receipt }: AnswerReport) {
  return {
    receipt: toBase64Url(encodeReceipt(receipt.receipt)),
    signature: toBase64Url(receipt.signature),
    opening: toBase64Url(encodeOpening(receipt.opening)),
  };
}

const STATUS_WORDS = ['complete', 'cut at its limit', 'stopped by the caller', 'failed'] as const;

/** The receipt as lines for people. */
function formatReceipt(report: AnswerReport): string {
  const { receipt, signature, opening } = report.receipt;
  const { usage } = report;
  return [
    `Receipt verified${report.simulated ? ' (SIMULATED)' : ''}`,
    `  authorisation  ${report.authorisationHash}`,
    `  status         ${STATUS_WORDS[receipt.status]}`,
    `  tokens         ${usage.uncachedPrompt} prompt, ${usage.cachedPrompt} cached, ${usage.answer} answer, ${usage.reasoning} reasoning`,
    `  cost           ${formatTon(report.costNano)} TON`,
    `  evidence       ${report.worker}`,
    `  commitment     ${toHex(opening.requestHash).slice(0, 16)}... asked, ${toHex(opening.responseHash).slice(0, 16)}... answered`,
    `  signature      ${toHex(signature).slice(0, 32)}...`,
  ].join('\n');
}
