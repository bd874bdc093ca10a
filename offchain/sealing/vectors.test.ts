import { generateKeyPairSync } from 'node:crypto';
import { decodeAuthorisation, encodeAuthorisation, RECEIPT_STATUS } from '../../wrappers/statements';
import { concat, fromBase64Url, fromBigEndian, fromHex, toBigEndian, toHex, utf8 } from '../core/bytes';
import type { CryptoProvider } from '../core/crypto';
import { nodeCrypto, signerFromSeed } from '../runtime/node-crypto';
import { ClientExchange, type VerifiedGuest } from './client-session';
import { encodeRequestContent } from './content';
import { type GuestKeySet, GuestOpener } from './guest-exchange';
import { exportSecret } from './hpke.test-kit';
import { chunkNonce, encapsulate, RequestSecret, type SealingKey, sealHash } from './keys';
import { encodeOpening } from './opening';
import { padChunk, padRequest } from './padding';
import { decodeGuestRequest, encodeGuestRequest } from './relay-body';
import { hashOf, NOW_SEC, openAll, pieces, REQUEST_HEAD, RESPONSE_HEAD, USAGE } from './sealing.test-kit';
import vectors from './vectors.json';

const info = async (claims: Uint8Array) => concat(utf8('cocoon/1'), Uint8Array.of(1), await nodeCrypto.sha256(claims));

describe('the session secret', () => {
  it.each(vectors.rfc9180.exports)(
    'follows RFC 9180 in the reference: appendix A.1.1.3, context "$context"',
    async ({ context, value }) => {
      const { privateKey, publicKey, enc, info: rfcInfo } = vectors.rfc9180;
      const exported = await exportSecret(fromHex(privateKey), fromHex(publicKey), fromHex(enc), fromHex(rfcInfo), fromHex(context));
      expect(toHex(exported)).toBe(value);
    },
  );

  it('is the one of the vectors for their key, encapsulation and claims', async () => {
    const { privateKey, publicKey, enc, claims, secret } = vectors.session;
    const exported = await exportSecret(
      fromHex(privateKey),
      fromHex(publicKey),
      fromHex(enc),
      await info(utf8(claims)),
      utf8('cocoon/1 session'),
    );
    expect(toHex(exported)).toBe(secret);
    expect(toHex(await info(utf8(claims)))).toBe(vectors.session.info);
  });

  it('is the same at the client and in the reference, for fresh keys', async () => {
    const jwk = generateKeyPairSync('x25519').privateKey.export({ format: 'jwk' });
    const publicKey = fromBase64Url(jwk.x ?? '');
    const claims = utf8('some claims');

    const { enc, secret } = await encapsulate(nodeCrypto, publicKey, claims);

    const expected = await exportSecret(fromBase64Url(jwk.d ?? ''), publicKey, enc, await info(claims), utf8('cocoon/1 session'));
    expect(toHex(secret)).toBe(toHex(expected));
  });
});

describe('what follows from the session secret is as in the vectors', () => {
  const enc = fromHex(vectors.session.enc);
  const session = { enc, secret: fromHex(vectors.session.secret) };
  const { request, response } = vectors;
  const counter = BigInt(request.counter);
  const nonce = fromHex(response.nonce);

  it('the seal of an authorisation', async () => {
    expect(toHex(await sealHash(nodeCrypto, enc, counter))).toBe(request.seal);
  });

  it('the keys of request and response, and the salt', async () => {
    const secret = await RequestSecret.derive(nodeCrypto, session, counter);
    const requestKey = await secret.requestKey();
    const responseKey = await secret.responseKey(nonce);
    expect(toHex(requestKey.key)).toBe(request.key);
    expect(toHex(requestKey.nonce)).toBe(request.keyNonce);
    expect(toHex(responseKey.key)).toBe(response.key);
    expect(toHex(responseKey.nonce)).toBe(response.keyNonce);
    expect(toHex(await secret.detailsSalt())).toBe(response.salt);
  });

  it.each(vectors.chunkNonces)('the nonce of chunk $index', ({ base, index, nonce: expected }) => {
    expect(toHex(chunkNonce(fromHex(base), index))).toBe(expected);
  });

  it.each(vectors.pads)('the pads of $size bytes', ({ size, request: requestSize, chunk: chunkSize }) => {
    const content = new Uint8Array(size).fill(0xff);
    expect(padRequest(content)).toEqual(concat(toBigEndian(size, 4), content, new Uint8Array(requestSize - 4 - size)));
    expect(padChunk(content)).toEqual(concat(toBigEndian(size, 2), content, new Uint8Array(chunkSize - 2 - size)));
  });

  const receiptSigner = signerFromSeed(fromHex(vectors.guest.receiptSeed));
  const proven = {
    claims: utf8(vectors.session.claims),
    evidenceDigest: fromHex(vectors.guest.evidenceDigest),
    modelHash: fromHex(vectors.guest.modelHash),
    imageHash: fromHex(vectors.guest.imageHash),
  };
  const guest: VerifiedGuest = { sealingKey: fromHex(vectors.session.publicKey), receiptKey: receiptSigner.publicKey, ...proven };
  const authorisation = decodeAuthorisation(fromHex(request.authorisation));
  const body = utf8(request.body);

  async function clientExchange(): Promise<ClientExchange> {
    const secret = await RequestSecret.derive(nodeCrypto, session, counter);
    return new ClientExchange(nodeCrypto, guest, enc, counter, secret, fromBigEndian(fromHex(request.seal)));
  }

  it('the sealed request, as worker and guest get it', async () => {
    const sealed = await (await clientExchange()).sealRequest(authorisation, hashOf(authorisation), REQUEST_HEAD, body);
    expect(toHex(encodeAuthorisation(authorisation))).toBe(request.authorisation);
    expect(toHex(toBigEndian(hashOf(authorisation), 32))).toBe(request.authorisationHash);
    expect(toHex(receiptSigner.publicKey)).toBe(vectors.guest.receiptKey);
    expect(toHex(encodeRequestContent(REQUEST_HEAD, body))).toBe(request.content);
    expect(toHex(encodeGuestRequest(sealed))).toBe(request.wire);
  });

  it('the sealed answer, and it opens', async () => {
    const sealing: SealingKey = { publicKey: guest.sealingKey, decapsulate: async () => session.secret };
    const keys: GuestKeySet = { sealing, receipt: receiptSigner, ...proven };
    const crypto: CryptoProvider = { ...nodeCrypto, randomBytes: () => nonce };
    const opened = await new GuestOpener(crypto, keys).open(decodeGuestRequest(fromHex(request.wire)), hashOf(authorisation));
    expect(opened.body).toEqual(body);

    const start = await opened.start(RESPONSE_HEAD);
    const data = await opened.data(utf8(response.body));
    const end = await opened.finish(USAGE, RECEIPT_STATUS.complete, NOW_SEC);
    expect(toHex(concat(start, data, end.bytes))).toBe(response.wire);
    expect(toHex(toBigEndian(end.receipt.sealedHash, 32))).toBe(response.sealedHash);
    expect(toHex(toBigEndian(end.receipt.details, 32))).toBe(response.details);

    const exchange = await clientExchange();
    await exchange.sealRequest(authorisation, hashOf(authorisation), REQUEST_HEAD, body);
    const answer = await openAll(exchange, pieces(fromHex(response.wire)));
    expect(answer.body).toEqual(utf8(response.body));
    expect(answer.receipt === null ? '' : toHex(encodeOpening(answer.receipt.opening))).toBe(response.opening);
  });
});
