import { concat } from './bytes';
import type { CryptoProvider } from './crypto';

/** Most bytes that one call of getRandomValues gives. Source: W3C Web Cryptography API section 10.1.1. */
const RANDOM_LIMIT = 65_536;

/** CryptoProvider on WebCrypto, for browsers; every call but `randomBytes` answers later. */
export function webCrypto(crypto: Crypto): CryptoProvider {
  const { subtle } = crypto;
  const digest = async (algorithm: string, data: Uint8Array) => new Uint8Array(await subtle.digest(algorithm, plain(data)));
  const aesKey = (key: Uint8Array, use: 'encrypt' | 'decrypt') => subtle.importKey('raw', plain(key), 'AES-GCM', false, [use]);
  const aesParams = (nonce: Uint8Array, aad: Uint8Array) => ({ name: 'AES-GCM', iv: plain(nonce), additionalData: plain(aad) });
  return {
    sha256: (data) => digest('SHA-256', data),
    startSha256: () => {
      const parts: Uint8Array[] = [];
      return {
        update: (data) => {
          parts.push(plain(data));
        },
        digest: () => digest('SHA-256', concat(...parts)),
      };
    },
    sha384: (data) => digest('SHA-384', data),
    sha512: (data) => digest('SHA-512', data),
    hmacSha256: async (key, data) => {
      // WebCrypto refuses an empty key; HMAC pads keys with zeros, so one zero byte is the same key.
      const raw = key.length === 0 ? new Uint8Array(1) : plain(key);
      const imported = await subtle.importKey('raw', raw, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
      return new Uint8Array(await subtle.sign('HMAC', imported, plain(data)));
    },
    sealAesGcm: async (key, nonce, plaintext, aad) =>
      new Uint8Array(await subtle.encrypt(aesParams(nonce, aad), await aesKey(key, 'encrypt'), plain(plaintext))),
    openAesGcm: async (key, nonce, ciphertext, aad) => {
      const imported = await aesKey(key, 'decrypt');
      try {
        return new Uint8Array(await subtle.decrypt(aesParams(nonce, aad), imported, plain(ciphertext)));
      } catch (error) {
        if (isNamed(error, 'OperationError')) return null;
        throw error;
      }
    },
    verifyP256: (publicKey, message, signature) => {
      // The form with 65 bytes only: WebCrypto may also take compressed points.
      if (publicKey.length !== 65 || publicKey[0] !== 4 || signature.length !== 64) return false;
      const curve = { name: 'ECDSA', namedCurve: 'P-256' };
      return verify(subtle, curve, { name: 'ECDSA', hash: 'SHA-256' }, publicKey, message, signature);
    },
    verifyP384: (publicKey, message, signature) => {
      if (publicKey.length !== 97 || publicKey[0] !== 4 || signature.length !== 96) return false;
      const curve = { name: 'ECDSA', namedCurve: 'P-384' };
      return verify(subtle, curve, { name: 'ECDSA', hash: 'SHA-384' }, publicKey, message, signature);
    },
    verifyEd25519: (publicKey, message, signature) =>
      signature.length === 64 && verify(subtle, { name: 'Ed25519' }, { name: 'Ed25519' }, publicKey, message, signature),
    randomBytes: (size) => {
      const bytes = new Uint8Array(size);
      for (let at = 0; at < size; at += RANDOM_LIMIT) crypto.getRandomValues(bytes.subarray(at, at + RANDOM_LIMIT));
      return bytes;
    },
  };
}

async function verify(
  subtle: SubtleCrypto,
  keyAlgorithm: EcKeyImportParams | Algorithm,
  algorithm: EcdsaParams | Algorithm,
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  try {
    const key = await subtle.importKey('raw', plain(publicKey), keyAlgorithm, false, ['verify']);
    return await subtle.verify(algorithm, key, plain(signature), plain(message));
  } catch (error) {
    // A point that is not on the curve, or a key of another size; a missing algorithm is no "no" and passes through.
    if (isNamed(error, 'DataError')) return false;
    throw error;
  }
}

/** WebCrypto wants views on plain ArrayBuffers, which a caller's array need not be. */
function plain(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

/** By name alone: a DOMException of another realm is no instance of this one's Error. */
function isNamed(error: unknown, name: string): boolean {
  return typeof error === 'object' && error !== null && 'name' in error && error.name === name;
}
