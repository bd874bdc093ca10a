/**
 * SHA-256 and Ed25519 of @ton/crypto by Node's own code: the same bytes, many times faster. The tests hash millions of cells and sign
 * thousands of statements; in JavaScript that would be most of their time. tests/native-crypto.spec.ts compares the two.
 */
import { createHash, createPrivateKey, type KeyObject, sign } from 'node:crypto';
import * as nacl from '@ton/crypto/dist/primitives/nacl';
import * as sha256 from '@ton/crypto/dist/primitives/sha256';

/** DER of a PKCS #8 key up to its 32 bytes of seed. Source: RFC 8410 section 7. */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');
const SEED_BYTES = 32;

const keys = new Map<string, KeyObject>();

/** `secretKey`: seed, then public key. */
function keyOf(secretKey: Buffer): KeyObject {
  const seed = secretKey.subarray(0, SEED_BYTES);
  const name = seed.toString('hex');
  const known = keys.get(name);
  if (known !== undefined) return known;
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, seed]), format: 'der', type: 'pkcs8' });
  keys.set(name, key);
  return key;
}

/** What @ton/crypto has, before this module came. */
export const IN_JAVASCRIPT = { sha256_sync: sha256.sha256_sync, sign: nacl.sign };

Object.assign(sha256, {
  sha256_sync: (source: Buffer | string): Buffer => createHash('sha256').update(source).digest(),
});
Object.assign(nacl, { sign: (data: Buffer, secretKey: Buffer): Buffer => sign(null, data, keyOf(secretKey)) });
