import { concat, fromBigEndian, toBigEndian, utf8 } from '../core/bytes';
import { nodeCrypto } from '../runtime/node-crypto';
import { ClientSession, MAX_SESSION_AGE_SEC, MAX_SESSION_REQUESTS } from './client-session';
import { MAX_CHUNK_CONTENT, MAX_CHUNK_SIZE } from './frames';
import { GuestOpener } from './guest-exchange';
import { ResponseInspector } from './response-inspector';
import {
  answer,
  ask,
  authorise,
  clearReceipt,
  hashOf,
  join,
  makePair,
  NOW_SEC,
  openAll,
  type Pair,
  pieces,
  REQUEST_HEAD,
  RESPONSE_HEAD,
  USAGE,
} from './sealing.test-kit';

let pair: Pair;
beforeAll(async () => {
  pair = await makePair();
});

const HEAD_SIZE = 2 + utf8(JSON.stringify(REQUEST_HEAD)).length;

function pattern(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 31 + 7) & 255);
}

describe('a sealed request', () => {
  it.each([
    ['an empty body', 0],
    ['one byte', 1],
    ['a body that fills the pad exactly', 1024 - 4 - HEAD_SIZE],
    ['a body one byte above the pad', 1024 - 4 - HEAD_SIZE + 1],
    ['300 KB', 300_000],
  ])('opens at the guest as it was sealed: %s', async (_name, size) => {
    const asked = await ask(pair, pattern(size));

    const opened = await pair.opener.open(asked.request, asked.hash);

    expect(opened.head).toEqual(REQUEST_HEAD);
    expect(opened.body).toEqual(pattern(size));
    expect(opened.authorisationHash).toBe(asked.hash);
  });

  it.each([
    [1024 - 4 - HEAD_SIZE, 1024],
    [1024 - 4 - HEAD_SIZE + 1, 2048],
    [2048 - 4 - HEAD_SIZE, 2048],
    [0, 1024],
  ])('with a body of %i bytes shows %i bytes and the tag', async (size, padded) => {
    expect((await ask(pair, pattern(size))).request.ciphertext.length).toBe(padded + 16);
  });

  it('opens at a guest that has not seen the session before', async () => {
    await ask(pair);
    const asked = await ask(pair, utf8('later'));
    expect((await new GuestOpener(nodeCrypto, pair.keys).open(asked.request, asked.hash)).body).toEqual(utf8('later'));
  });
});

describe('a sealed answer', () => {
  it.each([
    ['no body', [], 0],
    ['an empty part', [0], 0],
    ['one byte', [1], 1],
    ['a part that fills its pad exactly', [254], 1],
    ['a part one byte above the pad', [255], 1],
    ['a part that fills a chunk exactly', [MAX_CHUNK_CONTENT], 1],
    ['a part one byte above a chunk', [MAX_CHUNK_CONTENT + 1], 2],
    ['300 KB at once', [300_000], 5],
    ['many parts', [3, 0, 700, 65_000, 1], 4],
  ])('opens at the client as it was sealed: %s', async (_name, sizes, chunkCount) => {
    const asked = await ask(pair);
    const parts = sizes.map(pattern);
    const wire = await answer(pair, asked, parts);

    const opened = await openAll(asked.exchange, pieces(join(wire)));

    expect(opened.head).toEqual(RESPONSE_HEAD);
    expect(opened.body).toEqual(concat(...parts));
    expect(opened.receipt?.receipt.usage).toEqual(USAGE);
    expect(opened.receipt?.receipt).toEqual(clearReceipt(wire));
    expect(wire.chunks.length).toBe(1 + chunkCount);
    for (const chunk of wire.chunks) {
      expect((chunk.length - 4 - 16) % 256).toBe(0);
      expect(chunk.length - 4).toBeLessThanOrEqual(MAX_CHUNK_SIZE);
    }
  });

  it('opens the same however the network cuts it, byte by byte', async () => {
    const asked = await ask(pair);
    const wire = join(await answer(pair, asked, [utf8('a'), pattern(600)]));

    const opened = await openAll(asked.exchange, pieces(...Array.from(wire, (byte) => Uint8Array.of(byte))));

    expect(opened.body).toEqual(concat(utf8('a'), pattern(600)));
    expect(opened.receipt).not.toBeNull();
  });

  it('opens the same when it is cut in two at any byte', async () => {
    const asked = await ask(pair);
    const wire = join(await answer(pair, asked, [utf8('Hello')]));

    for (let at = 0; at <= wire.length; at++) {
      const opened = await openAll(asked.exchange, pieces(wire.subarray(0, at), wire.subarray(at)));
      expect(opened.body).toEqual(utf8('Hello'));
    }
  });

  it('gives each part as soon as its chunk is whole', async () => {
    const asked = await ask(pair);
    const wire = await answer(pair, asked, [utf8('one'), utf8('two')]);
    const [head, one, two] = wire.chunks;
    const seen: string[] = [];
    async function* source() {
      yield concat(wire.nonce, head ?? wire.nonce);
      seen.push('sent one');
      yield one ?? wire.nonce;
      seen.push('sent two');
      yield two ?? wire.nonce;
      seen.push('sent end');
      yield concat(wire.final, wire.clear);
    }

    for await (const part of asked.exchange.openResponse(source())) seen.push(part.type);

    expect(seen).toEqual(['head', 'sent one', 'data', 'sent two', 'data', 'sent end', 'receipt']);
  });

  it('opens again from the same bytes, as a client that asks for its ciphertext again needs', async () => {
    const asked = await ask(pair);
    const wire = join(await answer(pair, asked));
    await openAll(asked.exchange, pieces(wire));
    expect((await openAll(asked.exchange, pieces(wire))).body).toEqual(utf8('Hello, world'));
  });

  it('has another nonce and other chunks when the same request is run twice', async () => {
    const asked = await ask(pair);
    const first = await answer(pair, asked);
    const second = await answer(pair, asked);
    expect(first.nonce).not.toEqual(second.nonce);
    expect(first.chunks[0]).not.toEqual(second.chunks[0]);
  });

  it('shows the way the hash that the client accepts', async () => {
    const asked = await ask(pair);
    const wire = await answer(pair, asked);
    const inspector = new ResponseInspector(nodeCrypto);
    await inspector.push(join(wire));

    const opened = await openAll(asked.exchange, pieces(join(wire)));

    expect(inspector.receipt(asked.hash)).toEqual({ receipt: opened.receipt?.receipt, signature: opened.receipt?.signature });
    expect(opened.receipt?.receipt.sealedHash).toBe(fromBigEndian(await nodeCrypto.sha256(concat(wire.nonce, ...wire.chunks))));
  });
});

