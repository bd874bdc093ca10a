import {
  BUNDLE_CHECKS,
  CLAIMS_CHECKS,
  COLLATERAL_CHECKS,
  GPU_CHECKS,
  PLATFORM_CHECKS,
  QUOTE_CHECKS,
  RECEIPT_CHECKS,
} from '../attestation/report';
import { ClientError, type ClientErrorCode } from '../client/errors';
import { ERROR_STATUS, type ErrorCode } from '../protocol/calls';
import { code, MADE_BY, page, table } from './markdown';

/** The client's own codes; the type is what keeps the list whole. */
const CLIENT_CODES: Readonly<Record<Exclude<ClientErrorCode, ErrorCode>, true>> = {
  channel_foreign: true,
  too_many_open: true,
  proxy_unreachable: true,
  no_proxy: true,
  pin_mismatch: true,
  proxy_differs: true,
  proxy_malformed: true,
  answer_broken: true,
  answer_too_large: true,
  client_closed: true,
};

/** docs/errors.md. */
export function errorsPage(): string {
  return page(
    '# Errors',
    MADE_BY,
    '## Calls',
    'What proxy, worker and guest answer when they refuse a call: JSON `{"error": {"code", "message", "retryable", "details"?}}` with the status. These travel unsealed, so they are hints. The client shows its own text for the code, which is the one below, and never the sender\'s.',
    errorTable(namesOf(ERROR_STATUS)),
    '## Client',
    'What the gateway and the library\'s `fetch` answer beside those, as OpenAI\'s errors: `{"error": {"message", "type", "param", "code"}}`.',
    errorTable(namesOf(CLIENT_CODES)),
    '## Checks',
    'Names of the checks in a report on evidence, in their order, and of those that `cocoon verify` makes of a receipt. A refused guest is named by the checks that failed (`evidence_refused`). A check that could not run has failed.',
    table(
      ['of', 'checks'],
      [
        ['bundle', list(BUNDLE_CHECKS)],
        ['quote', list(QUOTE_CHECKS)],
        ['collateral', list(COLLATERAL_CHECKS)],
        ['platform', list(PLATFORM_CHECKS)],
        ['claims', list(CLAIMS_CHECKS)],
        ['GPUs', list(GPU_CHECKS)],
        ['receipt', list(RECEIPT_CHECKS)],
      ],
    ),
  );
}

function errorTable(codes: readonly ClientErrorCode[]): string {
  return table(
    ['code', 'status', 'meaning'],
    codes.map((name) => {
      const { status, message } = new ClientError(name);
      return [code(name), String(status), message];
    }),
  );
}

function list(names: readonly string[]): string {
  return names.map(code).join(', ');
}

function namesOf<K extends string>(record: Readonly<Record<K, unknown>>): readonly K[] {
  const has = (name: string): name is K => Object.hasOwn(record, name);
  return Object.keys(record).filter(has);
}
