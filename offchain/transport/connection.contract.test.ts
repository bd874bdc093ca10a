import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { type Answer, once as chunkOf, type Handler, readAll, TRANSPORT_LIMITS, TransportError } from './exchange';
import type { ServeOptions } from './server';
import { fakeIntervals, gate, type Link, settle, WAYS, type Way } from './ways-to-connect.test-kit';

const text = async (answer: Answer): Promise<string> => Buffer.from(await readAll(answer.body, 1024 * 1024)).toString();
const ok = (body: AsyncIterable<Uint8Array>): Answer => ({ status: 200, headers: {}, body });

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

describe.each(WAYS.filter((way) => way.isShared).map((way) => [way.name, way] as const))('a connection of %s', (_name, way) => {
  const echo: Handler = async (call) => ok(chunkOf(call.body));

  it('serves more calls than it may have streams, one after the other', async () => {
    let atOnce = 0;
    let most = 0;
    const handler: Handler = async (call) => {
      most = Math.max(most, ++atOnce);
      await turn();
      atOnce -= 1;
      return ok(chunkOf(call.body));
    };
    const { connection } = await openLink(way, handler);
    const answers = await Promise.all(
      Array.from({ length: 1200 }, async (_, i) => text(await connection.call({ method: 'POST', path: '/', body: Buffer.from(`${i}`) }))),
    );
    expect(answers).toEqual(Array.from({ length: 1200 }, (_, i) => `${i}`));
    expect(most).toBeLessThanOrEqual(1024);
  });

  it('fails a call at once when it is closed (connection_lost)', async () => {
    const { connection } = await openLink(way, echo);
    connection.close();
    expect(connection.isOpen).toBe(false);
    await expect(connection.call({ method: 'GET', path: '/' })).rejects.toMatchObject({ name: 'TransportError', code: 'connection_lost' });
  });

  it('fails the calls under way when it is closed', async () => {
    const arrived = gate();
    const { connection } = await openLink(way, async (call) => {
      arrived.open();
      await once(call.signal, 'abort');
      return ok(chunkOf(call.body));
    });
    const outcome = expect(connection.call({ method: 'GET', path: '/' })).rejects.toMatchObject({ code: 'connection_lost' });
    await arrived.passed;
    connection.close();
    await outcome;
  });

  it('fails a call that was given up before it was made (cut)', async () => {
    const { connection } = await openLink(way, echo);
    await expect(connection.call({ method: 'GET', path: '/' }, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cut' });
    expect(await text(await connection.call({ method: 'POST', path: '/', body: Buffer.from('x') }))).toBe('x');
  });

  it('may be closed in the turn in which it was opened', async () => {
    const { connection } = await openLink(way, echo);
    const closed = new Promise<void>((resolve) => connection.onClose(resolve));
    connection.close();
    await closed;
    await settle();
    expect(connection.isOpen).toBe(false);
  });

  it.each<[string, (link: Link) => void]>([
    ['it is closed', ({ connection }) => connection.close()],
    ['the peer is gone', ({ served }) => served[0]?.destroy()],
  ])('tells once when %s, and at once who asks later', async (_what, end) => {
    const link = await openLink(way, echo);
    await text(await link.connection.call({ method: 'POST', path: '/', body: Buffer.from('x') }));
    let told = 0;
    const closed = new Promise<void>((resolve) => {
      link.connection.onClose(() => {
        told += 1;
        resolve();
      });
    });
    end(link);
    await closed;
    link.connection.close();
    await settle();
    expect(told).toBe(1);
    expect(link.connection.isOpen).toBe(false);
    let late = 0;
    link.connection.onClose(() => {
      late += 1;
    });
    expect(late).toBe(1);
  });

  it('survives a peer that dies while answers lie unread', async () => {
    const { connection, served } = await openLink(way, async () => ok(chunkOf(new Uint8Array(200_000))));
    const unread = await Promise.all(Array.from({ length: 5 }, () => connection.call({ method: 'GET', path: '/' })));
    const closed = new Promise<void>((resolve) => connection.onClose(resolve));
    for (const socket of served) socket.destroy();
    await closed;
    await settle();
    for (const answer of unread) await expect(text(answer)).rejects.toMatchObject({ name: 'TransportError' });
  });

  it('settles a call with an answer or a TransportError, at whatever moment either end dies', async () => {
    fakeIntervals();
    const outcomes = new Set<string>();
    for (let turns = 0; turns < 24; turns++) {
      const { connection, served } = await openLink(way, async () => ok(chunkOf(new Uint8Array(100_000))));
      const outcome = connection
        .call({ method: 'POST', path: '/', body: new Uint8Array(100_000) })
        .then((answer) => readAll(answer.body, 100_000))
        .then(
          () => 'answered',
          (error: unknown) => (error instanceof TransportError ? 'TransportError' : String(error)),
        );
      for (let i = 0; i < turns >> 1; i++) await turn();
      if (turns % 2 === 0) connection.close();
      else for (const socket of served) socket.destroy();
      let isSettled = false;
      void outcome.then(() => {
        isSettled = true;
      });
      // node:tls can lose a write that failed and with it the end of the connection: then it is the ping that finds out.
      for (await settle(); !isSettled; await settle()) jest.advanceTimersByTime(TRANSPORT_LIMITS.pingIntervalMs);
      outcomes.add(await outcome);
    }
    jest.useRealTimers();
    expect([...outcomes].filter((outcome) => outcome !== 'answered')).toEqual(['TransportError']);
  });

  it('lets go of an answer that is given up before it is read', async () => {
    const noticed = gate();
    const handler: Handler = async (call) =>
      ok(
        (async function* () {
          yield Buffer.from('one');
          await once(call.signal, 'abort');
          noticed.open();
        })(),
      );
    const { connection } = await openLink(way, handler);
    const answer = await connection.call({ method: 'GET', path: '/' });
    await answer.body[Symbol.asyncIterator]().return?.();
    await noticed.passed;
    expect(connection.isOpen).toBe(true);
  });

  it('leaves nothing on the signal of a call that has ended', async () => {
    const { connection } = await openLink(way, echo);
    const { signal } = new AbortController();
    let listeners = 0;
    const counted = Object.assign(signal, {
      addEventListener: (...rest: Parameters<AbortSignal['addEventListener']>) => {
        listeners += 1;
        EventTarget.prototype.addEventListener.apply(signal, rest);
      },
      removeEventListener: (...rest: Parameters<AbortSignal['removeEventListener']>) => {
        listeners -= 1;
        EventTarget.prototype.removeEventListener.apply(signal, rest);
      },
    });
    for (let i = 0; i < 3; i++)
      await text(await connection.call({ method: 'POST', path: '/', body: Buffer.from('x') }, { signal: counted }));
    await settle();
    expect(listeners).toBe(0);
  });
});