describe('a client session', () => {
  it('gives every request a counter, a seal and keys of its own', async () => {
    const first = await ask(pair, utf8('same'));
    const second = await ask(pair, utf8('same'));
    expect(second.request.enc).toEqual(first.request.enc);
    expect(second.request.counter).toBe(first.request.counter + 1n);
    expect(second.exchange.seal).not.toBe(first.exchange.seal);
    expect(second.request.ciphertext).not.toEqual(first.request.ciphertext);
  });

  it('is used up after its last request (session_used_up)', async () => {
    const session = await ClientSession.open(nodeCrypto, pair.guest, NOW_SEC);
    for (let i = 0n; i < MAX_SESSION_REQUESTS; i++) {
      expect(session.isFresh(NOW_SEC)).toBe(true);
      await session.next();
    }
    expect(session.isFresh(NOW_SEC)).toBe(false);
    await expect(session.next()).rejects.toMatchObject({ code: 'session_used_up' });
  });

  it('is fresh until its age is reached', () => {
    expect(pair.session.isFresh(NOW_SEC + MAX_SESSION_AGE_SEC - 1)).toBe(true);
    expect(pair.session.isFresh(NOW_SEC + MAX_SESSION_AGE_SEC)).toBe(false);
  });

  it('seals one request per exchange, also when two are asked for at once (session_used_up)', async () => {
    const exchange = await pair.session.next();
    const authorisation = authorise(exchange.seal, pair.guest.receiptKey);
    const seal = () => exchange.sealRequest(authorisation, hashOf(authorisation), REQUEST_HEAD, utf8('x'));

    const results = await Promise.allSettled([seal(), seal()]);

    expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected']);
    await expect(seal()).rejects.toMatchObject({ code: 'session_used_up' });
  });

  it('seals no request above the limit (oversize)', async () => {
    const exchange = await pair.session.next();
    const authorisation = authorise(exchange.seal, pair.guest.receiptKey);
    const body = new Uint8Array(8 * 1024 * 1024 - 4 - HEAD_SIZE + 1);
    await expect(exchange.sealRequest(authorisation, hashOf(authorisation), REQUEST_HEAD, body)).rejects.toMatchObject({
      code: 'oversize',
    });
  });

  it('is not opened to a key that is no key (bad_key)', async () => {
    for (const sealingKey of [new Uint8Array(32), new Uint8Array(31).fill(5), toBigEndian(1n << 248n, 32)]) {
      await expect(ClientSession.open(nodeCrypto, { ...pair.guest, sealingKey }, NOW_SEC)).rejects.toMatchObject({ code: 'bad_key' });
    }
  });
});
