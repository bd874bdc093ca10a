import { RECEIPT_STATUS } from '../../wrappers/statements';
import { concat, fromBigEndian, toBigEndian, utf8 } from '../core/bytes';
import { generateSigner, nodeCrypto } from '../runtime/node-crypto';
import { GuestOpener } from './guest-exchange';
import { RequestSecret, sealHash } from './keys';
import { padRequest } from './padding';
import type { GuestRequest } from './relay-body';
import { type Asked, ask, authorise, flip, hashOf, makePair, NOW_SEC, type Pair, REQUEST_HEAD, USAGE } from './sealing.test-kit';

let pair: Pair;
let asked: Asked;
beforeAll(async () => {
  pair = await makePair();
  asked = await ask(pair);
});

/** A request as somebody who did not seal it could put it together: the authorisation's seal fits what is sent. */
async function remade(change: Partial<GuestRequest>): Promise<{ readonly request: GuestRequest; readonly hash: bigint }> {
  const sent = { ...asked.request, ...change };
  const seal = fromBigEndian(await sealHash(nodeCrypto, sent.enc, sent.counter));
  const authorisation = authorise(seal, pair.keys.receipt.publicKey);
  return { request: { ...sent, authorisation }, hash: hashOf(authorisation) };
}

describe('the guest refuses (altered)', () => {
  it('the authorisation of another prompt', async () => {
    const second = await ask(pair);
    const request = { ...asked.request, authorisation: second.request.authorisation };
    await expect(pair.opener.open(request, second.hash)).rejects.toMatchObject({
      code: 'altered',
      message: 'the authorisation is for another sealed request',
    });
  });

  it('another counter or another encapsulation than the authorisation names', async () => {
    for (const change of [{ counter: asked.request.counter + 1n }, { enc: flip(asked.request.enc, 0) }]) {
      await expect(pair.opener.open({ ...asked.request, ...change }, asked.hash)).rejects.toMatchObject({ code: 'altered' });
    }
  });

  it('another receipt key', async () => {
    const exchange = await pair.session.next();
    const authorisation = authorise(exchange.seal, generateSigner().publicKey);
    const request = await exchange.sealRequest(authorisation, hashOf(authorisation), REQUEST_HEAD, utf8('x'));
    await expect(pair.opener.open(request, hashOf(authorisation))).rejects.toMatchObject({
      code: 'altered',
      message: 'the authorisation is for another receipt key',
    });
  });

  it('a dearer authorisation around the same sealed prompt', async () => {
    const authorisation = authorise(asked.exchange.seal, pair.keys.receipt.publicKey, { maxAmount: 2_000_000n });
    await expect(pair.opener.open({ ...asked.request, authorisation }, hashOf(authorisation))).rejects.toMatchObject({
      code: 'altered',
      message: 'the request does not open',
    });
  });

  it.each<[string, (ciphertext: Uint8Array) => Uint8Array]>([
    ['with its first byte changed', (ciphertext) => flip(ciphertext, 0)],
    ['with its tag changed', (ciphertext) => flip(ciphertext, -1)],
    ['cut by one byte', (ciphertext) => ciphertext.subarray(0, -1)],
    ['with a byte behind it', (ciphertext) => concat(ciphertext, Uint8Array.of(0))],
    ['shorter than a tag', (ciphertext) => ciphertext.subarray(0, 15)],
    ['of no byte', () => new Uint8Array(0)],
  ])('a ciphertext %s', async (_name, change) => {
    const request = { ...asked.request, ciphertext: change(asked.request.ciphertext) };
    await expect(pair.opener.open(request, asked.hash)).rejects.toMatchObject({ name: 'SealingError', code: 'altered' });
  });

  it.each<[string, Uint8Array]>([
    ['zeros', new Uint8Array(32)],
    ['a point of small order', toBigEndian(1n << 248n, 32)],
    ['random bytes', nodeCrypto.randomBytes(32)],
    ['too few bytes', new Uint8Array(31).fill(1)],
  ])('an encapsulation of %s, though the authorisation names it', async (_name, enc) => {
    const { request, hash } = await remade({ enc });
    await expect(pair.opener.open(request, hash)).rejects.toMatchObject({ name: 'SealingError', code: 'altered' });
  });

  it('the counter of another request, though the authorisation names it', async () => {
    const { request, hash } = await remade({ counter: 999n });
    await expect(pair.opener.open(request, hash)).rejects.toMatchObject({ code: 'altered', message: 'the request does not open' });
  });

  it('what was sealed for the same keys under other claims', async () => {
    const opener = new GuestOpener(nodeCrypto, { ...pair.keys, claims: utf8('{"claims":2}') });
    await expect(opener.open(asked.request, asked.hash)).rejects.toMatchObject({ code: 'altered' });
  });

  it("what was sealed for another guest's key", async () => {
    const stranger = await makePair();
    const opener = new GuestOpener(nodeCrypto, { ...pair.keys, sealing: stranger.keys.sealing });
    await expect(opener.open(asked.request, asked.hash)).rejects.toMatchObject({ code: 'altered' });
  });
});

