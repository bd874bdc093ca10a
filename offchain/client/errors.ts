/**
 * client: the caller's side: an OpenAI-compatible gateway on loopback, and the same as a library (`fetch` for the openai package).
 * It owns the session key, the channel's record of numbers, receipts and vouchers, and the decision whom to seal to.
 * It trusts the root contract as the chain shows it, the trust roots of its policy, and its own record; of a proxy it believes
 * nothing that a signature or the chain does not show. It never shows a peer's words to people, never seals to a key that it has not
 * verified, and never reads the owner's wallet unless its config names the key file.
 */
import { type Check, failedChecks, type Report } from '../attestation/report';
import { CocoonError, type ErrorData } from '../core/errors';
import { formatTon } from '../core/money';
import { ERROR_STATUS, type ErrorCode } from '../protocol/calls';

/** What each failure means for the caller, by code: the proxy's codes (protocol/calls.ts) and our own. Status of HTTP, text for people. */
const OWN_STATUS = {
  channel_foreign: 402,
  too_many_open: 429,
  proxy_unreachable: 503,
  no_proxy: 503,
  pin_mismatch: 502,
  proxy_differs: 502,
  proxy_malformed: 502,
  answer_broken: 502,
  answer_too_large: 502,
  client_closed: 503,
} as const;
export type ClientErrorCode = ErrorCode | keyof typeof OWN_STATUS;

const TEXT: Readonly<Record<ClientErrorCode, string>> = {
  bad_request: 'the request is not valid',
  credit_exhausted: 'the request costs more than the proxy lets run unpaid at once: ask for fewer tokens',
  deposit_exhausted: "the channel's deposit does not cover the request",
  no_channel: 'there is no open channel to the proxy',
  evidence_refused: 'no guest for this model passed verification, so nothing was sent',
  authorisation_refused: 'the proxy refused the authorisation of this request',
  voucher_refused: 'the proxy refused the voucher of this channel',
  no_such_model: 'no guest serves this model',
  not_found: 'the proxy does not know what was asked for',
  already_used: 'the number of this request was used before',
  key_expired: 'the guest has replaced its keys',
  body_too_large: 'the request is too large',
  too_many_requests: 'all guests of this model are busy',
  internal: 'the proxy failed',
  worker_failed: 'the worker failed; nothing is charged without a receipt',
  worker_gone: 'the worker is gone; nothing is charged without a receipt',
  not_ready: 'no guest of this model is ready',
  timeout: 'the answer did not come in time',
  channel_foreign: 'the channel was opened with another session key than the one in this state folder',
  too_many_open: 'too many requests of this channel have no receipt yet: wait for some to end or to expire',
  proxy_unreachable: 'the proxy cannot be reached',
  no_proxy: 'no proxy that can be used is registered',
  pin_mismatch: 'the proxy shows another TLS key than the one on chain',
  proxy_differs: 'the proxy says something else about itself than the chain does',
  proxy_malformed: 'the proxy sent something that is not of the protocol',
  answer_broken: 'the answer was cut or altered on its way, and is not to be used',
  answer_too_large: 'the answer is larger than this client takes at once: ask for it as a stream',
  client_closed: 'the client is closing',
};

function statusOf(code: ClientErrorCode): number {
  return { ...ERROR_STATUS, ...OWN_STATUS }[code];
}

/** Why a request could not be served. `message` is our own text, `remedy` what to do; neither repeats anything from the network. */
export class ClientError extends CocoonError {
  readonly status: number;

  constructor(
    override readonly code: ClientErrorCode,
    readonly remedy: string = '',
    data: ErrorData = {},
    options: { cause?: unknown } = {},
  ) {
    super(code, remedy === '' ? TEXT[code] : `${TEXT[code]}: ${remedy}`, data, options);
    this.status = statusOf(code);
  }
}

/** The proxy refused a call, broke the protocol, or cannot be reached. A hint only: nothing that it says is proven. */
export class ProxyError extends ClientError {
  constructor(
    code: ClientErrorCode,
    /** NanoTON that the proxy says are missing; null when it does not say. */
    readonly missingNano: bigint | null = null,
    options: { cause?: unknown } = {},
  ) {
    super(code, missingNano === null ? '' : `${formatTon(missingNano)} TON are missing`, {}, options);
  }
}

/**
 * The channel's contract could not be changed as asked. Codes: no_owner_key (name the key file), no_withdrawal, too_early (wait),
 * not_confirmed (look at the chain before trying again).
 */
export class ChannelError extends CocoonError {}

/** What was found about one guest that was refused. */
export interface Refusal {
  /** Evidence digest, lower-case hex. */
  readonly digest: string;
  readonly report: Report;
}

/** The evidence of every guest that could have served a request was refused. Nothing was sealed, nothing left this process. */
export class EvidenceRefused extends ClientError {
  constructor(readonly refusals: readonly Refusal[]) {
    const checks = refusals.flatMap(({ report }) => failedChecks(report));
    super('evidence_refused', describeChecks(checks), { checks: namesOf(checks) });
  }

  /** Names of the checks that failed, each once. */
  get checks(): readonly string[] {
    return namesOf(this.refusals.flatMap(({ report }) => failedChecks(report)));
  }
}

function namesOf(checks: readonly Check[]): readonly string[] {
  return [...new Set(checks.map((check) => check.name))];
}

/** The first failure is the telling one: those behind it often could only not run. */
function describeChecks(checks: readonly Check[]): string {
  const first = checks[0];
  if (first === undefined) return '';
  const others = namesOf(checks).filter((name) => name !== first.name);
  return `${first.name} failed (${first.reason})${others.length === 0 ? '' : `, then ${others.join(', ')}`}`;
}
