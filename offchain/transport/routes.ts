import { StatementError } from '../../wrappers/statements';
import { codeOf, MalformedError } from '../core/errors';
import { CallError, errorJson } from '../protocol/json';
import { SealingError } from '../sealing/errors';
import { type Answer, type Handler, type Headers, type IncomingCall, once } from './exchange';

/** One route: `path` may end in `/:name`, which is handed over as `parameter`. */
export interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  handle(call: IncomingCall, parameter: string, query: URLSearchParams): Promise<Answer>;
}

/**
 * A handler that finds the route, and turns what a handler throws into the answer that the caller gets: CallError as it says,
 * malformed input as bad_request, anything else is our defect and goes on to the server.
 */
export function routes(list: readonly Route[], headers: Headers = {}): Handler {
  return async (call) => {
    const answer = await answerOf(list, call);
    return Object.keys(headers).length === 0 ? answer : { ...answer, headers: { ...answer.headers, ...headers } };
  };
}

async function answerOf(list: readonly Route[], call: IncomingCall): Promise<Answer> {
  try {
    // Put together, not resolved: a path that begins with "//" would name another host.
    const url = URL.canParse(`http://cocoon${call.path}`) ? new URL(`http://cocoon${call.path}`) : null;
    if (url === null) throw new CallError('not_found', 'no such path here');
    for (const route of list) {
      if (route.method !== call.method) continue;
      const parameter = match(route.path, url.pathname);
      if (parameter !== null) return await route.handle(call, parameter, url.searchParams);
    }
    throw new CallError('not_found', `no ${call.method} ${url.pathname.slice(0, 100)} here`);
  } catch (error) {
    return errorAnswer(error);
  }
}

/** The answer for an error. @throws what is neither a CallError nor malformed input */
export function errorAnswer(error: unknown): Answer {
  const refused = toCallError(error);
  if (refused === null) throw error;
  return { status: refused.status, headers: { 'content-type': 'application/json' }, body: once(errorJson(refused)) };
}

function toCallError(error: unknown): CallError | null {
  if (error instanceof CallError) return error;
  const isMalformed = error instanceof MalformedError || error instanceof SealingError || error instanceof StatementError;
  return isMalformed ? new CallError('bad_request', `the call is malformed (${codeOf(error)})`) : null;
}

/** JSON bytes as an answer. */
export function okJson(body: Uint8Array, headers: Headers = {}): Answer {
  return { status: 200, headers: { 'content-type': 'application/json', ...headers }, body: once(body) };
}

/** An answer without a body. */
export function noContent(): Answer {
  return { status: 204, headers: {}, body: once(new Uint8Array(0)) };
}

function match(pattern: string, path: string): string | null {
  const at = pattern.indexOf('/:');
  if (at < 0) return pattern === path ? '' : null;
  const prefix = pattern.slice(0, at + 1);
  const rest = path.slice(prefix.length);
  return path.startsWith(prefix) && rest !== '' && !rest.includes('/') ? rest : null;
}
