import { generateKeyPairSync, sign } from 'node:crypto';
import { nodeCrypto, signerFromSeed } from '../runtime/node-crypto';
import { concat, equal, fromHex, toHex, utf8 } from './bytes';
import { hkdfExpand, hkdfExtract } from './crypto';
import { webCrypto } from './web-crypto';

const NOTHING = new Uint8Array(0);

// One contract, every implementation.
describe.each([
  ['nodeCrypto', nodeCrypto],
  ['webCrypto', webCrypto(globalThis.crypto)],
])('%s', (_, crypto) => {
  // Source of the hashes: FIPS 180-4, the examples for "abc" and for nothing.
  test('hashes with SHA-256, SHA-384 and SHA-512', async () => {
    expect(toHex(await crypto.sha256(utf8('abc')))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    expect(toHex(await crypto.sha256(NOTHING))).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(toHex(await crypto.sha384(utf8('abc')))).toMatch(/^cb00753f45a35e8bb5a03d699ac65007272c32ab0eded163/);
    expect(toHex(await crypto.sha512(utf8('abc')))).toMatch(/^ddaf35a193617abacc417349ae20413112e6fa4e89a97ea2/);
  });

  test('hashes a view on a larger buffer, and a stream in pieces, as it hashes the bytes themselves', async () => {
    const padded = utf8('xabcx');
    const expected = toHex(await crypto.sha256(utf8('abc')));
    expect(toHex(await crypto.sha256(padded.subarray(1, 4)))).toBe(expected);
    const stream = crypto.startSha256();
    const piece = utf8('a');
    stream.update(piece);
    piece[0] = 0; // Inputs are not kept.
    stream.update(NOTHING);
    stream.update(utf8('bc'));
    expect(toHex(await stream.digest())).toBe(expected);
  });

  test('makes HMAC-SHA-256 as RFC 4231 has it, and with an empty key', async () => {
    const tag = await crypto.hmacSha256(utf8('Jefe'), utf8('what do ya want for nothing?'));
    expect(toHex(tag)).toBe('5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843');
    expect(toHex(await crypto.hmacSha256(NOTHING, NOTHING))).toBe('b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad');
  });

  test('derives keys as RFC 5869 has it (test case 3, first block)', async () => {
    const prk = await hkdfExtract(crypto, NOTHING, new Uint8Array(22).fill(0x0b));
    expect(toHex(prk)).toBe('19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04');
    const okm = await hkdfExpand(crypto, prk, NOTHING, 32);
    expect(toHex(okm)).toBe('8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d');
  });

  test('seals and opens with AES-128-GCM as the GCM specification has it (test case 4)', async () => {
    const key = fromHex('feffe9928665731c6d6a8f9467308308');
    const nonce = fromHex('cafebabefacedbaddecaf888');
    const aad = fromHex('feedfacedeadbeeffeedfacedeadbeefabaddad2');
    const plaintext = fromHex(
      'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
    );
    const ciphertext = fromHex(
      '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091' +
        '5bc94fbc3221a5db94fae95ae7121a47',
    );
    expect(toHex(await crypto.sealAesGcm(key, nonce, plaintext, aad))).toBe(toHex(ciphertext));
    expect(toHex((await crypto.openAesGcm(key, nonce, ciphertext, aad)) ?? NOTHING)).toBe(toHex(plaintext));
  });

  test('opens nothing that was changed, moved or cut off', async () => {
    const key = new Uint8Array(16).fill(1);
    const nonce = new Uint8Array(12).fill(2);
    const sealed = await crypto.sealAesGcm(key, nonce, utf8('text'), NOTHING);
    for (let at = 0; at < sealed.length; at++) {
      const changed = sealed.map((byte, i) => (i === at ? byte ^ 1 : byte));
      expect(await crypto.openAesGcm(key, nonce, changed, NOTHING)).toBeNull();
    }
    expect(await crypto.openAesGcm(key, nonce, sealed, utf8('aad'))).toBeNull();
    expect(await crypto.openAesGcm(key, new Uint8Array(12), sealed, NOTHING)).toBeNull();
    expect(await crypto.openAesGcm(new Uint8Array(16), nonce, sealed, NOTHING)).toBeNull();
    expect(await crypto.openAesGcm(key, nonce, sealed.subarray(1), NOTHING)).toBeNull();
    expect(await crypto.openAesGcm(key, nonce, NOTHING, NOTHING)).toBeNull();
    const empty = await crypto.sealAesGcm(key, nonce, NOTHING, NOTHING);
    expect(empty).toHaveLength(16);
    expect(await crypto.openAesGcm(key, nonce, empty, NOTHING)).toHaveLength(0);
  });

  test.each([
    ['P-256', 'sha256', 'verifyP256', 32],
    ['P-384', 'sha384', 'verifyP384', 48],
  ] as const)('checks ECDSA signatures of %s', async (namedCurve, hash, name, size) => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve });
    const point = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(-1 - 2 * size));
    const verify = (key: Uint8Array, message: Uint8Array, signature: Uint8Array) => crypto[name](key, message, signature);
    const message = utf8('message');
    const signature = new Uint8Array(sign(hash, message, { key: privateKey, dsaEncoding: 'ieee-p1363' }));
    expect(await verify(point, message, signature)).toBe(true);
    expect(await verify(point, utf8('other'), signature)).toBe(false);
    const otherHash = hash === 'sha256' ? 'sha384' : 'sha256';
    expect(await verify(point, message, new Uint8Array(sign(otherHash, message, { key: privateKey, dsaEncoding: 'ieee-p1363' })))).toBe(
      false,
    );
    expect(await verify(point, message, new Uint8Array(2 * size))).toBe(false);
    expect(await verify(point, message, signature.subarray(1))).toBe(false);
    expect(await verify(point, message, concat(signature, Uint8Array.of(0)))).toBe(false);
    expect(await verify(point, message, new Uint8Array(sign(hash, message, privateKey)))).toBe(false);
    const notOnCurve = point.map((byte, i) => (i === 2 * size ? byte ^ 1 : byte));
    expect(await verify(notOnCurve, message, signature)).toBe(false);
    const compressed = concat(Uint8Array.of(2 + ((point[2 * size] ?? 0) & 1)), point.subarray(1, 1 + size));
    expect(await verify(compressed, message, signature)).toBe(false);
    expect(await verify(NOTHING, message, signature)).toBe(false);
  });

  test('checks Ed25519 signatures as RFC 8032 has them (test 2)', async () => {
    const key = fromHex('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c');
    const signature = fromHex(
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    );
    const message = Uint8Array.of(0x72);
    expect(await crypto.verifyEd25519(key, message, signature)).toBe(true);
    expect(await crypto.verifyEd25519(key, Uint8Array.of(0x73), signature)).toBe(false);
    expect(
      await crypto.verifyEd25519(
        key,
        message,
        signature.map((byte, i) => (i === 0 ? byte ^ 1 : byte)),
      ),
    ).toBe(false);
    expect(await crypto.verifyEd25519(key, message, signature.subarray(1))).toBe(false);
    expect(await crypto.verifyEd25519(key.subarray(1), message, signature)).toBe(false);
    // s plus the group's order: a second form of the same signature, which nobody may accept.
    const order = 2n ** 252n + 27742317777372353535851937790883648493n;
    const s = BigInt(`0x${toHex(Uint8Array.from(signature.subarray(32)).reverse())}`) + order;
    const malleable = concat(signature.subarray(0, 32), fromHex(s.toString(16).padStart(64, '0')).reverse());
    expect(await crypto.verifyEd25519(key, message, malleable)).toBe(false);
  });

  test('checks what a signer signs', async () => {
    const signer = signerFromSeed(new Uint8Array(32).fill(7));
    const signature = await signer.sign(utf8('message'));
    expect(await crypto.verifyEd25519(signer.publicKey, utf8('message'), signature)).toBe(true);
  });

  test('gives random bytes of any size', () => {
    expect(crypto.randomBytes(0)).toHaveLength(0);
    const large = crypto.randomBytes(70_000);
    expect(large).toHaveLength(70_000);
    expect(equal(large.subarray(0, 32), crypto.randomBytes(32))).toBe(false);
    expect(large.subarray(65_536).some((byte) => byte !== 0)).toBe(true);
  });
});

test('a missing algorithm is an error of the platform, not an invalid signature', async () => {
  const subtle = new Proxy(globalThis.crypto.subtle, {
    get: () => () => Promise.reject(new DOMException('unknown algorithm', 'NotSupportedError')),
  });
  const crypto = webCrypto({ ...globalThis.crypto, subtle });
  await expect(crypto.verifyEd25519(new Uint8Array(32), NOTHING, new Uint8Array(64))).rejects.toThrow('unknown algorithm');
});
