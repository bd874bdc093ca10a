import { equal } from '../core/bytes';
import type { CryptoProvider } from '../core/crypto';
import type { Certificate } from './certificate';
import { DER_TAG, DerReader, toSmallNumber, toTimeSec } from './der';
import { EvidenceError } from './errors';
import { expectEcdsa, readExtensions, readSerial, readSignedDer } from './x509';

/** Most bytes of a list; Intel's largest has some hundred entries of about 55 bytes. */
export const MAX_CRL_SIZE = 1024 * 1024;

/** A full X.509 v2 certificate revocation list of the DCAP PKI. Byte fields are views on the input. */
export interface RevocationList {
  /** What the signature covers. */
  readonly signedBytes: Uint8Array;
  /** r and s, 32 bytes each. */
  readonly signature: Uint8Array;
  /** DER name, compared byte for byte. */
  readonly issuer: Uint8Array;
  /** Unix seconds, both included. */
  readonly thisUpdateSec: number;
  readonly nextUpdateSec: number;
  /** Serial numbers, lower-case hex without leading zeros. Whatever is listed is revoked, for any reason and from any date. */
  readonly revoked: ReadonlySet<string>;
}

/** Extensions that make a list say less than "these, and no others". Source: RFC 5280 sections 5.2.4 and 5.2.5. */
const PARTIAL_LISTS: readonly string[] = ['2.5.29.27', '2.5.29.28'];

/**
 * A list from its DER bytes. Nothing is verified but the form: see `refuseRevocationList`.
 *
 * Source: RFC 5280 section 5.1; Intel SGX PCK Certificate and Certificate Revocation List Profile Specification, section 2.
 * Delta lists, lists of some certificates only and unknown critical extensions are refused.
 *
 * @throws EvidenceError bad_crl, bad_der
 */
export function parseRevocationList(der: Uint8Array): RevocationList {
  if (der.length > MAX_CRL_SIZE) throw bad(`of ${der.length} bytes, limit ${MAX_CRL_SIZE}`);
  const { signed, signature } = readSignedDer(der, bad);
  const fields = new DerReader(signed.content);
  if (toSmallNumber(fields.next(DER_TAG.integer)) !== 1) throw bad('is not of version 2');
  expectEcdsa(fields.enter(), bad);
  const issuer = fields.next(DER_TAG.sequence);
  const thisUpdateSec = toTimeSec(fields.nextAny());
  const nextUpdateSec = toTimeSec(fields.nextAny());
  const entries = fields.optional(DER_TAG.sequence);
  const revoked = entries === null ? new Set<string>() : readEntries(new DerReader(entries.content));
  const wrapper = fields.enter(DER_TAG.context0);
  refuseUnknown(wrapper.enter());
  wrapper.end();
  fields.end();
  return { signedBytes: signed.whole, signature, issuer: issuer.whole, thisUpdateSec, nextUpdateSec, revoked };
}

/** Why a list is not the present one of `issuer`, in words that are safe to show; null when it is. */
export async function refuseRevocationList(
  list: RevocationList,
  issuer: Certificate,
  nowSec: number,
  crypto: CryptoProvider,
): Promise<string | null> {
  if (!equal(list.issuer, issuer.subject)) return 'is of another issuer';
  if (!issuer.keyUsage.crlSign) return 'is of an issuer that may not sign lists';
  if (nowSec < list.thisUpdateSec) return `is valid from ${list.thisUpdateSec}, now is ${nowSec}`;
  if (nowSec > list.nextUpdateSec) return `was valid until ${list.nextUpdateSec}, now is ${nowSec}`;
  return (await crypto.verifyP256(issuer.publicKey, list.signedBytes, list.signature)) ? null : 'has a bad signature';
}

function readEntries(entries: DerReader): ReadonlySet<string> {
  // An empty list is left out.
  if (entries.isAtEnd) throw bad('spells out that nothing is revoked');
  const revoked = new Set<string>();
  while (!entries.isAtEnd) {
    const entry = entries.enter();
    revoked.add(readSerial(entry.next(DER_TAG.integer), bad));
    toTimeSec(entry.nextAny());
    if (!entry.isAtEnd) refuseUnknown(entry.enter());
    entry.end();
  }
  return revoked;
}

/** An entry's critical extension could name another issuer for it, so none is known here. */
function refuseUnknown(extensions: DerReader): void {
  for (const { oid, isCritical } of readExtensions(extensions, bad)) {
    if (isCritical) throw bad(`has the unknown critical extension ${oid}`);
    if (PARTIAL_LISTS.includes(oid)) throw bad('is not a full list');
  }
}

function bad(what: string): EvidenceError {
  return new EvidenceError('bad_crl', `revocation list ${what}`);
}
