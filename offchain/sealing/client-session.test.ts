import { RECEIPT_STATUS } from '../../wrappers/statements';
import { concat, toBigEndian, utf8 } from '../core/bytes';
import { codeOf } from '../core/errors';
import { generateSigner, nodeCrypto } from '../runtime/node-crypto';
import { ClientExchange } from './client-session';
import { FrameReader } from './frames';
import { type AeadKey, RequestSecret } from './keys';
import {
  type Asked,
  answer,
  ask,
  flip,
  join,
  type Lie,
  lyingAnswer,
  makePair,
  openAll,
  type Pair,
  pieces,
  sealChunk,
  type Wire,
} from './sealing.test-kit';

let pair: Pair;
let asked: Asked;
/** Head, "Hello", ", world". */
let wire: Wire;
let other: Wire;
beforeAll(async () => {
  pair = await makePair();
  asked = await ask(pair);
  wire = await answer(pair, asked);
  other = await answer(pair, asked);
});

const opening = (bytes: Uint8Array, exchange: ClientExchange = asked.exchange) => openAll(exchange, pieces(bytes));
const chunk = (index: number, from: Wire = wire): Uint8Array => from.chunks[index] ?? new Uint8Array(0);
const isFinal = (piece: Uint8Array): Uint8Array => flip(piece, 0, 0x80);
const announce = (piece: Uint8Array, word: number): Uint8Array => concat(toBigEndian(word, 4), piece.subarray(4));

describe('the client refuses an answer that is not whole', () => {
  it('wherever it was cut (truncated)', async () => {
    const whole = join(wire);
    for (let size = 0; size < whole.length; size++) {
      await expect(opening(whole.subarray(0, size))).rejects.toMatchObject({ name: 'SealingError', code: 'truncated' });
    }
  });

  it.each<[string, () => Uint8Array]>([
    ['nothing but a nonce', () => wire.nonce],
    ['no chunk before the clear receipt but the final one missing', () => concat(wire.nonce, ...wire.chunks)],
    ['no clear receipt', () => concat(wire.nonce, ...wire.chunks, wire.final)],
  ])('that has %s (truncated)', async (_name, bytes) => {
    await expect(opening(bytes())).rejects.toMatchObject({ code: 'truncated' });
  });

  it('that stops with an error of the source, and passes that error on', async () => {
    async function* cut() {
      yield join(wire).subarray(0, 500);
      throw new Error('the connection broke');
    }
    await expect(openAll(asked.exchange, cut())).rejects.toThrow('the connection broke');
  });
});

describe('the client refuses an answer whose pieces were moved (altered)', () => {
  it.each<[string, () => Wire]>([
    ['a chunk is repeated', () => ({ ...wire, chunks: [chunk(0), chunk(1), chunk(1), chunk(2)] })],
    ['two chunks are swapped', () => ({ ...wire, chunks: [chunk(0), chunk(2), chunk(1)] })],
    ['the head comes last', () => ({ ...wire, chunks: [chunk(1), chunk(2), chunk(0)] })],
    ['a chunk is left out', () => ({ ...wire, chunks: [chunk(0), chunk(2)] })],
    ['the last chunk is left out', () => ({ ...wire, chunks: [chunk(0), chunk(1)] })],
    ['all chunks are left out but the head', () => ({ ...wire, chunks: [chunk(0)] })],
    ['a chunk comes from another answer of the same session', () => ({ ...wire, chunks: [chunk(0), chunk(1, other), chunk(2)] })],
    ['the end comes from another answer of the same session', () => ({ ...wire, final: other.final, clear: other.clear })],
    ['the nonce comes from another answer of the same session', () => ({ ...wire, nonce: other.nonce })],
    ['an ordinary chunk poses as the final one', () => ({ ...wire, chunks: [chunk(0), chunk(1)], final: isFinal(chunk(2)) })],
    ['the final flag sits on an earlier chunk', () => ({ ...wire, chunks: [chunk(0), isFinal(chunk(1)), chunk(2)] })],
    ['the final chunk lost its flag', () => ({ ...wire, final: isFinal(wire.final) })],
    ['a chunk announces no byte', () => ({ ...wire, chunks: [chunk(0), announce(chunk(1), 0), chunk(2)] })],
    ['a chunk announces less than its tag', () => ({ ...wire, chunks: [chunk(0), announce(chunk(1), 15), chunk(2)] })],
    ['a chunk announces one byte less', () => ({ ...wire, chunks: [chunk(0), announce(chunk(1), 256 + 15), chunk(2)] })],
    ['a chunk announces one byte more', () => ({ ...wire, chunks: [chunk(0), announce(chunk(1), 256 + 17), chunk(2)] })],
    ['the nonce is altered', () => ({ ...wire, nonce: flip(wire.nonce, 31) })],
    ['a ciphertext is altered', () => ({ ...wire, chunks: [chunk(0), flip(chunk(1), 4), chunk(2)] })],
    ['a tag is altered', () => ({ ...wire, chunks: [chunk(0), flip(chunk(1), -1), chunk(2)] })],
    ['the final ciphertext is altered', () => ({ ...wire, final: flip(wire.final, 40) })],
    ['the final tag is altered', () => ({ ...wire, final: flip(wire.final, -1) })],
  ])('when %s', async (_name, attack) => {
    await expect(opening(join(attack()))).rejects.toMatchObject({ name: 'SealingError', code: 'altered' });
  });

  it('when it is a whole answer to another request of the same session', async () => {
    const second = await ask(pair);
    const whole = join(await answer(pair, second));
    await expect(opening(whole)).rejects.toMatchObject({ code: 'altered' });
    await expect(opening(whole, second.exchange)).resolves.toBeDefined();
  });

  it('and gives out nothing from behind the place where it was altered', async () => {
    const seen: string[] = [];
    const source = asked.exchange.openResponse(pieces(join({ ...wire, chunks: [chunk(0), chunk(1), flip(chunk(2), 9)] })));
    const reading = (async () => {
      for await (const part of source) seen.push(part.type);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'altered' });
    expect(seen).toEqual(['head', 'data']);
  });
});

