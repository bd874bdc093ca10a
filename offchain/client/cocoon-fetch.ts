import { concat } from '../core/bytes';
import { COMPLETION_PATHS } from '../openai/requests';
import { DONE, EventReader } from '../openai/sse';
import type { Answer } from './answer';
import { ClientError } from './errors';
import { type ErrorAnswer, modelEntries, refusalAnswer, toErrorAnswer } from './openai-answers';
import type { BegunAnswer, Requests } from './requests';

/** The part of `fetch` that OpenAI's clients use. */
export type CocoonFetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

export interface FetchOptions {
  readonly requests: Requests;
  /** Told about a failure that is a defect or ends the process (the ledger); the caller sees a plain 500. */
  onDefect(error: unknown): void;
}

/** Most bytes of an answer that is not streamed. */
const MAX_ANSWER_SIZE = 32 * 1024 * 1024;

/**
 * `fetch` for `new OpenAI({ fetch })`: POST /v1/chat/completions, /v1/completions, /v1/embeddings and GET /v1/models go through
 * Cocoon whatever the host of the URL is; everything else is 404. Failures come as OpenAI's errors. A streamed answer that fails midway
 * ends in an error event and a broken stream, never as if it were complete. Aborting stops the guest; its receipt still counts.
 */
export function createCocoonFetch(options: FetchOptions): CocoonFetch {
  return async (input, init) => {
    const request = new Request(input, init);
    // The caller's own signal: one that a Request derives from it can be collected while an answer still runs.
    const signal = init?.signal ?? (input instanceof Request ? input.signal : request.signal);
    try {
      return await route(options.requests, request, signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const known = toErrorAnswer(error);
      if (known === null || isFatal(error)) options.onDefect(error);
      return toResponse(known ?? refusalAnswer(500, 'internal', 'the client failed: see its log'));
    }
  };
}

async function route(requests: Requests, request: Request, signal: AbortSignal): Promise<Response> {
  const { pathname } = new URL(request.url);
  const path = pathname.slice(Math.max(0, pathname.lastIndexOf('/v1/')));
  if (COMPLETION_PATHS.includes(path)) {
    if (request.method !== 'POST') return toResponse(refusalAnswer(405, 'method_not_allowed', `${path} takes POST`));
    return complete(requests, path, new Uint8Array(await request.arrayBuffer()), signal);
  }
  if (path === '/v1/models' && request.method === 'GET') {
    const { trusted } = await requests.survey();
    return Response.json({ object: 'list', data: modelEntries(trusted) });
  }
  if (path.startsWith('/v1/models/') && request.method === 'GET') {
    const name = decodeURIComponent(path.slice('/v1/models/'.length));
    const [entry] = modelEntries((await requests.survey(name)).trusted);
    if (entry === undefined) throw new ClientError('no_such_model');
    return Response.json(entry);
  }
  return toResponse(refusalAnswer(404, 'not_found', `there are POST ${COMPLETION_PATHS.join(', ')} and GET /v1/models`));
}

async function complete(requests: Requests, path: string, body: Uint8Array, signal: AbortSignal): Promise<Response> {
  const begun = await requests.begin({ path, body, signal });
  const { head, answer, request } = begun;
  if (request.stream === true && head.status === 200) {
    return new Response(streamOf(requests, answer, signal), { status: 200, headers: headersOf(begun) });
  }
  const content = await collect(requests, answer, signal);
  return new Response(new Uint8Array(content), { status: head.status, headers: headersOf(begun) });
}

/** What shows where an answer came from. The price of a streamed one is known only at its end, so it is not here. */
function headersOf({ head, answer }: BegunAnswer): Headers {
  const { guest, report, authorisationHash } = answer;
  const headers = new Headers({
    'content-type': head.headers['content-type'] ?? 'application/octet-stream',
    'cocoon-worker': guest.digest,
    'cocoon-authorisation': authorisationHash,
  });
  if (guest.report.simulated) headers.set('cocoon-evidence', 'SIMULATED');
  if (!guest.report.modelProven) headers.set('cocoon-model', 'MODEL NOT PROVEN');
  if (report !== null) headers.set('cocoon-cost-nano', report.costNano.toString());
  if (head.status !== 200) headers.set('x-should-retry', 'false');
  return headers;
}

/** The whole answer, once its receipt is verified. @throws ClientError answer_broken, answer_too_large; what aborted `signal` */
async function collect(requests: Requests, answer: Answer, signal: AbortSignal): Promise<Uint8Array> {
  const left = new Promise<never>((_, reject) => {
    const leave = () => {
      requests.abandon(answer);
      reject(signal.reason);
    };
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
  });
  left.catch(() => undefined);
  const parts: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const part = await Promise.race([answer.next(), left]);
    if (part === null) return concat(...parts);
    parts.push(part);
    size += part.length;
    if (size > MAX_ANSWER_SIZE) {
      requests.abandon(answer);
      throw new ClientError('answer_too_large', `limit ${MAX_ANSWER_SIZE} bytes`);
    }
  }
}

/**
 * The events as they come. The event that says that all went well is held back until the receipt is verified; without that comes an
 * error event, and then the stream breaks.
 */
function streamOf(requests: Requests, answer: Answer, signal: AbortSignal): ReadableStream<Uint8Array> {
  const events = new EventReader();
  let held: Uint8Array = new Uint8Array(0);
  let failure: unknown = null;
  let leave = () => {};

  /** Bytes to pass on; null when the answer is over. */
  const next = async (): Promise<Uint8Array | null> => {
    const data = await answer.next();
    if (data === null) return null;
    const passed: Uint8Array[] = [];
    for (const event of events.push(data)) {
      if (event.data === DONE) held = concat(held, event.bytes);
      else passed.push(event.bytes);
    }
    return concat(...passed);
  };

  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        leave = () => {
          requests.abandon(answer);
          controller.error(signal.reason);
        };
        signal.addEventListener('abort', leave, { once: true });
        if (signal.aborted) leave();
      },
      async pull(controller) {
        if (failure !== null) return controller.error(failure);
        try {
          for (;;) {
            const bytes = await next();
            if (signal.aborted) return;
            if (bytes === null) {
              const rest = concat(events.rest, held);
              if (rest.length > 0) controller.enqueue(rest);
              signal.removeEventListener('abort', leave);
              return controller.close();
            }
            if (bytes.length > 0) return controller.enqueue(bytes);
          }
        } catch (error) {
          if (signal.aborted) return;
          signal.removeEventListener('abort', leave);
          failure = error;
          requests.abandon(answer);
          const known = toErrorAnswer(error) ?? refusalAnswer(500, 'internal', 'the client failed: see its log');
          controller.enqueue(new TextEncoder().encode(`data: ${known.body}\n\n`));
        }
      },
      cancel() {
        signal.removeEventListener('abort', leave);
        requests.abandon(answer);
      },
    },
    // Nothing is read ahead: the caller's pace is the guest's pace.
    { highWaterMark: 0 },
  );
}

/** The record of what is owed cannot be kept: nothing may go on. */
function isFatal(error: unknown): boolean {
  return error instanceof Error && error.name === 'LedgerError';
}

function toResponse({ status, headers, body }: ErrorAnswer): Response {
  return new Response(body, { status, headers: { ...headers } });
}
