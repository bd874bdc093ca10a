import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { concat, fromHex } from '../../core/bytes';
import { DER_TAG } from '../der';
import { derBits, derBoolean, derElement, derInteger, derOctets, derOid, derSequence, derText, derTime } from '../der-writer';

/** A certificate with the private key behind it. */
export interface Issued {
  readonly der: Uint8Array;
  readonly commonName: string;
  readonly key: KeyObject;
}

/** Each goes with its hash: SHA-256, SHA-384. */
export type Curve = 'P-256' | 'P-384';

/** What a certificate is to say. `pathLength` null makes a leaf that signs data. */
export interface CertificatePlan {
  readonly commonName: string;
  readonly notBeforeSec: number;
  readonly notAfterSec: number;
  readonly pathLength: number | null;
  /** A key that is there already; a fresh one, of P-256 unless told otherwise, where there is none. */
  readonly key?: KeyObject;
  readonly curve?: Curve;
  /** DER extensions beside the usual ones. */
  readonly extensions?: readonly Uint8Array[];
}

const OID = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  ecdsaWithSha384: '1.2.840.10045.4.3.3',
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  basicConstraints: '2.5.29.19',
  authorityKeyId: '2.5.29.35',
  crlNumber: '2.5.29.20',
  reasonCode: '2.5.29.21',
} as const;

/** Makes a certificate, signed by `issuer`, or by itself where that is null. */
export function issueCertificate(plan: CertificatePlan, issuer: Issued | null): Issued {
  const key = plan.key ?? generateKeyPairSync('ec', { namedCurve: plan.curve ?? 'P-256' }).privateKey;
  const signer = issuer ?? { key, commonName: plan.commonName };
  const isCa = plan.pathLength !== null;
  // keyCertSign and cRLSign (bits 5, 6), or digitalSignature and nonRepudiation (bits 0, 1).
  const usage = isCa ? derBits(Uint8Array.of(0x06), 1) : derBits(Uint8Array.of(0xc0), 6);
  const constraints = plan.pathLength === null ? derSequence() : derSequence(derBoolean(true), derInteger(plan.pathLength));
  const keyId = derElement(0x80, keyIdOf(signer.key)); // [0] IMPLICIT in AuthorityKeyIdentifier.
  const extensions = [
    toExtension(OID.basicConstraints, true, constraints),
    toExtension(OID.keyUsage, true, usage),
    toExtension(OID.subjectKeyId, false, derOctets(keyIdOf(key))),
    toExtension(OID.authorityKeyId, false, derSequence(keyId)),
    ...(plan.extensions ?? []),
  ];
  const signed = derSequence(
    derElement(DER_TAG.context0, derInteger(2)),
    derInteger(concat(Uint8Array.of(0x40), randomBytes(15))),
    algorithmOf(signer.key),
    nameOf(signer.commonName),
    derSequence(derTime(plan.notBeforeSec), derTime(plan.notAfterSec)),
    nameOf(plan.commonName),
    createPublicKey(key).export({ format: 'der', type: 'spki' }),
    derElement(DER_TAG.context3, derSequence(...extensions)),
  );
  return { der: signDer(signed, signer.key), commonName: plan.commonName, key };
}

/** What a revocation list is to say. Serial numbers in lower-case hex, without leading zeros. */
export interface RevocationPlan {
  readonly thisUpdateSec: number;
  readonly nextUpdateSec: number;
  readonly revoked: readonly string[];
  /** DER extensions beside the usual ones. */
  readonly extensions?: readonly Uint8Array[];
}

/** A revocation list in the name of `issuer`, signed by its key. */
export function issueRevocationList(issuer: Issued, plan: RevocationPlan): Uint8Array {
  const reason = toExtension(OID.reasonCode, false, derElement(DER_TAG.enumerated, Uint8Array.of(1))); // keyCompromise
  const entries = plan.revoked.map((serial) =>
    derSequence(
      derInteger(fromHex(serial.padStart(serial.length + (serial.length % 2), '0'))),
      derTime(plan.thisUpdateSec),
      derSequence(reason),
    ),
  );
  const extensions = [
    toExtension(OID.crlNumber, false, derInteger(1)),
    toExtension(OID.authorityKeyId, false, derSequence(derElement(0x80, keyIdOf(issuer.key)))),
    ...(plan.extensions ?? []),
  ];
  const signed = derSequence(
    derInteger(1),
    algorithmOf(issuer.key),
    nameOf(issuer.commonName),
    derTime(plan.thisUpdateSec),
    derTime(plan.nextUpdateSec),
    ...(entries.length > 0 ? [derSequence(...entries)] : []),
    derElement(DER_TAG.context0, derSequence(...extensions)),
  );
  return signDer(signed, issuer.key);
}

function signDer(signed: Uint8Array, key: KeyObject): Uint8Array {
  const hash = isP384(key) ? 'sha384' : 'sha256';
  return derSequence(signed, algorithmOf(key), derBits(sign(hash, signed, { key, dsaEncoding: 'der' })));
}

function algorithmOf(key: KeyObject): Uint8Array {
  return derSequence(derOid(isP384(key) ? OID.ecdsaWithSha384 : OID.ecdsaWithSha256));
}

function isP384(key: KeyObject): boolean {
  return key.asymmetricKeyDetails?.namedCurve === 'secp384r1';
}

/** One certificate extension around its DER value. */
export function toExtension(oid: string, isCritical: boolean, value: Uint8Array): Uint8Array {
  return derSequence(derOid(oid), ...(isCritical ? [derBoolean(true)] : []), derOctets(value));
}

/** x and y of a key, 32 bytes each, or 48 for P-384. */
export function publicPointOf(key: KeyObject): Uint8Array {
  // The point is the end of a SubjectPublicKeyInfo.
  return createPublicKey(key)
    .export({ format: 'der', type: 'spki' })
    .subarray(isP384(key) ? -96 : -64);
}

function nameOf(commonName: string): Uint8Array {
  const part = (oid: string, text: string) => derElement(DER_TAG.set, derSequence(derOid(oid), derText(text)));
  return derSequence(part(OID.commonName, commonName), part(OID.organization, 'SIMULATED, no hardware vouches for this'));
}

/** Source: RFC 5280 section 4.2.1.2, method 1. */
function keyIdOf(key: KeyObject): Uint8Array {
  return createHash('sha1')
    .update(concat(Uint8Array.of(4), publicPointOf(key)))
    .digest();
}