describe('the client refuses', () => {
  it('an answer with any byte changed', async () => {
    const whole = join(wire);
    for (let at = 0; at < whole.length; at++) {
      const code = await opening(flip(whole, at, 0x80)).then(
        () => 'opened',
        (error: unknown) => codeOf(error),
      );
      // The top bit of a length is the final flag; its other bytes move everything behind them.
      const expected = at < whole.length - 185 ? /^(?:altered|truncated|oversize)$/ : /^receipt_mismatch$/;
      expect(code).toMatch(expected);
    }
  });

  it.each<[string, () => Uint8Array]>([
    ['one byte', () => Uint8Array.of(0)],
    ['another chunk', () => chunk(1)],
    ['the receipt again', () => wire.clear],
    ['a whole answer', () => join(wire)],
  ])('%s behind the receipt (trailing_bytes)', async (_name, rest) => {
    await expect(opening(concat(join(wire), rest()))).rejects.toMatchObject({ code: 'trailing_bytes' });
    await expect(openAll(asked.exchange, pieces(join(wire), rest()))).rejects.toMatchObject({ code: 'trailing_bytes' });
  });

  it.each([65_537, 0x7fff_ffff, 0x8001_0001, 0xffff_ffff])(
    'a chunk that announces too many bytes before they come (oversize): word %i',
    (word) => {
      const frames = new FrameReader();
      expect(() => [...frames.push(concat(wire.nonce, toBigEndian(word, 4)))]).toThrow(expect.objectContaining({ code: 'oversize' }));
    },
  );

  it('a clear receipt that is the one of another answer (receipt_mismatch)', async () => {
    await expect(opening(join({ ...wire, clear: other.clear }))).rejects.toMatchObject({ code: 'receipt_mismatch' });
  });

  it('an answer before the exchange has sealed its request (receipt_mismatch)', async () => {
    const { enc, counter } = asked.request;
    const secret = await RequestSecret.derive(nodeCrypto, { enc, secret: await sessionSecret() }, counter);
    const unused = new ClientExchange(nodeCrypto, pair.guest, enc, counter, secret, asked.exchange.seal);
    await expect(opening(join(wire), unused)).rejects.toMatchObject({ code: 'receipt_mismatch' });
  });
});

function sessionSecret(): Promise<Uint8Array> {
  return pair.keys.sealing.decapsulate(nodeCrypto, asked.request.enc, pair.keys.claims);
}

