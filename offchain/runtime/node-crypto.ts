/**
 * runtime: what a process takes from Node: primitives, config files, its state folder, log, metrics, shutdown.
 * It trusts the operating system; it knows nothing of what the processes do.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import { toBase64Url } from '../core/bytes';
import type { CryptoProvider, Signer } from '../core/crypto';
import { ConfigError } from '../core/errors';

const TAG_SIZE = 16;

/** Imported keys are cached: importing costs as much as a tenth of a verification, and the same few keys come again. */
class KeyCache {
  private readonly keys = new Map<string, KeyObject | null>();

  constructor(private readonly limit: number) {}

  get(id: string, load: () => KeyObject): KeyObject | null {
    const known = this.keys.get(id);
    if (known !== undefined) return known;
    let key: KeyObject | null;
    try {
      key = load();
    } catch {
      key = null;
    }
    if (this.keys.size >= this.limit) {
      const oldest = this.keys.keys().next();
      if (!oldest.done) this.keys.delete(oldest.value);
    }
    this.keys.set(id, key);
    return key;
  }
}

const keys = new KeyCache(4096);

/** CryptoProvider on node:crypto; every call answers at once. */
export const nodeCrypto: CryptoProvider = {
  sha256: (data) => createHash('sha256').update(data).digest(),
  startSha256: () => {
    const hash = createHash('sha256');
    return {
      update: (data) => {
        hash.update(data);
      },
      digest: () => hash.digest(),
    };
  },
  sha384: (data) => createHash('sha384').update(data).digest(),
  sha512: (data) => createHash('sha512').update(data).digest(),
  hmacSha256: (key, data) => createHmac('sha256', key).update(data).digest(),
  sealAesGcm: (key, nonce, plaintext, aad) => {
    const cipher = createCipheriv('aes-128-gcm', key, nonce);
    cipher.setAAD(aad);
    return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  },
  openAesGcm: (key, nonce, ciphertext, aad) => {
    if (ciphertext.length < TAG_SIZE) return null;
    const decipher = createDecipheriv('aes-128-gcm', key, nonce, { authTagLength: TAG_SIZE });
    decipher.setAAD(aad);
    decipher.setAuthTag(ciphertext.subarray(ciphertext.length - TAG_SIZE));
    try {
      return Buffer.concat([decipher.update(ciphertext.subarray(0, ciphertext.length - TAG_SIZE)), decipher.final()]);
    } catch {
      return null;
    }
  },
  verifyP256: (publicKey, message, signature) => verifyEcdsa('P-256', 32, 'sha256', publicKey, message, signature),
  verifyP384: (publicKey, message, signature) => verifyEcdsa('P-384', 48, 'sha384', publicKey, message, signature),
  verifyEd25519: (publicKey, message, signature) => {
    if (publicKey.length !== 32 || signature.length !== 64) return false;
    const x = toBase64Url(publicKey);
    const key = keys.get(`ed25519:${x}`, () => createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }));
    return key !== null && verify(null, message, key, signature);
  },
  randomBytes: (size) => randomBytes(size),
};

/** ECDSA over a point of twice `size` bytes behind its 04; r and s have `size` bytes each. */
function verifyEcdsa(
  crv: 'P-256' | 'P-384',
  size: number,
  hash: 'sha256' | 'sha384',
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (publicKey.length !== 1 + 2 * size || publicKey[0] !== 4 || signature.length !== 2 * size) return false;
  const x = toBase64Url(publicKey.subarray(1, 1 + size));
  const y = toBase64Url(publicKey.subarray(1 + size));
  const key = keys.get(`${crv}:${x}:${y}`, () => createPublicKey({ key: { kty: 'EC', crv, x, y }, format: 'jwk' }));
  return key !== null && verify(hash, message, { key, dsaEncoding: 'ieee-p1363' }, signature);
}

// DER prefix of an Ed25519 private key with its 32-byte seed behind it. Source: RFC 8410 section 7.
const ED25519_PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** The signer of a 32-byte Ed25519 seed. @throws bad_key */
export function signerFromSeed(seed: Uint8Array): Signer {
  if (seed.length !== 32) throw new ConfigError('bad_key', `key of ${seed.length} bytes, expected 32`);
  return toSigner(createPrivateKey({ key: Buffer.concat([ED25519_PKCS8, seed]), format: 'der', type: 'pkcs8' }));
}

/** A signer with a fresh key that exists in this process only. */
export function generateSigner(): Signer {
  return toSigner(generateKeyPairSync('ed25519').privateKey);
}

function toSigner(key: KeyObject): Signer {
  const jwk = createPublicKey(key).export({ format: 'jwk' });
  return {
    publicKey: Buffer.from(jwk.x ?? '', 'base64url'),
    sign: (message) => sign(null, message, key),
  };
}
