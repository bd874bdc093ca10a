import { createServer as createHttp1, type IncomingMessage, type ServerResponse } from 'node:http';
import { constants, createServer as createHttp2, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import type { Duplex } from 'node:stream';
import { CocoonError } from '../core/errors';
import { type Answer, type Handler, type Headers, once, TRANSPORT_LIMITS } from './exchange';
import { http2Options, keepSession } from './session';

type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse | Http2ServerResponse;

export interface ServeOptions {
  readonly maxBodySize?: number;
  /** What a body above the limit is answered; a plain error of ours unless given. */
  readonly tooLarge?: (limit: number) => Answer;
  /** A body or a reader without progress for so long is cut. */
  readonly stallMs?: number;
  /** Told about a handler that threw, or whose answer broke off for a reason that is not ours to expect: a defect, the caller sees 500 or a cut. */
  readonly onError?: (error: unknown) => void;
}

/** An HTTP server without a listener: it is given sockets. */
export interface SocketServer {
  /** Serves a socket that is connected and, where that matters, already secured. */
  serve(socket: Duplex): void;
  /** Cuts every connection. */
  close(): void;
}

/** HTTP/2 on the sockets that it is given. */
export function http2Server(handler: Handler, options: ServeOptions = {}): SocketServer {
  const server = createHttp2(http2Options(), (request, response) => take(handler, options, request, response));
  const sockets = new Set<Duplex>();
  server.on('session', (session) => {
    session.on('error', () => session.destroy());
    keepSession(session);
  });
  server.on('sessionError', () => undefined);
  return {
    serve: (socket) => {
      if (socket.destroyed) return;
      track(sockets, socket);
      server.emit('connection', socket);
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** HTTP/1.1 on the sockets that it is given. */
export function http1Server(handler: Handler, options: ServeOptions = {}): SocketServer {
  const server = createHttp1({ keepAliveTimeout: 60_000 }, (request, response) => take(handler, options, request, response));
  // Node's own limits on slow headers start with a listener, which this server does not have.
  server.timeout = stallMsOf(options);
  server.on('clientError', (_error, socket) => socket.destroy());
  const sockets = new Set<Duplex>();
  return {
    serve: (socket) => {
      if (socket.destroyed) return;
      track(sockets, socket);
      server.emit('connection', socket);
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function track(sockets: Set<Duplex>, socket: Duplex): void {
  sockets.add(socket);
  socket.on('error', () => socket.destroy());
  socket.once('close', () => sockets.delete(socket));
}

function stallMsOf(options: ServeOptions): number {
  return options.stallMs ?? TRANSPORT_LIMITS.stallMs;
}

function take(handler: Handler, options: ServeOptions, request: Request, response: Response): void {
  answer(handler, options, request, response).catch((error) => {
    options.onError?.(error);
    cut(response);
  });
}

function tooLarge(limit: number): Answer {
  return jsonAnswer(413, { error: { code: 'body_too_large', message: `body above ${limit} bytes`, retryable: false } });
}

async function answer(handler: Handler, options: ServeOptions, request: Request, response: Response): Promise<void> {
  const gone = new AbortController();
  response.on('error', () => gone.abort());
  const progress = { ended: false };
  response.on('close', () => {
    if (!progress.ended) gone.abort();
  });
  const limit = options.maxBodySize ?? TRANSPORT_LIMITS.maxBodySize;
  request.setTimeout(stallMsOf(options), () => cut(response));
  const body = await readBody(request, limit);
  request.setTimeout(0);
  if (body === 'cut') return cut(response);
  let result: Answer;
  try {
    result =
      body === 'too_large'
        ? (options.tooLarge ?? tooLarge)(limit)
        : await handler({
            method: request.method ?? 'GET',
            path: request.url ?? '/',
            headers: headersOf(request),
            body,
            signal: gone.signal,
          });
  } catch (error) {
    options.onError?.(error);
    result = jsonAnswer(500, { error: { code: 'internal', message: 'internal error', retryable: true } });
  }
  await send(response, result, gone.signal, options, progress);
  if (body === 'too_large') dropRest(request, response);
}

/** An answer with a JSON body. */
export function jsonAnswer(status: number, value: unknown, headers: Headers = {}): Answer {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: once(Buffer.from(JSON.stringify(value))) };
}

/** Lets go of a body that is not wanted, so that the caller, who may still be sending, gets to its answer. */
function dropRest(request: Request, response: Response): void {
  if (!('stream' in response)) request.resume();
  else response.stream?.close(constants.NGHTTP2_NO_ERROR);
}

async function readBody(request: Request, limit: number): Promise<Uint8Array | 'too_large' | 'cut'> {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > limit) return 'too_large';
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const part of request.iterator({ destroyOnReturn: false })) {
      size += part.length;
      if (size > limit) return 'too_large';
      parts.push(part);
    }
  } catch {
    return 'cut';
  }
  return Buffer.concat(parts);
}

function headersOf(request: Request): Headers {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (!name.startsWith(':') && value !== undefined) headers[name] = String(value);
  }
  return headers;
}

async function send(
  response: Response,
  result: Answer,
  gone: AbortSignal,
  options: ServeOptions,
  progress: { ended: boolean },
): Promise<void> {
  const iterator = result.body[Symbol.asyncIterator]();
  let isRead = false;
  try {
    if (gone.aborted) return;
    response.writeHead(result.status, { ...result.headers });
    for (;;) {
      const next = await iterator.next();
      if (next.done) break;
      if (gone.aborted) return;
      if (!write(response, next.value) && !(await drained(response, gone, stallMsOf(options)))) return cut(response);
    }
    isRead = true;
    progress.ended = true;
    response.end();
  } catch (error) {
    // The answer broke off: the caller must see a cut, not a shorter answer.
    if (!(error instanceof CocoonError)) options.onError?.(error);
    cut(response);
  } finally {
    if (!isRead) await iterator.return?.();
  }
}

function write(response: Response, bytes: Uint8Array): boolean {
  return 'stream' in response ? response.write(bytes) : response.write(bytes);
}

/** Whether the reader took what was written before the stall limit. */
function drained(response: Response, gone: AbortSignal, stallMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (result: boolean) => {
      clearTimeout(timer);
      response.removeListener('drain', onDrain);
      gone.removeEventListener('abort', onGone);
      resolve(result);
    };
    const onDrain = () => done(true);
    const onGone = () => done(false);
    const timer = setTimeout(() => done(false), stallMs);
    response.once('drain', onDrain);
    gone.addEventListener('abort', onGone, { once: true });
  });
}

/** A cut is destroy(error), never close(code): the peer could take that for the end. */
function cut(response: Response): void {
  const error = new Error('cut');
  if ('stream' in response && response.stream !== undefined) response.stream.destroy(error);
  else if (!('stream' in response)) response.destroy(error);
}