describe("the client refuses a receipt that is not this answer's (receipt_mismatch)", () => {
  const wrong = new Uint8Array(32).fill(0xee);

  it('but takes the one that says the truth', async () => {
    await expect(opening(join(await lyingAnswer(pair, asked, {})))).resolves.toMatchObject({
      receipt: { receipt: { authorisationHash: asked.hash } },
    });
  });

  it.each<[string, Lie]>([
    ['authorisation', { receipt: { authorisationHash: 1n } }],
    ['sealed answer', { receipt: { sealedHash: 1n } }],
    ['answer', { opening: { responseHash: wrong } }],
    ['request', { opening: { requestHash: wrong } }],
    ['exchange', { opening: { salt: wrong } }],
    ['evidence', { opening: { evidenceDigest: wrong } }],
    ['model', { opening: { modelHash: wrong } }],
    ['image', { opening: { imageHash: wrong } }],
    ['opening', { receipt: { details: 1n } }],
  ])('but of another %s', async (what, lie) => {
    await expect(opening(join(await lyingAnswer(pair, asked, lie)))).rejects.toMatchObject({
      code: 'receipt_mismatch',
      message: `the receipt is for another ${what}`,
    });
  });

  it('but signed by another key', async () => {
    const attempt = opening(join(await lyingAnswer(pair, asked, { signer: generateSigner() })));
    await expect(attempt).rejects.toMatchObject({
      code: 'receipt_mismatch',
      message: "the receipt is not signed by the guest's receipt key",
    });
  });

  it.each([
    ['evidence', 'evidenceDigest'],
    ['model', 'modelHash'],
    ['image', 'imageHash'],
  ] as const)('when the client has verified another %s', async (what, field) => {
    const misled: Pair = { ...(await makePair({ [field]: wrong })) };
    const question = await ask(misled);
    await expect(opening(join(await answer(misled, question)), question.exchange)).rejects.toMatchObject({
      message: `the receipt is for another ${what}`,
    });
  });

  it('whatever the status of the run says', async () => {
    const lie: Lie = { receipt: { status: RECEIPT_STATUS.failed }, signer: generateSigner() };
    await expect(opening(join(await lyingAnswer(pair, asked, lie)))).rejects.toMatchObject({ code: 'receipt_mismatch' });
  });
});

describe('the client refuses what a guest sealed in another form', () => {
  const nonce = new Uint8Array(32).fill(4);
  let key: AeadKey;
  beforeAll(async () => {
    const session = { enc: asked.request.enc, secret: await sessionSecret() };
    key = await (await RequestSecret.derive(nodeCrypto, session, asked.request.counter)).responseKey(nonce);
  });
  const headOf = (json: string) => concat(toBigEndian(utf8(json).length, 2), utf8(json));

  it.each<[string, Uint8Array, string]>([
    ['a head that is not JSON', headOf('{"status"'), 'bad_head'],
    ['a head without a status', headOf('{"headers":{}}'), 'bad_head'],
    ['a head with a status that is none', headOf('{"status":99,"headers":{}}'), 'bad_head'],
    ['a head with an unknown field', headOf('{"status":200,"headers":{},"more":1}'), 'bad_head'],
    ['a head that is not UTF-8', concat(toBigEndian(2, 2), Uint8Array.of(0xc3, 0x28)), 'bad_head'],
    ['a head longer than allowed', toBigEndian(16_385, 2), 'bad_head'],
  ])('%s', async (_name, content, code) => {
    const bytes = concat(nonce, await sealChunk(key, 0, content, false));
    await expect(opening(bytes)).rejects.toMatchObject({ code });
  });

  it('an end before the head was whole (bad_head)', async () => {
    const head = headOf('{"status":200,"headers":{}}');
    const bytes = concat(nonce, await sealChunk(key, 0, head.subarray(0, 9), false), await sealChunk(key, 1, new Uint8Array(377), true));
    await expect(opening(bytes)).rejects.toMatchObject({ code: 'bad_head' });
  });

  it.each<[string, number, string]>([
    ['empty', 0, 'bad_size'],
    ['cut inside the receipt', 120, 'bad_size'],
    ['without the opening', 185, 'bad_tag'],
  ])('a final chunk that is %s', async (_name, size, code) => {
    const head = headOf('{"status":200,"headers":{}}');
    const bytes = concat(nonce, await sealChunk(key, 0, head, false), await sealChunk(key, 1, new Uint8Array(size), true));
    await expect(opening(bytes)).rejects.toMatchObject({ code });
  });

  it('a final chunk with bytes behind the opening (trailing_bytes)', async () => {
    const honest = await lyingAnswer(pair, asked, {});
    const head = headOf('{"status":200,"headers":{}}');
    const content = concat(honest.clear, new Uint8Array(193));
    const bytes = concat(nonce, await sealChunk(key, 0, head, false), await sealChunk(key, 1, content, true));
    await expect(opening(bytes)).rejects.toMatchObject({ code: 'trailing_bytes' });
  });

  it('but takes a head that is spread over chunks, with a body right behind it', async () => {
    const head = headOf('{"status":200,"headers":{}}');
    const all = concat(head, new Uint8Array(65_000).fill(7));
    const source = pieces(
      nonce,
      await sealChunk(key, 0, all.subarray(0, 1), false),
      await sealChunk(key, 1, all.subarray(1, 20), false),
      await sealChunk(key, 2, all.subarray(20), false),
    );
    const sizes: number[] = [];
    const reading = (async () => {
      for await (const part of asked.exchange.openResponse(source)) if (part.type === 'data') sizes.push(part.data.length);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'truncated' });
    expect(sizes).toEqual([65_000]);
  });
});
