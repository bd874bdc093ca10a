import { keyPairFromSeed, sha256_sync, sign } from '@ton/crypto';
import fc from 'fast-check';
import { IN_JAVASCRIPT } from './native-crypto';

const bytes = fc.uint8Array({ maxLength: 300 }).map((data) => Buffer.from(data));

describe('cryptography by Node', () => {
  it('is in use', () => {
    expect(sha256_sync).not.toBe(IN_JAVASCRIPT.sha256_sync);
    expect(sign).not.toBe(IN_JAVASCRIPT.sign);
  });

  it('hashes as @ton/crypto does', () => {
    fc.assert(fc.property(bytes, (data) => sha256_sync(data).equals(IN_JAVASCRIPT.sha256_sync(data))));
    expect(sha256_sync('grüße')).toEqual(IN_JAVASCRIPT.sha256_sync('grüße'));
  });

  it('signs as @ton/crypto does', () => {
    const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((seed) => Buffer.from(seed));
    fc.assert(
      fc.property(seeds, bytes, (seed, data) => {
        const { secretKey } = keyPairFromSeed(seed);
        return sign(data, secretKey).equals(IN_JAVASCRIPT.sign(data, secretKey));
      }),
      { numRuns: 20 },
    );
  });
});
