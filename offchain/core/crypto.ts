/** A value that may come now (node:crypto) or later (WebCrypto). */
export type Awaitable<T> = T | Promise<T>;

/** A SHA-256 that takes its input piece by piece. */
export interface IncrementalHash {
  update(data: Uint8Array): void;
  /** The hash of everything so far; the object is used up. */
  digest(): Awaitable<Uint8Array>;
}

/**
 * The cryptographic primitives that browser-safe rooms are given: node:crypto (runtime/node-crypto.ts) or WebCrypto.
 * Inputs are never kept or changed; outputs are fresh arrays.
 */
export interface CryptoProvider {
  sha256(data: Uint8Array): Awaitable<Uint8Array>;
  /** SHA-256 of a stream. WebCrypto has none, so its implementation keeps the input: bound what you feed it. */
  startSha256(): IncrementalHash;
  sha384(data: Uint8Array): Awaitable<Uint8Array>;
  sha512(data: Uint8Array): Awaitable<Uint8Array>;
  hmacSha256(key: Uint8Array, data: Uint8Array): Awaitable<Uint8Array>;
  /** AES-128-GCM: ciphertext with the 16-byte tag behind it. `key` 16 bytes, `nonce` 12. */
  sealAesGcm(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Awaitable<Uint8Array>;
  /** The plaintext, or null when the tag does not fit. */
  openAesGcm(key: Uint8Array, nonce: Uint8Array, ciphertext: Uint8Array, aad: Uint8Array): Awaitable<Uint8Array | null>;
  /** ECDSA P-256 with SHA-256. `publicKey` is 65 bytes (04, x, y), `signature` r and s of 32 bytes each. False for a bad point. */
  verifyP256(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Awaitable<boolean>;
  /** ECDSA P-384 with SHA-384. `publicKey` is 97 bytes (04, x, y), `signature` r and s of 48 bytes each. False for a bad point. */
  verifyP384(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Awaitable<boolean>;
  /** Ed25519. False for anything that is not a valid signature. */
  verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Awaitable<boolean>;
  randomBytes(size: number): Uint8Array;
}

/** An Ed25519 key that signs statements which its holder has built. `publicKey` is 32 bytes, a signature 64. */
export interface Signer {
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array): Awaitable<Uint8Array>;
}

/** HKDF-Extract with SHA-256. Source: RFC 5869 section 2.2. */
export function hkdfExtract(crypto: CryptoProvider, salt: Uint8Array, ikm: Uint8Array): Awaitable<Uint8Array> {
  return crypto.hmacSha256(salt, ikm);
}

/** HKDF-Expand with SHA-256 for at most 32 bytes, which one block gives. Source: RFC 5869 section 2.3. */
export async function hkdfExpand(crypto: CryptoProvider, prk: Uint8Array, info: Uint8Array, size: number): Promise<Uint8Array> {
  if (size > 32) throw new RangeError(`hkdf output of ${size} bytes, limit 32`);
  const input = new Uint8Array(info.length + 1);
  input.set(info);
  input[info.length] = 1;
  return (await crypto.hmacSha256(prk, input)).subarray(0, size);
}
