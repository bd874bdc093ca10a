import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { createConnection, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codeOf } from '../core/errors';
import { once as chunkOf, type Handler, readAll, TRANSPORT_LIMITS } from './exchange';
import { http1Server, http2Server, jsonAnswer, type ServeOptions, type SocketServer } from './server';
import { connectionOver } from './session';
import { dialLocal, listen, localListener } from './tls';
import { fakeIntervals } from './ways-to-connect.test-kit';

jest.setTimeout(30_000);

const served: Handler = async (call) => ({ status: 200, headers: {}, body: chunkOf(Buffer.from(`${call.body.length}`)) });

const folder = mkdtempSync(join(tmpdir(), 'cocoon-'));
afterAll(() => rmSync(folder, { recursive: true }));
let path = '';
let count = 0;
let server: SocketServer;
let listener: Server;
let accepted: Socket[] = [];

async function open(make: typeof http2Server, handler: Handler, options: ServeOptions = {}): Promise<void> {
  server = make(handler, options);
  accepted = [];
  path = join(folder, `${++count}`);
  listener = localListener((socket) => {
    accepted.push(socket);
    server.serve(socket);
  });
  await listen(listener, { path });
}
afterEach(async () => {
  jest.useRealTimers();
  server.close();
  const closed = once(listener, 'close');
  listener.close();
  await closed;
});

describe('a server', () => {
  it('answers 413 while the body is still coming, over HTTP/2', async () => {
    await open(http2Server, served, { maxBodySize: 1000 });
    const session = connectHttp2('http://cocoon', { createConnection: () => createConnection(path) });
    const stream = session.request({ ':method': 'POST', ':path': '/' });
    stream.write(new Uint8Array(1001));
    const [headers] = await once(stream, 'response');
    expect(headers[':status']).toBe(413);
    const parts: Buffer[] = [];
    stream.on('data', (part: Buffer) => parts.push(part));
    await once(stream, 'close');
    expect(Buffer.concat(parts).toString()).toContain('"body_too_large"');
    expect(stream.rstCode).toBe(0);
    session.destroy();
  });

  it('answers 413 while the body is still coming, over HTTP/1.1', async () => {
    await open(http1Server, served, { maxBodySize: 1000 });
    const request = httpRequest({ socketPath: path, method: 'POST', agent: false });
    request.write(new Uint8Array(1001));
    const [response] = await once(request, 'response');
    expect(response.statusCode).toBe(413);
    expect(Buffer.from(await readAll(response, 1000)).toString()).toContain('"body_too_large"');
    request.destroy();
  });

  it.each([
    ['HTTP/2', http2Server],
    ['HTTP/1.1', http1Server],
  ])('cuts a body that does not come on, and hands nothing over: %s', async (name, make) => {
    let calls = 0;
    const handler: Handler = async (call) => {
      calls += 1;
      return served(call);
    };
    await open(make, handler, { stallMs: 20 });
    if (name === 'HTTP/2') {
      const session = connectHttp2('http://cocoon', { createConnection: () => createConnection(path) });
      const stream = session.request({ ':method': 'POST', ':path': '/' });
      stream.write('half');
      const [error] = await once(stream, 'error');
      expect(error.code).toBe('ERR_HTTP2_STREAM_ERROR');
      session.destroy();
    } else {
      const request = httpRequest({ socketPath: path, method: 'POST', agent: false, headers: { 'content-length': '100' } });
      request.write('half');
      const [error] = await once(request, 'error');
      expect(error.code).toBe('ECONNRESET');
    }
    expect(calls).toBe(0);
  });

  it('hangs up on an HTTP/1.1 caller that sends nothing', async () => {
    await open(http1Server, served, { stallMs: 20 });
    const socket = createConnection(path);
    await once(socket.resume(), 'close');
    expect(socket.destroyed).toBe(true);
  });

  it.each([
    ['HTTP/2', http2Server],
    ['HTTP/1.1', http1Server],
  ])('stops an answer that nobody reads, and the rest of it is not made: %s', async (name, make) => {
    let stopped: () => void = () => undefined;
    const stop = new Promise<void>((resolve) => {
      stopped = resolve;
    });
    const told: unknown[] = [];
    const handler: Handler = async () => ({
      status: 200,
      headers: {},
      body: (async function* () {
        try {
          for (;;) yield new Uint8Array(64 * 1024);
        } finally {
          stopped();
        }
      })(),
    });
    await open(make, handler, { stallMs: 20, onError: (error) => told.push(error) });
    if (name === 'HTTP/2') {
      const connection = connectionOver(await dialLocal(path));
      const answer = await connection.call({ method: 'GET', path: '/' });
      await stop;
      await expect(readAll(answer.body, 1e9)).rejects.toMatchObject({ name: 'TransportError' });
      expect(connection.isOpen).toBe(true);
      connection.close();
    } else {
      const request = httpRequest({ socketPath: path, agent: false });
      // The reset can reach the request as well as its answer.
      request.on('error', () => undefined);
      request.end();
      const [response] = await once(request, 'response');
      await stop;
      await expect(readAll(response, 1e9)).rejects.toMatchObject({ code: 'ECONNRESET' });
    }
    expect(told).toEqual([]);
  });

  it('does not count the time in which its handler thinks as a stall', async () => {
    let go: () => void = () => undefined;
    const thought = new Promise<void>((resolve) => {
      go = resolve;
    });
    let arrive: () => void = () => undefined;
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    const handler: Handler = async (call) => {
      arrive();
      await thought;
      return served(call);
    };
    await open(http1Server, handler, { stallMs: 30 });
    const slow = httpRequest({ socketPath: path, agent: false });
    const outcome = new Promise<number | string>((resolve) => {
      slow.once('response', (response) => resolve(response.resume().statusCode ?? 0));
      slow.once('error', (error) => resolve(codeOf(error)));
    });
    slow.end();
    await arrived;
    // A connection that says nothing and was opened later is hung up on first.
    await once(createConnection(path).resume(), 'close');
    go();
    expect(await outcome).toBe(200);
  });

  it('tells of an answer that throws when it is given up, and ends nothing else by it', async () => {
    let defect: (error: unknown) => void = () => undefined;
    const told = new Promise<unknown>((resolve) => {
      defect = resolve;
    });
    const handler: Handler = async (call) => {
      if (call.path !== '/broken') return served(call);
      const broken: AsyncIterable<Uint8Array> = {
        [Symbol.asyncIterator]: () => ({
          next: async () => ({ done: false, value: new Uint8Array(1000) }),
          return: async () => {
            throw new Error('a defect at the end');
          },
        }),
      };
      return { status: 200, headers: {}, body: broken };
    };
    await open(http2Server, handler, { onError: defect });
    const connection = connectionOver(await dialLocal(path));
    const answer = await connection.call({ method: 'GET', path: '/broken' });
    await answer.body[Symbol.asyncIterator]().return?.();
    expect(await told).toEqual(new Error('a defect at the end'));
    expect((await connection.call({ method: 'GET', path: '/' })).status).toBe(200);
    connection.close();
  });

  it('leaves a socket alone that is gone already', async () => {
    await open(http2Server, served);
    const socket = await dialLocal(path);
    socket.destroy();
    await once(socket, 'close');
    server.serve(socket);
    expect(socket.listenerCount('close')).toBe(0);
  });

  it('cuts its connections when it is closed', async () => {
    await open(http2Server, served);
    const connection = connectionOver(await dialLocal(path));
    expect((await connection.call({ method: 'GET', path: '/' })).status).toBe(200);
    const closed = new Promise<void>((resolve) => connection.onClose(resolve));
    server.close();
    await closed;
  });

  it('answers JSON with its type', async () => {
    const answer = jsonAnswer(404, { error: 'none' }, { 'retry-after': '1' });
    expect(answer.headers).toEqual({ 'content-type': 'application/json', 'retry-after': '1' });
    expect(Buffer.from(await readAll(answer.body, 100)).toString()).toBe('{"error":"none"}');
  });
});

