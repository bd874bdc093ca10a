import { concat, fromHex, fromUtf8, toHex, utf8 } from '../core/bytes';
import { nodeCrypto } from '../runtime/node-crypto';
import { MAX_CLAIMS_SIZE } from './claims';
import { decodeBundle, encodeBundle, evidenceDigest, imageHashOf, MAX_BUNDLE_SIZE, reportDataOf } from './evidence';
import { MAX_QUOTE_SIZE } from './quote';

describe('a bundle', () => {
  test('is two base64url strings in canonical JSON, named by its SHA-256', async () => {
    const bytes = encodeBundle({ quote: Uint8Array.of(0xfb, 0xff), claims: utf8('{}') });
    expect(fromUtf8(bytes)).toBe('{"claims":"e30","quote":"-_8"}');
    expect(await evidenceDigest(bytes, nodeCrypto)).toBe('6b9bd607a6d7ae586595fd0bda055bfaa3ea54caa67128e4fe30f05aad247a37');
    expect(decodeBundle(bytes)).toEqual({ quote: Uint8Array.of(0xfb, 0xff), claims: utf8('{}') });
  });

  test('may have both parts at their limits, and not a byte more (bad_bundle)', () => {
    const quote = new Uint8Array(MAX_QUOTE_SIZE);
    const claims = new Uint8Array(MAX_CLAIMS_SIZE);
    const bytes = encodeBundle({ quote, claims });
    expect(bytes.length).toBeLessThanOrEqual(MAX_BUNDLE_SIZE);
    expect(decodeBundle(bytes)).toEqual({ quote, claims });
    const more = Uint8Array.of(0);
    expect(() => encodeBundle({ quote: concat(quote, more), claims })).toThrow('quote of 32769 bytes, limit 32768');
    expect(() => encodeBundle({ quote, claims: concat(claims, more) })).toThrow('claims of 16385 bytes, limit 16384');
    const oversize = utf8(`{"claims":"","quote":"${'A'.repeat(43_692)}"}`);
    expect(() => decodeBundle(oversize)).toThrow('quote of 32769 bytes, limit 32768');
  });

  test.each([
    ['too many bytes', `"${'A'.repeat(MAX_BUNDLE_SIZE)}"`, 'bad_json'],
    ['white space', '{"claims":"e30", "quote":"-_8"}', 'bad_json'],
    ['another order', '{"quote":"-_8","claims":"e30"}', 'bad_json'],
    ['an unknown field', '{"claims":"e30","extra":1,"quote":"-_8"}', 'bad_bundle'],
    ['a missing field', '{"claims":"e30"}', 'bad_bundle'],
    ['another type', '{"claims":"e30","quote":1}', 'bad_bundle'],
    ['padded base64', '{"claims":"e30=","quote":"-_8"}', 'bad_bundle'],
    ['plain base64', '{"claims":"e30","quote":"+/8"}', 'bad_bundle'],
    ['bits behind the base64url', '{"claims":"e31","quote":"-_8"}', 'bad_bundle'],
    ['a list', '[]', 'bad_bundle'],
  ])('with %s is refused', (_, text, code) => {
    expect(() => decodeBundle(utf8(text))).toThrow(expect.objectContaining({ code }));
  });
});

describe('hashes', () => {
  test('report data is SHA-512 of the claims', async () => {
    // Source of the value: FIPS 180-4, the example for "abc".
    expect(toHex(await reportDataOf(utf8('abc'), nodeCrypto))).toBe(
      'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
    );
  });

  test('the image hash is SHA-256 over MRTD and the four runtime registers, in this order', async () => {
    const register = (byte: number) => new Uint8Array(48).fill(byte);
    const measurements = { mrTd: register(1), rtmr: [register(2), register(3), register(4), register(5)] } as const;
    const expected = await nodeCrypto.sha256(fromHex([1, 2, 3, 4, 5].map((byte) => `0${byte}`.repeat(48)).join('')));
    expect(await imageHashOf(measurements, nodeCrypto)).toBe(toHex(expected));
  });
});
