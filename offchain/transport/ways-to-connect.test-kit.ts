/** Every way in which a call can get from one process of ours to another, for tests of this room: real sockets, both ends here. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { type Answer, type Call, type Connection, type Handler, TransportError } from './exchange';
import { http1Server, http2Server, type ServeOptions } from './server';
import { connectionOver } from './session';
import { createTlsIdentity, dialLocal, dialTls, listen, localListener, type TlsIdentity, tlsListener, WORKER_PROTOCOL } from './tls';

/** Something that calls can be made on, with the end that serves them in reach. */
export interface Link {
  readonly connection: Connection;
  /** The serving end's sockets. */
  readonly served: Duplex[];
  close(): Promise<void>;
}

export interface Way {
  readonly name: string;
  /** Whether calls share one connection. */
  readonly isShared: boolean;
  open(handler: Handler, options?: ServeOptions): Promise<Link>;
}

let identity: Promise<TlsIdentity> | null = null;
/** One identity for all tests of a file: making it costs more than a handshake. */
export function testIdentity(): Promise<TlsIdentity> {
  identity ??= createTlsIdentity('test');
  return identity;
}

async function closeServer(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  await closed;
}

const overTls: Way = {
  name: 'HTTP/2 over pinned TLS',
  isShared: true,
  async open(handler, options) {
    const { pin, ...rest } = await testIdentity();
    const server = http2Server(handler, options);
    const served: Duplex[] = [];
    const listener = tlsListener({ pin, ...rest }, ['h2'], (socket) => {
      served.push(socket);
      server.serve(socket);
    });
    const port = await listen(listener, { host: '127.0.0.1', port: 0 });
    const connection = connectionOver(await dialTls(`https://127.0.0.1:${port}`, pin, 'h2'));
    return { connection, served, close: () => closeAll(connection, server, listener) };
  },
};

const overUnixSocket: Way = {
  name: 'HTTP/2 over a Unix socket',
  isShared: true,
  async open(handler, options) {
    const folder = mkdtempSync(join(tmpdir(), 'cocoon-'));
    const server = http2Server(handler, options);
    const served: Duplex[] = [];
    const listener = localListener((socket) => {
      served.push(socket);
      server.serve(socket);
    });
    await listen(listener, { path: join(folder, 's') });
    const connection = connectionOver(await dialLocal(join(folder, 's')));
    return {
      connection,
      served,
      close: async () => {
        await closeAll(connection, server, listener);
        rmSync(folder, { recursive: true });
      },
    };
  },
};

const reversed: Way = {
  name: 'HTTP/2 down a connection that the serving end dialled',
  isShared: true,
  async open(handler, options) {
    const own = await testIdentity();
    const accepted = new Promise<{ readonly connection: Connection; readonly listener: Server; readonly dialled: Promise<Duplex> }>(
      (resolve, reject) => {
        const listener = tlsListener(own, ['h2', WORKER_PROTOCOL], (socket) => {
          if (socket.alpnProtocol !== WORKER_PROTOCOL) return reject(new Error(`protocol ${socket.alpnProtocol}`));
          resolve({ connection: connectionOver(socket), listener, dialled });
        });
        const dialled = listen(listener, { host: '127.0.0.1', port: 0 }).then((port) =>
          dialTls(`https://127.0.0.1:${port}`, own.pin, WORKER_PROTOCOL),
        );
        dialled.catch(reject);
      },
    );
    const { connection, listener, dialled } = await accepted;
    const socket = await dialled;
    const server = http2Server(handler, options);
    server.serve(socket);
    return { connection, served: [socket], close: () => closeAll(connection, server, listener) };
  },
};

const overHttp1: Way = {
  name: "HTTP/1.1 with Node's own client",
  isShared: false,
  async open(handler, options) {
    const own = await testIdentity();
    const server = http1Server(handler, options);
    const served: Duplex[] = [];
    const listener = tlsListener(own, ['http/1.1'], (socket) => {
      served.push(socket);
      server.serve(socket);
    });
    const port = await listen(listener, { host: '127.0.0.1', port: 0 });
    const connection: Connection = {
      isOpen: true,
      onClose: () => undefined,
      close: () => undefined,
      call: (call, options) => callHttp1(port, call, options?.signal),
    };
    return { connection, served, close: () => closeAll(connection, server, listener) };
  },
};

export const WAYS: readonly Way[] = [overTls, overUnixSocket, reversed, overHttp1];

async function closeAll(connection: Connection, server: { close(): void }, listener: Server): Promise<void> {
  connection.close();
  server.close();
  await closeServer(listener);
}

function callHttp1(port: number, call: Call, signal?: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown) => reject(new TransportError('connection_lost', 'the connection was lost', {}, { cause }));
    const request = httpsRequest(
      {
        port,
        host: '127.0.0.1',
        agent: false,
        rejectUnauthorized: false,
        method: call.method,
        path: call.path,
        headers: { ...call.headers },
        ...(signal === undefined ? {} : { signal }),
      },
      (response) => {
        const headers: Record<string, string> = {};
        for (const [name, value] of Object.entries(response.headers)) headers[name] = String(value);
        resolve({ status: response.statusCode ?? 0, headers, body: response });
      },
    );
    request.on('error', fail);
    request.end(call.body);
  });
}

/** A promise and its resolution, to put two ends in an order without waiting for time. */
export function gate(): { readonly passed: Promise<void>; readonly open: () => void } {
  let open: () => void = () => undefined;
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open };
}

/** Lets everything run that the sockets have already brought: what nobody caught shows while its test still runs. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await turn();
}

/** Leaves the ping timer to jest.advanceTimersByTime, and everything else to the machine. */
export function fakeIntervals(): void {
  jest.useFakeTimers({
    doNotFake: [
      'nextTick',
      'setImmediate',
      'clearImmediate',
      'setTimeout',
      'clearTimeout',
      'queueMicrotask',
      'performance',
      'hrtime',
      'Date',
    ],
  });
}
