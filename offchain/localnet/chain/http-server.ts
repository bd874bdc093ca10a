import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { z } from 'zod';
import { CocoonError } from '../../core/errors';
import type { LocalChain } from './chain';
import { devMethods } from './dev-api';
import { ExternalRefusedError, LocalChainError } from './local-chain-error';
import { toncenterMethods } from './toncenter-api';

const MAX_BODY_BYTES = 1024 * 1024;
const REQUEST_TIMEOUT_MS = 30_000;
const API_PREFIX = '/api/v2/';
const DEV_PREFIX = '/dev/';

const jsonRpcSchema = z.object({
  id: z.union([z.string(), z.number(), z.null()]).optional(),
  method: z.string(),
  params: z.record(z.string(), z.unknown()).default({}),
});

/** A request that cannot be answered, with its HTTP status. */
class HttpError extends LocalChainError {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super('http_error', message);
  }
}

interface Reply {
  readonly status: number;
  readonly body?: Readonly<Record<string, unknown>>;
}

/**
 * The HTTP face of a local chain, not yet listening: toncenter v2 under /api/v2/ (JSON-RPC at /api/v2/jsonRPC, REST beside it), open to
 * every web page as toncenter is; and /dev/, which web pages may not use.
 */
export function createChainServer(chain: LocalChain, onError: (error: unknown) => void): Server {
  const api = toncenterMethods(chain);
  const dev = devMethods(chain);

  async function route(request: IncomingMessage): Promise<Reply> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    // A browser asks before it sends JSON; without the headers that only the open part gives, it then sends nothing.
    if (request.method === 'OPTIONS') return { status: 204 };
    if (request.method !== 'GET' && request.method !== 'POST') throw new HttpError(405, 'only GET and POST');
    if (url.pathname.startsWith(DEV_PREFIX)) return routeDev(request, url.pathname.slice(DEV_PREFIX.length));
    if (!url.pathname.startsWith(API_PREFIX)) throw new HttpError(404, 'not found');
    const name = url.pathname.slice(API_PREFIX.length);
    if (name !== 'jsonRPC') {
      const params = request.method === 'GET' ? Object.fromEntries(url.searchParams) : await readJson(request);
      return answer(() => call(api, name, params), {});
    }
    if (request.method !== 'POST') throw new HttpError(405, 'JSON-RPC is POST');
    const rpc = jsonRpcSchema.safeParse(await readJson(request));
    if (!rpc.success) throw new HttpError(422, 'not a JSON-RPC request');
    return answer(() => call(api, rpc.data.method, rpc.data.params), { jsonrpc: '2.0', id: rpc.data.id });
  }

  /** A page that a person visits can reach this port, too. Browsers name their origin with every request that can change something. */
  async function routeDev(request: IncomingMessage, name: string): Promise<Reply> {
    if (request.headers.origin !== undefined) throw new HttpError(403, 'not for web pages');
    if (request.method === 'GET' && name !== 'info') throw new HttpError(405, `/dev/${name} is POST`);
    const params = request.method === 'GET' ? {} : await readJson(request);
    return answer(() => call(dev, name, params), {});
  }

  async function answer(work: () => unknown, envelope: Readonly<Record<string, unknown>>): Promise<Reply> {
    try {
      return { status: 200, body: { ok: true, result: await work(), ...envelope } };
    } catch (error) {
      return failure(error, envelope);
    }
  }

  function failure(error: unknown, envelope: Readonly<Record<string, unknown>>): Reply {
    if (!(error instanceof CocoonError)) onError(error);
    const { status, text } = describe(error);
    return { status, body: { ok: false, error: text, code: status, ...envelope } };
  }

  const server = createServer((request, response) => {
    route(request)
      .catch((error: unknown) => failure(error, {}))
      .then((reply) => send(request, response, reply))
      .catch(onError);
  });
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  return server;
}

function call(methods: ReadonlyMap<string, (params: unknown) => unknown>, name: string, params: unknown): unknown {
  const method = methods.get(name);
  if (method === undefined) throw new HttpError(404, 'method not found');
  return method(params);
}

/** Status and text as toncenter gives them: its clients look at both. */
function describe(error: unknown): { status: number; text: string } {
  if (error instanceof HttpError) return { status: error.status, text: error.message };
  if (error instanceof ExternalRefusedError) {
    const account = error.account.hash.toString('hex').toUpperCase();
    const reason = error.exitCode === 0 ? 'not accepted' : `exitcode=${error.exitCode}`;
    const text = `LITE_SERVER_UNKNOWN: cannot apply external message to current state : External message was not accepted\nCannot run message on account: inbound external message rejected by account ${account}: ${reason}`;
    return { status: 500, text };
  }
  if (error instanceof CocoonError) {
    const isParameter = ['bad_params', 'bad_stack', 'bad_amount', 'bad_message'].includes(error.code);
    return isParameter ? { status: 422, text: error.message } : { status: 500, text: `LITE_SERVER_UNKNOWN: ${error.message}` };
  }
  return { status: 500, text: 'internal error, see the log' };
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of request) {
    if (!(part instanceof Uint8Array)) throw new HttpError(400, 'body is not bytes');
    size += part.length;
    if (size > MAX_BODY_BYTES) throw new HttpError(413, `body above the limit of ${MAX_BODY_BYTES} bytes`);
    parts.push(part);
  }
  if (size === 0) return {};
  try {
    return JSON.parse(Buffer.concat(parts).toString());
  } catch {
    throw new HttpError(422, 'body is not JSON');
  }
}

function send(request: IncomingMessage, response: ServerResponse, { status, body }: Reply): void {
  if (request.url?.startsWith(API_PREFIX)) {
    response.setHeader('access-control-allow-origin', '*');
    response.setHeader('access-control-allow-headers', '*');
  }
  // What is left of a body that was too long is not read: the connection ends with the answer.
  if (!request.complete) response.setHeader('connection', 'close');
  if (body === undefined) response.writeHead(status).end();
  else response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