describe('a ping', () => {
  it('keeps a connection whose peer answers, and ends one whose peer does not', async () => {
    fakeIntervals();
    await open(http2Server, served);
    const connection = connectionOver(await dialLocal(path));
    const closed = new Promise<void>((resolve) => connection.onClose(resolve));
    const exchange = async () => readAll((await connection.call({ method: 'GET', path: '/' })).body, 10);
    await exchange();
    for (let i = 0; i < 5; i++) {
      jest.advanceTimersByTime(TRANSPORT_LIMITS.pingIntervalMs);
      // The peer's answer to the ping comes before its answer to this call.
      await exchange();
    }
    expect(connection.isOpen).toBe(true);

    const [peer] = accepted;
    peer?.pause();
    jest.advanceTimersByTime(TRANSPORT_LIMITS.pingIntervalMs);
    expect(connection.isOpen).toBe(true);
    jest.advanceTimersByTime(TRANSPORT_LIMITS.pingIntervalMs);
    expect(connection.isOpen).toBe(false);
    await closed;
    expect(jest.getTimerCount()).toBeLessThanOrEqual(1);
  });
});

describe('a whole body', () => {
  it('is refused above the limit (body_too_large)', async () => {
    await expect(readAll(chunkOf(new Uint8Array(11)), 10)).rejects.toMatchObject({ code: 'body_too_large' });
    expect(await readAll(chunkOf(new Uint8Array(10)), 10)).toHaveLength(10);
  });
});
