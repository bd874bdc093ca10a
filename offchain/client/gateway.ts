/** The OpenAI-compatible gateway: HTTP/1.1 on loopback around the library's fetch. */
import { createServer, type Server } from 'node:net';
import { type Answer, type Handler, type IncomingCall, once, TransportError } from '../transport/exchange';
import { http1Server, type SocketServer } from '../transport/server';
import type { CocoonFetch } from './cocoon-fetch';
import { type ErrorAnswer, refusalAnswer } from './openai-answers';

export interface GatewayOptions {
  readonly fetch: CocoonFetch;
  readonly maxBodySize: number;
  onDefect(error: unknown): void;
}

export interface Gateway {
  /** To listen with. */
  readonly server: Server;
  /** Stops listening and cuts every connection. */
  close(): void;
}

export function createGateway(options: GatewayOptions): Gateway {
  const http: SocketServer = http1Server(gatewayHandler(options.fetch), {
    maxBodySize: options.maxBodySize,
    tooLarge: (limit) => toAnswer(refusalAnswer(413, 'body_too_large', `the request is too large: limit ${limit} bytes`)),
    onError: options.onDefect,
  });
  const server = createServer({ noDelay: true }, (socket) => http.serve(socket));
  return {
    server,
    close: () => {
      server.close();
      http.close();
    },
  };
}

const LOOPBACK = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/;

/** Passes a call to the library, unless it comes from a page of another site: the gateway spends its owner's money without asking. */
function gatewayHandler(fetch: CocoonFetch): Handler {
  return async (call) => {
    if (!isFromHere(call)) {
      return toAnswer(refusalAnswer(403, 'not_from_here', 'only programs and pages of this machine may use this gateway'));
    }
    try {
      const response = await fetch(`http://cocoon${call.path}`, {
        method: call.method,
        ...(call.method === 'POST' ? { body: new Uint8Array(call.body), headers: { 'content-type': 'application/json' } } : {}),
        signal: call.signal,
      });
      return { status: response.status, headers: Object.fromEntries(response.headers), body: bodyOf(response, call.signal) };
    } catch (error) {
      if (!call.signal.aborted) throw error;
      return toAnswer(refusalAnswer(500, 'caller_gone', 'nobody waits for this answer'));
    }
  };
}

async function* bodyOf(response: Response, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  if (response.body === null) return;
  try {
    yield* response.body;
  } catch (error) {
    // What says why has been written just now: it must reach the socket before that is cut.
    await new Promise((resolve) => setImmediate(resolve));
    throw signal.aborted ? new TransportError('cut', 'the caller is gone') : error;
  }
}

/**
 * A browser names the page's site in Origin and the name that it looked up in Host: a foreign page shows the first, a foreign name that
 * was pointed at this machine shows the second.
 */
function isFromHere({ headers }: IncomingCall): boolean {
  const { host, origin } = headers;
  if (host === undefined || !LOOPBACK.test(host)) return false;
  if (headers['sec-fetch-site'] === 'cross-site') return false;
  return origin === undefined || LOOPBACK.test(origin.replace(/^https?:\/\//, ''));
}

function toAnswer({ status, headers, body }: ErrorAnswer): Answer {
  return { status, headers, body: once(new TextEncoder().encode(body)) };
}
