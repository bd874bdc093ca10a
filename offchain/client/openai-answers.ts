/** Failures and models in the shapes that OpenAI's clients know. */
import { CocoonError, codeOf } from '../core/errors';
import { minNano } from '../core/money';
import { errorBody } from '../openai/requests';
import { ChannelError, ClientError, EvidenceRefused } from './errors';
import type { TrustedOffer } from './requests';

/** Tells the openai package not to send the prompt again by itself: this client has already tried every guest that is worth it. */
const NO_RETRY = { 'x-should-retry': 'false' } as const;

export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON. */
  readonly body: string;
}

/** The answer for a failure, in our own words; null for a defect of ours, which is not for the caller's eyes. */
export function toErrorAnswer(error: unknown): ErrorAnswer | null {
  if (!(error instanceof CocoonError)) return null;
  const status = error instanceof ClientError ? error.status : error instanceof ChannelError ? 402 : 503;
  const extra = error instanceof EvidenceRefused ? { checks: error.checks } : {};
  return answer(status, error.message, codeOf(error), extra);
}

/** The answer for what this client does not serve, or not to this caller. */
export function refusalAnswer(status: 403 | 404 | 405 | 413 | 500, code: string, message: string): ErrorAnswer {
  return answer(status, message, code, {});
}

function answer(status: number, message: string, code: string, extra: Readonly<Record<string, unknown>>): ErrorAnswer {
  const headers = { 'content-type': 'application/json', ...NO_RETRY };
  return { status, headers, body: errorBody(message, code, typeOf(status), extra) };
}

function typeOf(status: number): string {
  switch (status) {
    case 402:
      return 'insufficient_quota';
    case 403:
      return 'permission_error';
    case 429:
      return 'rate_limit_error';
    default:
      return status >= 500 ? 'api_error' : 'invalid_request_error';
  }
}

/** One model in the answer of GET /v1/models; what is under `cocoon` is ours. */
export interface ModelEntry {
  readonly id: string;
  readonly object: 'model';
  readonly created: number;
  readonly owned_by: 'cocoon';
  readonly cocoon: {
    readonly guests: number;
    readonly simulated: boolean;
    readonly model_proven: boolean;
    readonly context_length: number;
    readonly capabilities: readonly string[];
    /** The lowest of the offers, decimal nanoTON per 1,000,000 tokens. */
    readonly prompt_price: string;
    readonly answer_price: string;
  };
}

/** The models that verified guests offer, by name. A model is called proven, and not simulated, only if that holds for all its guests. */
export function modelEntries(trusted: readonly TrustedOffer[]): readonly ModelEntry[] {
  const names = [...new Set(trusted.map(({ offer }) => offer.model.name))].sort();
  return names.map((name) => {
    const guests = trusted.filter(({ offer }) => offer.model.name === name);
    return {
      id: name,
      object: 'model',
      created: Math.min(...guests.map(({ guest }) => guest.claims.issuedAt)),
      owned_by: 'cocoon',
      cocoon: {
        guests: guests.length,
        simulated: guests.some(({ guest }) => guest.report.simulated),
        model_proven: guests.every(({ guest }) => guest.report.modelProven),
        context_length: Math.min(...guests.map(({ offer }) => offer.model.contextLength)),
        capabilities: [...new Set(guests.flatMap(({ offer }) => offer.model.capabilities))],
        prompt_price: lowest(guests.map(({ offer }) => offer.prices.uncachedPrompt)),
        answer_price: lowest(guests.map(({ offer }) => offer.prices.answer)),
      },
    };
  });
}

function lowest(prices: readonly bigint[]): string {
  return prices.reduce(minNano).toString();
}
