import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { PeerError } from '../core/errors';
import { type Answer, once as chunkOf, type Handler, type IncomingCall, readAll } from './exchange';
import type { ServeOptions } from './server';
import { gate, type Link, settle, WAYS, type Way } from './ways-to-connect.test-kit';

const MiB = 1024 * 1024;
const text = async (answer: Answer): Promise<string> => Buffer.from(await readAll(answer.body, MiB)).toString();
const ok = (body: AsyncIterable<Uint8Array>, headers: Record<string, string> = {}): Answer => ({ status: 200, headers, body });
const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

// Real sockets on a machine that may be busy.
jest.setTimeout(30_000);

const links: Link[] = [];
async function openLink(way: Way, handler: Handler, options?: ServeOptions): Promise<Link> {
  const link = await way.open(handler, options);
  links.push(link);
  return link;
}
afterEach(async () => {
  for (const link of links.splice(0)) await link.close();
  await settle();
});

describe.each(WAYS.map((way) => [way.name, way] as const))('a call over %s', (_name, way) => {
  it('brings method, path, headers and body there, and status, headers and body back', async () => {
    const { connection } = await openLink(way, async (call) => {
      const seen = { method: call.method, path: call.path, type: call.headers['content-type'], body: Buffer.from(call.body).toString() };
      return { status: 202, headers: { 'x-seen': 'yes' }, body: chunkOf(Buffer.from(JSON.stringify(seen))) };
    });

    const answer = await connection.call({
      method: 'POST',
      path: '/v1/x?a=1&b=%20',
      headers: { 'content-type': 'text/plain' },
      body: Buffer.from('hello'),
    });

    expect(answer.status).toBe(202);
    expect(answer.headers['x-seen']).toBe('yes');
    expect(JSON.parse(await text(answer))).toEqual({ method: 'POST', path: '/v1/x?a=1&b=%20', type: 'text/plain', body: 'hello' });
  });

  it('may have no body, either way', async () => {
    const { connection } = await openLink(way, async (call) => ({
      status: 204,
      headers: { 'x-size': `${call.body.length}` },
      body: chunkOf(new Uint8Array(0)),
    }));
    for (const call of [
      { method: 'GET', path: '/' } as const,
      { method: 'POST', path: '/' } as const,
      { method: 'POST', path: '/', body: new Uint8Array(0) } as const,
    ]) {
      const answer = await connection.call(call);
      expect([answer.status, answer.headers['x-size'], await text(answer)]).toEqual([204, '0', '']);
    }
  });

  it('carries large bodies both ways, whole and in order', async () => {
    const body = Uint8Array.from({ length: 8 * MiB }, (_, i) => (i * 7 + (i >> 12)) & 255);
    async function* back(bytes: Uint8Array) {
      for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000);
    }
    const { connection } = await openLink(way, async (call) => ok(back(call.body), { 'x-digest': digest(call.body) }), {
      maxBodySize: 8 * MiB,
    });

    const answer = await connection.call({ method: 'POST', path: '/', body });

    expect(answer.headers['x-digest']).toBe(digest(body));
    expect(digest(await readAll(answer.body, 8 * MiB))).toBe(digest(body));
  });

  it('gives each part of an answer as it comes', async () => {
    const gates = [gate(), gate()];
    const { connection } = await openLink(way, async () =>
      ok(
        (async function* () {
          yield Buffer.from('one');
          await gates[0]?.passed;
          yield Buffer.from('two');
          await gates[1]?.passed;
          yield Buffer.from('three');
        })(),
      ),
    );
    const seen: string[] = [];
    for await (const part of (await connection.call({ method: 'GET', path: '/' })).body) {
      seen.push(Buffer.from(part).toString());
      gates[seen.length - 1]?.open();
    }
    expect(seen).toEqual(['one', 'two', 'three']);
  });

  it('makes the answering end wait for a reader that does not read, and go on when it does', async () => {
    const parts = 512;
    let produced = 0;
    async function* endless() {
      for (; produced < parts; produced++) yield new Uint8Array(64 * 1024);
    }
    const { connection } = await openLink(way, async (call) => ok(call.path === '/large' ? endless() : chunkOf(Buffer.from('small'))));

    const large = await connection.call({ method: 'GET', path: '/large' });
    for (let i = 0; i < 20; i++) expect(await text(await connection.call({ method: 'GET', path: '/small' }))).toBe('small');

    expect(produced).toBeLessThan(parts / 2);
    expect((await readAll(large.body, parts * 64 * 1024)).length).toBe(parts * 64 * 1024);
  });

  it('gets 413 for a body above the limit, before the handler sees it, and the next call is served', async () => {
    let calls = 0;
    const handler: Handler = async () => {
      calls += 1;
      return ok(chunkOf(Buffer.from('served')));
    };
    const { connection } = await openLink(way, handler, { maxBodySize: 1000 });

    for (const [size, status] of [
      [1001, 413],
      [5 * MiB, 413],
      [1000, 200],
    ] as const) {
      const answer = await connection.call({ method: 'POST', path: '/', body: new Uint8Array(size) });
      expect(answer.status).toBe(status);
      expect(await text(answer)).toContain(status === 413 ? '"body_too_large"' : 'served');
    }
    expect(calls).toBe(1);
  });

  it('gets 413 for an announced length above the limit without sending it', async () => {
    const { connection } = await openLink(way, async () => ok(chunkOf(Buffer.from('served'))), { maxBodySize: 1000 });
    const body = new Uint8Array(1001);
    const answer = await connection.call({ method: 'POST', path: '/', headers: { 'content-length': '1001' }, body });
    expect(answer.status).toBe(413);
    await text(answer);
  });

  it('gets 500 and no reason when the handler throws, and the defect is told', async () => {
    const told: unknown[] = [];
    const { connection } = await openLink(
      way,
      async () => {
        throw new Error('a secret reason');
      },
      { onError: (error) => told.push(error) },
    );
    const answer = await connection.call({ method: 'GET', path: '/' });
    expect(answer.status).toBe(500);
    expect(JSON.parse(await text(answer))).toEqual({ error: { code: 'internal', message: 'internal error', retryable: true } });
    expect(told).toEqual([new Error('a secret reason')]);
  });

  it.each<[string, Error, number]>([
    ['a defect, which is told', new TypeError('a defect'), 1],
    ["a peer's fault, which is not", new PeerError('gone', 'the peer is gone'), 0],
  ])('whose answer breaks off midway is an error at the caller, never a shorter answer: %s', async (_what, thrown, toldCount) => {
    const told: unknown[] = [];
    const { passed, open } = gate();
    const handler: Handler = async () =>
      ok(
        (async function* () {
          yield Buffer.from('half');
          await passed;
          throw thrown;
        })(),
      );
    const { connection } = await openLink(way, handler, { onError: (error) => told.push(error) });

    const seen: string[] = [];
    const reading = (async () => {
      for await (const part of (await connection.call({ method: 'GET', path: '/' })).body) {
        seen.push(Buffer.from(part).toString());
        open();
      }
    })();

    await expect(reading).rejects.toThrow();
    expect(seen).toEqual(['half']);
    expect(told).toHaveLength(toldCount);
  });

  it('whose answer has headers that cannot be sent is an error at the caller, and the defect is told', async () => {
    const told: unknown[] = [];
    const { connection } = await openLink(way, async () => ok(chunkOf(Buffer.from('x')), { 'bad header': 'x' }), {
      onError: (error) => told.push(error),
    });
    await expect(connection.call({ method: 'GET', path: '/' })).rejects.toMatchObject({ code: 'connection_lost' });
    expect(told).toHaveLength(1);
  });

  it('that loses its connection midway is an error at the caller', async () => {
    const { passed, open } = gate();
    const stopped = gate();
    const handler: Handler = async (call) =>
      ok(
        (async function* () {
          yield Buffer.from('half');
          open();
          await once(call.signal, 'abort');
          stopped.open();
        })(),
      );
    const { connection, served } = await openLink(way, handler);
    const answer = await connection.call({ method: 'GET', path: '/' });
    await passed;
    for (const socket of served) socket.destroy();
    await expect(text(answer)).rejects.toThrow();
    await stopped.passed;
  });

  it('that loses its connection before the answer is an error at the caller (connection_lost)', async () => {
    const arrived = gate();
    const { connection, served } = await openLink(way, async (call) => {
      arrived.open();
      await once(call.signal, 'abort');
      return ok(chunkOf(Buffer.from('too late')));
    });
    const calling = connection.call({ method: 'GET', path: '/' });
    const outcome = expect(calling).rejects.toMatchObject({ name: 'TransportError', code: 'connection_lost' });
    await arrived.passed;
    for (const socket of served) socket.destroy();
    await outcome;
  });

  it('that is given up before the answer reaches the handler, whose answer then is not begun', async () => {
    const arrived = gate();
    const noticed = gate();
    let begun = false;
    const giveUp = new AbortController();
    const { connection } = await openLink(way, async (call) => {
      arrived.open();
      await once(call.signal, 'abort');
      noticed.open();
      return ok(
        (async function* () {
          begun = true;
          yield Buffer.from('too late');
        })(),
      );
    });
    const outcome = expect(
      connection.call({ method: 'POST', path: '/', body: Buffer.from('x') }, { signal: giveUp.signal }),
    ).rejects.toThrow();
    await arrived.passed;
    giveUp.abort();
    await outcome;
    await noticed.passed;
    await settle();
    expect(begun).toBe(false);
  });

  it('that is given up midway reaches the handler, and is an error at the caller', async () => {
    const noticed = gate();
    const giveUp = new AbortController();
    const handler: Handler = async (call) =>
      ok(
        (async function* () {
          yield Buffer.from('half');
          await once(call.signal, 'abort');
          noticed.open();
        })(),
      );
    const { connection } = await openLink(way, handler);
    const reading = (async () => {
      for await (const _part of (await connection.call({ method: 'GET', path: '/' }, { signal: giveUp.signal })).body) giveUp.abort();
    })();
    await expect(reading).rejects.toThrow();
    await noticed.passed;
  });

  it('whose reader stops early stops the answer', async () => {
    const noticed = gate();
    let ended = false;
    const handler: Handler = async (call) =>
      ok(
        (async function* () {
          try {
            while (!call.signal.aborted) yield new Uint8Array(1000);
          } finally {
            ended = true;
            noticed.open();
          }
        })(),
      );
    const { connection } = await openLink(way, handler);
    for await (const _part of (await connection.call({ method: 'GET', path: '/' })).body) break;
    await noticed.passed;
    expect(ended).toBe(true);
  });

  it('is not handed over when its body was cut', async () => {
    let calls = 0;
    const giveUp = new AbortController();
    const handler: Handler = async (call) => {
      calls += 1;
      return ok(chunkOf(Buffer.from(`${call.body.length}`)));
    };
    const { connection } = await openLink(way, handler, { maxBodySize: 64 * MiB });
    const outcome = expect(
      connection.call({ method: 'POST', path: '/', body: new Uint8Array(32 * MiB) }, { signal: giveUp.signal }),
    ).rejects.toThrow();
    await turn();
    giveUp.abort();
    await outcome;
    expect(await text(await connection.call({ method: 'GET', path: '/' }))).toBe('0');
    expect(calls).toBe(1);
  });

  it('is one of many at once, and each gets its own answer', async () => {
    const { connection } = await openLink(way, async (call: IncomingCall) => ok(chunkOf(Buffer.from(`${call.path} ${call.body.length}`))));
    const answers = await Promise.all(
      Array.from({ length: way.isShared ? 300 : 30 }, async (_, i) => {
        const answer = await connection.call({ method: 'POST', path: `/${i}`, body: new Uint8Array(i * 10) });
        return text(answer);
      }),
    );
    answers.forEach((answer, i) => {
      expect(answer).toBe(`/${i} ${i * 10}`);
    });
  });
});