describe('the guest refuses what a client sealed in another form', () => {
  async function sealed(plaintext: Uint8Array): Promise<Promise<unknown>> {
    const exchange = await pair.session.next();
    const authorisation = authorise(exchange.seal, pair.keys.receipt.publicKey);
    const request = await exchange.sealRequest(authorisation, hashOf(authorisation), REQUEST_HEAD, utf8('x'));
    const session = { enc: request.enc, secret: await pair.keys.sealing.decapsulate(nodeCrypto, request.enc, pair.keys.claims) };
    const { key, nonce } = await (await RequestSecret.derive(nodeCrypto, session, request.counter)).requestKey();
    const ciphertext = await nodeCrypto.sealAesGcm(key, nonce, plaintext, toBigEndian(hashOf(authorisation), 32));
    return pair.opener.open({ ...request, ciphertext }, hashOf(authorisation));
  }
  const withHead = (json: string) => padRequest(concat(toBigEndian(utf8(json).length, 2), utf8(json)));

  it.each<[string, Uint8Array, string]>([
    ['no length', new Uint8Array(3), 'altered'],
    ['a length beyond its end', concat(toBigEndian(1021, 4), new Uint8Array(1020)), 'altered'],
    ['padding that is not zero', flip(padRequest(utf8('x')), -1), 'altered'],
    ['no content', padRequest(new Uint8Array(0)), 'truncated'],
    ['a head that is cut', padRequest(Uint8Array.of(0, 9, 123)), 'truncated'],
    ['a head longer than allowed', padRequest(concat(toBigEndian(16_385, 2), new Uint8Array(20_000))), 'bad_head'],
    ['a head that is not JSON', withHead('{'), 'bad_head'],
    ['another method', withHead('{"method":"PUT","path":"/","headers":{}}'), 'bad_head'],
    ['an unknown field', withHead('{"method":"GET","path":"/","headers":{},"host":"x"}'), 'bad_head'],
    ['a header that is no text', withHead('{"method":"GET","path":"/","headers":{"a":1}}'), 'bad_head'],
  ])('%s', async (_name, plaintext, code) => {
    await expect(sealed(plaintext)).rejects.toMatchObject({ code });
  });

  it('and says nothing of what it found', async () => {
    const error: unknown = await sealed(withHead('secret prompt')).then(
      () => null,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(Error);
    expect(error instanceof Error ? `${error.message} ${error.cause}` : '').not.toContain('secret');
  });
});

describe('the guest', () => {
  it('signs what it used, how it ended and when', async () => {
    const exchange = await pair.opener.open(asked.request, asked.hash);
    await exchange.start({ status: 200, headers: {} });
    const { receipt, signature, bytes } = await exchange.finish(USAGE, RECEIPT_STATUS.stopped, NOW_SEC + 5);
    expect(receipt).toMatchObject({ authorisationHash: asked.hash, usage: USAGE, status: RECEIPT_STATUS.stopped, at: NOW_SEC + 5 });
    expect(bytes.subarray(-64)).toEqual(signature);
  });
});
