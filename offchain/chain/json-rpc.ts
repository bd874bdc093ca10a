import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { messageOf } from '../core/errors';
import { systemErrorCode } from '../runtime/system-error';
import { ChainError } from './chain-error';

export interface JsonRpcOptions {
  /** toncenter v2 JSON-RPC endpoint, such as `https://toncenter.com/api/v2/jsonRPC`. */
  readonly endpoint: string;
  readonly apiKey?: string;
  /** For one try. */
  readonly timeoutMs?: number;
  /** Tries in all, with pauses of 0.25 s, 0.5 s, 1 s, ... up to 4 s between them. */
  readonly attempts?: number;
  /** How to pause; tests give one that does not. */
  wait?(ms: number): Promise<unknown>;
}

const TIMEOUT_MS = 10_000;
const ATTEMPTS = 5;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 4_000;
const BUSY_STATUS: readonly number[] = [429, 502, 503, 504];

const envelopeSchema = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), result: z.unknown() }),
  z.object({ ok: z.literal(false), error: z.string().optional(), result: z.unknown().optional() }),
]);

/** JSON-RPC over HTTP with retries. Retrying is safe for sending too: a chain runs an external message of a given number once. */
export class JsonRpc {
  private readonly options: JsonRpcOptions;

  constructor(options: JsonRpcOptions) {
    this.options = options;
  }

  /** The result of one call, in the form of `schema`. @throws ChainError */
  async call<T>(method: string, params: Readonly<Record<string, unknown>>, schema: z.ZodType<T>): Promise<T> {
    const envelope = await this.post(JSON.stringify({ id: '1', jsonrpc: '2.0', method, params }));
    const result = schema.safeParse(envelope.result);
    if (result.success) return result.data;
    const at = result.error.issues[0]?.path.join('.') ?? '';
    throw new ChainError('chain_malformed', `answer to ${method} has no valid ${at || 'result'}`, { method });
  }

  /** One request body, already in JSON; the whole successful answer. @throws ChainError */
  async post(body: string): Promise<{ readonly ok: true; readonly result: unknown }> {
    const attempts = this.options.attempts ?? ATTEMPTS;
    const wait = this.options.wait ?? delay;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.postOnce(body);
      } catch (error) {
        const isPassing = error instanceof ChainError && (error.code === 'chain_unreachable' || error.code === 'chain_busy');
        if (!isPassing || attempt >= attempts) throw error;
        await wait(Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1)));
      }
    }
  }

  private async postOnce(body: string): Promise<{ readonly ok: true; readonly result: unknown }> {
    const { endpoint, apiKey } = this.options;
    const host = new URL(endpoint).host;
    let status: number;
    let text: string;
    try {
      const response = await fetch(endpoint, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(apiKey === undefined ? {} : { 'x-api-key': apiKey }) },
        body,
        signal: AbortSignal.timeout(this.options.timeoutMs ?? TIMEOUT_MS),
      });
      status = response.status;
      text = await response.text();
    } catch (cause) {
      throw new ChainError('chain_unreachable', `no answer from ${host}: ${reasonOf(cause)}`, { host }, { cause });
    }
    if (BUSY_STATUS.includes(status)) throw new ChainError('chain_busy', `${host} is busy (status ${status})`, { host, status });
    const envelope = envelopeSchema.safeParse(parseJson(text));
    if (!envelope.success)
      throw new ChainError('chain_malformed', `answer from ${host} is not an API answer (status ${status})`, { host, status });
    if (envelope.data.ok) return { ok: true, result: envelope.data.result };
    throw refusal(host, status, envelope.data.error ?? '');
  }
}

/** What the endpoint says is not passed on, since it comes from the network; the exit code in it is, being a number. */
function refusal(host: string, status: number, text: string): ChainError {
  const exitCode = /exit ?code[=:\s]+(-?\d{1,6})/i.exec(text)?.[1];
  if (exitCode === undefined) return new ChainError('chain_refused', `${host} refused the call (status ${status})`, { host, status });
  return new ChainError('chain_refused', `the contract refused the message with exit code ${exitCode}`, {
    host,
    status,
    exitCode: Number(exitCode),
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** fetch hides what happened (ECONNREFUSED and the like) in the cause of its error. */
function reasonOf(error: unknown): string {
  const inner = typeof error === 'object' && error !== null && 'cause' in error ? error.cause : undefined;
  return systemErrorCode(inner) ?? messageOf(error);
}
