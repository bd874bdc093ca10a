import { createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto';
import { DER_TAG } from '../attestation/der';
import { derBits, derElement, derInteger, derOid, derSequence, derText, derTime } from '../attestation/der-writer';
import { concat } from '../core/bytes';

const ECDSA_WITH_SHA256 = derSequence(derOid('1.2.840.10045.4.3.2'));
const COMMON_NAME = '2.5.4.3';

/**
 * A certificate that a P-256 key signs for itself, DER: enough for TLS where the key is recognised by its pin, and for nothing else.
 * Source: RFC 5280 section 4.1; version 3 without extensions.
 */
export function selfSignedCertificate(key: KeyObject, commonName: string, notBeforeSec: number, notAfterSec: number): Uint8Array {
  const name = derSequence(derElement(DER_TAG.set, derSequence(derOid(COMMON_NAME), derText(commonName))));
  const signed = derSequence(
    derElement(DER_TAG.context0, derInteger(2)),
    // A leading 0x40 keeps the serial number positive and of full length.
    derInteger(concat(Uint8Array.of(0x40), randomBytes(15))),
    ECDSA_WITH_SHA256,
    name,
    derSequence(derTime(notBeforeSec), derTime(notAfterSec)),
    name,
    createPublicKey(key).export({ format: 'der', type: 'spki' }),
  );
  return derSequence(signed, ECDSA_WITH_SHA256, derBits(sign('sha256', signed, { key, dsaEncoding: 'der' })));
}
