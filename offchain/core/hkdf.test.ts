import { nodeCrypto } from '../runtime/node-crypto';
import { fromHex, toHex, utf8 } from './bytes';
import { hkdfExpand, hkdfExtract } from './crypto';

describe('HKDF with SHA-256 over node:crypto', () => {
  // Source: RFC 5869 appendix A.1 and A.3; the first 32 bytes of their output.
  it.each<[string, string, string, string, string, string]>([
    [
      'test case 1',
      '0b'.repeat(22),
      '000102030405060708090a0b0c',
      'f0f1f2f3f4f5f6f7f8f9',
      '077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5',
      '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf',
    ],
    [
      'test case 3, without salt and info',
      '0b'.repeat(22),
      '',
      '',
      '19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04',
      '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d',
    ],
  ])('gives the known answer of %s', async (_name, ikm, salt, info, prk, okm) => {
    expect(toHex(await hkdfExtract(nodeCrypto, fromHex(salt), fromHex(ikm)))).toBe(prk);
    expect(toHex(await hkdfExpand(nodeCrypto, fromHex(prk), fromHex(info), 32))).toBe(okm);
    expect(toHex(await hkdfExpand(nodeCrypto, fromHex(prk), fromHex(info), 16))).toBe(okm.slice(0, 32));
  });

  it('refuses more than one block', async () => {
    await expect(hkdfExpand(nodeCrypto, utf8('key'), utf8('info'), 33)).rejects.toThrow('hkdf output of 33 bytes, limit 32');
  });
});
