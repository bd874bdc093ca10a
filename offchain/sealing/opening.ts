/** The opening of a receipt's `details`: what its holder can prove, and what nobody else can learn. */
import { ByteReader, concat } from '../core/bytes';
import type { CryptoProvider } from '../core/crypto';

/** 32 bytes each. */
export interface Opening {
  readonly salt: Uint8Array;
  readonly evidenceDigest: Uint8Array;
  readonly modelHash: Uint8Array;
  readonly imageHash: Uint8Array;
  readonly requestHash: Uint8Array;
  readonly responseHash: Uint8Array;
}

export function encodeOpening(opening: Opening): Uint8Array {
  return concat(opening.salt, opening.evidenceDigest, opening.modelHash, opening.imageHash, opening.requestHash, opening.responseHash);
}

/** @throws MalformedError */
export function decodeOpening(bytes: Uint8Array): Opening {
  const reader = new ByteReader(bytes, 'opening');
  const opening = {
    salt: reader.take(32),
    evidenceDigest: reader.take(32),
    modelHash: reader.take(32),
    imageHash: reader.take(32),
    requestHash: reader.take(32),
    responseHash: reader.take(32),
  };
  reader.end();
  return opening;
}

/** `details` of a receipt: SHA-256 over the opening's bytes. */
export async function detailsOf(crypto: CryptoProvider, opening: Opening): Promise<Uint8Array> {
  return crypto.sha256(encodeOpening(opening));
}
