import { z } from 'zod';
import { ConfigError, codeOf } from '../core/errors';
import { formatTon, parseTon } from '../core/money';
import type { Command } from '../runtime/control';
import { type ProcessContext, type RunningProcess, runProcess } from '../runtime/lifecycle';
import { listen } from '../transport/tls';
import type { AnswerReport } from './answer';
import { type CocoonClient, composeClient } from './cocoon-client';
import { type ClientConfig, ClientConfigSchema } from './config';
import { createGateway } from './gateway';

/** `cocoon client --config FILE` */
export function run(): void {
  runProcess({ name: 'client', config: ClientConfigSchema, start });
}

async function start(context: ProcessContext<ClientConfig>): Promise<RunningProcess> {
  const { config, log } = context;
  const onDefect = (error: unknown) => {
    if (error instanceof Error && error.name === 'LedgerError') context.fail(error);
    else log.error({ err: error }, 'request failed');
  };
  const client = await composeClient(settingsOf(config), log, onDefect);
  let last: AnswerReport | null = null;
  client.onAnswer((report) => {
    last = report;
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
    commands: commandsOf(client, () => last),
    stop: async () => {
      gateway.close();
      await client.close();
    },
  };
}

function settingsOf({ host: _host, port: _port, maxBodySize: _maxBodySize, logLevel: _logLevel, ...settings }: ClientConfig) {
  return settings;
}

const amountSchema = z.strictObject({ ton: z.string() });
const withdrawSchema = z.strictObject({ ton: z.string().nullable().default(null) });

/** What a person may ask of the gateway over its control socket. Amounts in TON. */
function commandsOf(client: CocoonClient, last: () => AnswerReport | null): Readonly<Record<string, Command>> {
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
    /** What the last answer was, with the checks of its guest's evidence. */
    last: async () => {
      const report = last();
      return report === null ? null : { ...detailsOf(report), evidence: report.evidence };
    },
    open: async () => {
      await client.openChannel();
      return {};
    },
    topup: async (input) => {
      await client.topUp(parseTon(read(amountSchema, input).ton));
      return {};
    },
    /** Announces a withdrawal: of `ton`, or of everything. */
    withdraw: async (input) => {
      const { ton } = read(withdrawSchema, input);
      const { amountNano, readyAtSec } = await client.requestWithdrawal(ton === null ? null : parseTon(ton));
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

function read<T>(schema: z.ZodType<T>, input: unknown): T {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  throw new ConfigError('bad_command', 'the command takes {"ton": "AMOUNT"}');
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
    promptTokens: usage.uncachedPrompt + usage.cachedPrompt,
    answerTokens: usage.answer + usage.reasoning,
    status: report.receipt.receipt.status,
    simulated: report.simulated,
    modelProven: report.modelProven,
  };
}
