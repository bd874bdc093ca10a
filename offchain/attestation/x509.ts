import { concat, toHex } from '../core/bytes';
import type { Awaitable, CryptoProvider } from '../core/crypto';
import { DER_TAG, type DerElement, type DerReader, enterDer, toBitBytes, toBoolean, toOid, toUnsigned } from './der';
import type { EvidenceError } from './errors';

// What certificates and revocation lists have in common. Source: RFC 5280 sections 4.1 and 5.1.

/** Turns what is wrong into the error of whoever reads. */
export type Refusal = (what: string) => EvidenceError;

/** The outer form of a certificate or a list: what is signed, and by which signature. */
export interface SignedDer {
  readonly signed: DerElement;
  /** r and s, each as long as the algorithm has them. */
  readonly signature: Uint8Array;
}

/** How a PKI signs: one curve, one hash. */
export interface EcdsaAlgorithm {
  readonly name: string;
  /** Object identifiers of the curve and of the signature with its hash. */
  readonly curve: string;
  readonly signature: string;
  /** Bytes of a coordinate, and of r and s. */
  readonly size: number;
  verify(crypto: CryptoProvider, publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Awaitable<boolean>;
}

/** Of the DCAP PKI. Source: RFC 5480 section 2.1.1.1 and RFC 5758 section 3.2. */
export const P256_SHA256: EcdsaAlgorithm = {
  name: 'ECDSA with SHA-256',
  curve: '1.2.840.10045.3.1.7',
  signature: '1.2.840.10045.4.3.2',
  size: 32,
  verify: (crypto, publicKey, message, signature) => crypto.verifyP256(publicKey, message, signature),
};

/** Of NVIDIA's device identities. */
export const P384_SHA384: EcdsaAlgorithm = {
  name: 'ECDSA with SHA-384',
  curve: '1.3.132.0.34',
  signature: '1.2.840.10045.4.3.3',
  size: 48,
  verify: (crypto, publicKey, message, signature) => crypto.verifyP384(publicKey, message, signature),
};

export interface Extension {
  readonly oid: string;
  readonly isCritical: boolean;
  readonly value: Uint8Array;
}

/** Serial numbers have at most 20 bytes. Source: RFC 5280 section 4.1.2.2. */
const MAX_SERIAL_SIZE = 20;

/** SIGNED { data, algorithm, signature }, and nothing behind it. @throws EvidenceError */
export function readSignedDer(der: Uint8Array, refuse: Refusal, algorithm: EcdsaAlgorithm = P256_SHA256): SignedDer {
  const outer = enterDer(der);
  const signed = outer.next(DER_TAG.sequence);
  expectEcdsa(outer.enter(), refuse, algorithm);
  const signature = toRawSignature(toBitBytes(outer.next(DER_TAG.bitString)), algorithm.size, refuse);
  outer.end();
  return { signed, signature };
}

/** @throws EvidenceError unless the algorithm is the expected one, without parameters */
export function expectEcdsa(found: DerReader, refuse: Refusal, algorithm: EcdsaAlgorithm = P256_SHA256): void {
  if (toOid(found.next(DER_TAG.oid)) !== algorithm.signature) throw refuse(`is not signed by ${algorithm.name}`);
  found.end();
}

/** A serial number in lower-case hex without leading zeros. @throws EvidenceError */
export function readSerial(element: DerElement, refuse: Refusal): string {
  const serial = toUnsigned(element);
  if (serial.length > MAX_SERIAL_SIZE) throw refuse(`has a serial number of ${serial.length} bytes, limit ${MAX_SERIAL_SIZE}`);
  return toHex(serial);
}

/** The extensions of a list, each at most once. @throws EvidenceError */
export function readExtensions(list: DerReader, refuse: Refusal): readonly Extension[] {
  const seen = new Set<string>();
  const extensions: Extension[] = [];
  while (!list.isAtEnd) {
    const extension = list.enter();
    const oid = toOid(extension.next(DER_TAG.oid));
    const critical = extension.optional(DER_TAG.boolean);
    // FALSE is the default, and DER leaves defaults out.
    if (critical !== null && !toBoolean(critical)) throw refuse(`spells out that extension ${oid} is not critical`);
    const value = extension.next(DER_TAG.octetString).content;
    extension.end();
    if (seen.has(oid)) throw refuse(`has extension ${oid} twice`);
    seen.add(oid);
    extensions.push({ oid, isCritical: critical !== null, value });
  }
  return extensions;
}

/** r and s, `size` bytes each, of a DER signature. Source: RFC 3279 section 2.2.3. */
function toRawSignature(der: Uint8Array, size: number, refuse: Refusal): Uint8Array {
  const values = enterDer(der);
  const parts = [toUnsigned(values.next(DER_TAG.integer)), toUnsigned(values.next(DER_TAG.integer))];
  values.end();
  return concat(
    ...parts.map((part) => {
      if (part.length > size) throw refuse(`has a signature value of ${part.length} bytes, limit ${size}`);
      return concat(new Uint8Array(size - part.length), part);
    }),
  );
}
