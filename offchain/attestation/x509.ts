import { concat, toHex } from '../core/bytes';
import { DER_TAG, type DerElement, type DerReader, enterDer, toBitBytes, toBoolean, toOid, toUnsigned } from './der';
import type { EvidenceError } from './errors';

// What certificates and revocation lists have in common. Source: RFC 5280 sections 4.1 and 5.1.

/** Turns what is wrong into the error of whoever reads. */
export type Refusal = (what: string) => EvidenceError;

/** The outer form of a certificate or a list: what is signed, and by which signature. */
export interface SignedDer {
  readonly signed: DerElement;
  /** r and s, 32 bytes each. */
  readonly signature: Uint8Array;
}

export interface Extension {
  readonly oid: string;
  readonly isCritical: boolean;
  readonly value: Uint8Array;
}

const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';

/** Serial numbers have at most 20 bytes. Source: RFC 5280 section 4.1.2.2. */
const MAX_SERIAL_SIZE = 20;

/** SIGNED { data, ECDSA with SHA-256, signature }, and nothing behind it. @throws EvidenceError */
export function readSignedDer(der: Uint8Array, refuse: Refusal): SignedDer {
  const outer = enterDer(der);
  const signed = outer.next(DER_TAG.sequence);
  expectEcdsa(outer.enter(), refuse);
  const signature = toRawSignature(toBitBytes(outer.next(DER_TAG.bitString)), refuse);
  outer.end();
  return { signed, signature };
}

/** @throws EvidenceError unless the algorithm is ECDSA with SHA-256, without parameters */
export function expectEcdsa(algorithm: DerReader, refuse: Refusal): void {
  if (toOid(algorithm.next(DER_TAG.oid)) !== ECDSA_WITH_SHA256) throw refuse('is not signed by ECDSA with SHA-256');
  algorithm.end();
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

/** r and s, 32 bytes each, of a DER signature. Source: RFC 3279 section 2.2.3. */
function toRawSignature(der: Uint8Array, refuse: Refusal): Uint8Array {
  const values = enterDer(der);
  const parts = [toUnsigned(values.next(DER_TAG.integer)), toUnsigned(values.next(DER_TAG.integer))];
  values.end();
  return concat(
    ...parts.map((part) => {
      if (part.length > 32) throw refuse(`has a signature value of ${part.length} bytes, limit 32`);
      return concat(new Uint8Array(32 - part.length), part);
    }),
  );
}
