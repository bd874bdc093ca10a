import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2, constants, type Http2Session } from 'node:http2';
import type { Duplex } from 'node:stream';
import { type Answer, type Call, type Connection, TRANSPORT_LIMITS, TransportError } from './exchange';

const HTTP2_OPTIONS = {
  settings: {
    initialWindowSize: TRANSPORT_LIMITS.streamWindow,
    maxConcurrentStreams: TRANSPORT_LIMITS.maxStreams,
    enablePush: false,
  },
  maxSessionMemory: TRANSPORT_LIMITS.maxSessionMemory,
  peerMaxConcurrentStreams: TRANSPORT_LIMITS.maxStreams,
};

/** Options that every HTTP/2 end of ours is made with. */
export function http2Options(): typeof HTTP2_OPTIONS {
  return HTTP2_OPTIONS;
}

/** Opens the connection window and watches the peer by pings; a peer that does not answer one is cut. */
export function keepSession(session: Http2Session): void {
  // 'connect' is also emitted for a session that was destroyed in the same turn.
  if (session.destroyed) return;
  session.setLocalWindowSize(TRANSPORT_LIMITS.connectionWindow);
  let answered = true;
  const timer = setInterval(() => {
    if (session.destroyed) return clearInterval(timer);
    if (!answered) return session.destroy();
    answered = false;
    const sent = session.ping((error) => {
      if (error === null) answered = true;
    });
    if (!sent) session.destroy();
  }, TRANSPORT_LIMITS.pingIntervalMs);
  timer.unref();
  session.on('close', () => clearInterval(timer));
}

/** The calling end of HTTP/2 over a socket that is already connected and trusted, whoever dialled it. */
export function connectionOver(socket: Duplex): Connection {
  const session = connectHttp2('http://cocoon', { ...HTTP2_OPTIONS, createConnection: () => socket });
  session.on('error', () => session.destroy());
  session.on('goaway', () => session.destroy());
  session.once('connect', () => keepSession(session));
  return new Http2Connection(session);
}

class Http2Connection implements Connection {
  private readonly closeListeners: (() => void)[] = [];

  constructor(private readonly session: ClientHttp2Session) {
    session.on('close', () => {
      for (const listener of this.closeListeners.splice(0)) listener();
    });
  }

  get isOpen(): boolean {
    return !this.session.destroyed && !this.session.closed;
  }

  onClose(listener: () => void): void {
    if (this.session.destroyed) listener();
    else this.closeListeners.push(listener);
  }

  close(): void {
    this.session.destroy();
  }

  call(call: Call, options: { readonly signal?: AbortSignal } = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const signal = options.signal;
      if (!this.isOpen) return reject(new TransportError('connection_lost', 'the connection is closed'));
      if (signal?.aborted) return reject(new TransportError('cut', 'the call was given up'));
      // request() throws synchronously on a session that died a moment ago.
      let stream: ClientHttp2Stream;
      try {
        stream = this.session.request(
          { [constants.HTTP2_HEADER_METHOD]: call.method, [constants.HTTP2_HEADER_PATH]: call.path, ...call.headers },
          { endStream: call.body === undefined },
        );
      } catch (cause) {
        return reject(new TransportError('connection_lost', 'the connection is closed', {}, { cause }));
      }
      const giveUp = () => stream.destroy(new TransportError('cut', 'the call was given up'));
      signal?.addEventListener('abort', giveUp, { once: true });
      stream.on('close', () => {
        signal?.removeEventListener('abort', giveUp);
        reject(new TransportError('connection_lost', 'the connection was lost before the answer'));
      });
      stream.on('error', (cause) => reject(cause instanceof TransportError ? cause : lost(cause)));
      stream.once('response', (received) => {
        const headers: Record<string, string> = {};
        for (const [name, value] of Object.entries(received)) {
          if (!name.startsWith(':') && value !== undefined) headers[name] = String(value);
        }
        resolve({ status: received[':status'] ?? 0, headers, body: bodyOf(stream) });
      });
      if (call.body !== undefined) stream.end(call.body);
    });
  }
}

/**
 * A stream's bytes. A cancelled HTTP/2 stream can look complete: a reset that is not NO_ERROR is a cut. Not a generator: giving up one
 * that was never begun would not run its `finally`, and the stream would stay open.
 */
function bodyOf(stream: ClientHttp2Stream): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]() {
      const chunks = stream[Symbol.asyncIterator]();
      return {
        async next(): Promise<IteratorResult<Uint8Array>> {
          const next = await chunks.next().catch((cause: unknown) => {
            throw cause instanceof TransportError ? cause : lost(cause);
          });
          if (!next.done) return next;
          if (stream.aborted || (stream.rstCode ?? 0) !== constants.NGHTTP2_NO_ERROR) throw new TransportError('cut', 'the answer was cut');
          // Only where the peer answered early: a reset after every answer is the flood for which servers close a connection.
          if (!stream.writableFinished) stream.destroy();
          return next;
        },
        async return(): Promise<IteratorResult<Uint8Array>> {
          stream.destroy();
          return { done: true, value: undefined };
        },
      };
    },
  };
}

function lost(cause: unknown): TransportError {
  return new TransportError('connection_lost', 'the connection was lost', {}, { cause });
}
