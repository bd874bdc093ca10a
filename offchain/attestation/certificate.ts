import { equal } from '../core/bytes';
import type { CryptoProvider } from '../core/crypto';
import { DER_TAG, type DerElement, DerReader, enterDer, toBitBytes, toBoolean, toNamedBits, toOid, toSmallNumber, toTimeSec } from './der';
import { EvidenceError } from './errors';
import { type EcdsaAlgorithm, type Extension, expectEcdsa, P256_SHA256, readExtensions, readSerial, readSignedDer } from './x509';

/** What the key of a certificate may be used for. Source: RFC 5280 section 4.2.1.3. */
export interface KeyUsage {
  readonly digitalSignature: boolean;
  readonly certSign: boolean;
  readonly crlSign: boolean;
}

/** An X.509 v3 certificate of a PKI that uses one algorithm throughout. Byte fields are views on the input. */
export interface Certificate {
  readonly der: Uint8Array;
  /** What the signature covers. */
  readonly signedBytes: Uint8Array;
  /** r and s. */
  readonly signature: Uint8Array;
  /** Lower-case hex without leading zeros. */
  readonly serial: string;
  /** DER names, compared byte for byte. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  /** The subject's common name. */
  readonly commonName: string;
  /** Unix seconds, both included. */
  readonly notBeforeSec: number;
  readonly notAfterSec: number;
  /** 04, x, y. */
  readonly publicKey: Uint8Array;
  /** Of the key and of the signature. */
  readonly algorithm: EcdsaAlgorithm;
  readonly isCa: boolean;
  /** Most CA certificates that may follow below this one, or null for no limit. */
  readonly pathLength: number | null;
  readonly keyUsage: KeyUsage;
  /** Contents of the extensions that are not critical, by object identifier. */
  readonly extensions: ReadonlyMap<string, Uint8Array>;
}

/**
 * Common names of the DCAP PKI by role, whoever made it.
 * Source: Intel SGX PCK Certificate and Certificate Revocation List Profile Specification, sections 1.3 to 1.5.
 */
export const SGX_ROLE = {
  root: / SGX Root CA$/,
  pckCa: / SGX PCK (?:Platform|Processor) CA$/,
  pck: / SGX PCK Certificate$/,
  tcbSigning: / SGX TCB Signing$/,
} as const;

/** Most characters of a common name. Source: RFC 5280 appendix A.1, ub-common-name. */
const MAX_NAME_SIZE = 64;

const OID = {
  ecPublicKey: '1.2.840.10045.2.1',
  commonName: '2.5.4.3',
  keyUsage: '2.5.29.15',
  basicConstraints: '2.5.29.19',
} as const;

/**
 * A certificate of the DCAP PKI from its DER bytes. Nothing is verified but the form: see `verifyChain`.
 *
 * @throws EvidenceError bad_certificate, bad_der
 */
export function parseCertificate(der: Uint8Array): Certificate {
  return parseCertificateOf(P256_SHA256, der);
}

/** A certificate of a PKI with another algorithm. @throws EvidenceError bad_certificate, bad_der */
export function parseCertificateOf(algorithm: EcdsaAlgorithm, der: Uint8Array): Certificate {
  const { signed, signature } = readSignedDer(der, bad, algorithm);
  const fields = new DerReader(signed.content);
  const version = fields.enter(DER_TAG.context0);
  if (toSmallNumber(version.next(DER_TAG.integer)) !== 2) throw bad('is not of version 3');
  version.end();
  const serial = readSerial(fields.next(DER_TAG.integer), bad);
  expectEcdsa(fields.enter(), bad, algorithm);
  const issuer = fields.next(DER_TAG.sequence);
  const validity = fields.enter();
  const notBeforeSec = toTimeSec(validity.nextAny());
  const notAfterSec = toTimeSec(validity.nextAny());
  validity.end();
  const subject = fields.next(DER_TAG.sequence);
  const publicKey = readPublicKey(fields.enter(), algorithm);
  const wrapper = fields.enter(DER_TAG.context3);
  const extensions = interpret(readExtensions(wrapper.enter(), bad));
  wrapper.end();
  fields.end();
  readCommonName(issuer);
  return {
    der,
    signedBytes: signed.whole,
    signature,
    serial,
    issuer: issuer.whole,
    subject: subject.whole,
    commonName: readCommonName(subject),
    notBeforeSec,
    notAfterSec,
    publicKey,
    algorithm,
    ...extensions,
  };
}

/** Whether `issuer`'s key made the signature of `certificate`. Says nothing of names, roles or times. */
export async function isSignedBy(certificate: Certificate, issuer: Certificate, crypto: CryptoProvider): Promise<boolean> {
  return issuer.algorithm.verify(crypto, issuer.publicKey, certificate.signedBytes, certificate.signature);
}

/** Whether a chain holds, and from when to when (unix seconds, both included); or why not, in words that are safe to show. */
export type ChainVerdict =
  | { readonly ok: true; readonly notBeforeSec: number; readonly notAfterSec: number }
  | { readonly ok: false; readonly reason: string };

/** Which certificates make a chain, leaf first, and what its leaf is for: to sign data only, or, as a CA, lists too. */
export interface ChainShape {
  readonly roles: readonly RegExp[];
  readonly leaf: 'signer' | 'ca';
}

/** The chains of the DCAP PKI. */
export const SGX_CHAIN = {
  pck: { roles: [SGX_ROLE.pck, SGX_ROLE.pckCa, SGX_ROLE.root], leaf: 'signer' },
  pckCa: { roles: [SGX_ROLE.pckCa, SGX_ROLE.root], leaf: 'ca' },
  tcbSigning: { roles: [SGX_ROLE.tcbSigning, SGX_ROLE.root], leaf: 'signer' },
} as const satisfies Record<string, ChainShape>;

/**
 * Checks a chain, leaf first, that ends in the root itself: byte for byte the certificate that policy trusts.
 * Each certificate has the name of its role, is within its validity, is signed by the next one and names it as its issuer; the
 * leaf is what its chain is for; every other one is a CA that may sign certificates at this depth.
 * Revocation is not looked at.
 */
export async function verifyChain(
  chain: readonly Certificate[],
  shape: ChainShape,
  root: Certificate,
  nowSec: number,
  crypto: CryptoProvider,
): Promise<ChainVerdict> {
  const refuse = (reason: string): ChainVerdict => ({ ok: false, reason });
  const { roles } = shape;
  if (chain.length !== roles.length) return refuse(`chain of ${chain.length} certificates, expected ${roles.length}`);
  const top = chain.at(-1);
  if (top === undefined || !equal(top.der, root.der)) return refuse('chain does not end at the trust root');
  let notBeforeSec = 0;
  let notAfterSec = Number.POSITIVE_INFINITY;
  for (const [depth, certificate] of chain.entries()) {
    const place = `certificate ${depth}`;
    if (!roles[depth]?.test(certificate.commonName)) return refuse(`${place} is not named for its role`);
    if (nowSec < certificate.notBeforeSec) return refuse(`${place} is valid from ${certificate.notBeforeSec}, now is ${nowSec}`);
    if (nowSec > certificate.notAfterSec) return refuse(`${place} was valid until ${certificate.notAfterSec}, now is ${nowSec}`);
    const unfit = depth === 0 && shape.leaf === 'signer' ? unfitSigner(certificate) : unfitCa(certificate, shape, depth);
    if (unfit !== null) return refuse(`${place} ${unfit}`);
    const issuer = chain[depth + 1];
    // The root has none, and needs none: it is the trusted one.
    if (issuer !== undefined && !equal(certificate.issuer, issuer.subject)) return refuse(`${place} names another issuer`);
    if (issuer !== undefined && !(await isSignedBy(certificate, issuer, crypto))) return refuse(`${place} has a bad signature`);
    notBeforeSec = Math.max(notBeforeSec, certificate.notBeforeSec);
    notAfterSec = Math.min(notAfterSec, certificate.notAfterSec);
  }
  return { ok: true, notBeforeSec, notAfterSec };
}

function unfitSigner({ isCa, keyUsage }: Certificate): string | null {
  const { digitalSignature, certSign, crlSign } = keyUsage;
  return isCa || certSign || crlSign || !digitalSignature ? 'is not one that signs data only' : null;
}

function unfitCa({ isCa, keyUsage, pathLength }: Certificate, shape: ChainShape, depth: number): string | null {
  if (!isCa || !keyUsage.certSign) return 'is not a CA';
  const casBelow = shape.leaf === 'ca' ? depth : depth - 1;
  return pathLength !== null && pathLength < casBelow ? `allows ${pathLength} CAs below it, there are ${casBelow}` : null;
}

/** The point of a SubjectPublicKeyInfo: 04, x, y. Source: RFC 5480 section 2. @throws EvidenceError bad_certificate, bad_der */
export function readPublicKey(info: DerReader, { curve, name, size }: EcdsaAlgorithm): Uint8Array {
  const algorithm = info.enter();
  if (toOid(algorithm.next(DER_TAG.oid)) !== OID.ecPublicKey || toOid(algorithm.next(DER_TAG.oid)) !== curve) {
    throw bad(`has a key that is not for ${name}`);
  }
  algorithm.end();
  const point = toBitBytes(info.next(DER_TAG.bitString));
  info.end();
  if (point.length !== 1 + 2 * size || point[0] !== 4) throw bad('has a key that is not an uncompressed point');
  return point;
}

/** The one common name among a name's parts, each of which is a set of a single printable value. */
function readCommonName(name: DerElement): string {
  const texts: readonly number[] = [DER_TAG.utf8String, DER_TAG.printableString, DER_TAG.ia5String];
  const names: string[] = [];
  const parts = new DerReader(name.content);
  while (!parts.isAtEnd) {
    const set = parts.enter(DER_TAG.set);
    const pair = set.enter();
    set.end();
    const type = toOid(pair.next(DER_TAG.oid));
    const value = pair.nextAny();
    pair.end();
    if (!texts.includes(value.tag)) throw bad('has a name that is not text');
    // One byte more than is allowed is as good as all of them: a call has no room for a name of any length.
    if (type === OID.commonName) names.push(String.fromCharCode(...value.content.subarray(0, MAX_NAME_SIZE + 1)));
  }
  const [commonName] = names;
  if (names.length !== 1 || commonName === undefined || commonName.length > MAX_NAME_SIZE || !/^[\x20-\x7e]+$/.test(commonName)) {
    throw bad('does not have one printable common name');
  }
  return commonName;
}

function interpret(list: readonly Extension[]): Pick<Certificate, 'isCa' | 'pathLength' | 'keyUsage' | 'extensions'> {
  const extensions = new Map<string, Uint8Array>();
  let isCa = false;
  let pathLength: number | null = null;
  let usage: ReadonlySet<number> = new Set();
  for (const { oid, isCritical, value } of list) {
    if (oid === OID.basicConstraints) {
      const constraints = enterDer(value);
      const flag = constraints.optional(DER_TAG.boolean);
      const limit = constraints.optional(DER_TAG.integer);
      constraints.end();
      // FALSE is the default, and DER leaves defaults out.
      if (flag !== null && !toBoolean(flag)) throw bad('spells out that it is not a CA');
      isCa = flag !== null;
      pathLength = limit === null ? null : toSmallNumber(limit);
      if (!isCa && pathLength !== null) throw bad('limits a path without being a CA');
    } else if (oid === OID.keyUsage) {
      const holder = new DerReader(value);
      usage = toNamedBits(holder.next(DER_TAG.bitString));
      holder.end();
    } else if (isCritical) {
      throw bad(`has the unknown critical extension ${oid}`);
    } else {
      extensions.set(oid, value);
    }
  }
  return { isCa, pathLength, keyUsage: { digitalSignature: usage.has(0), certSign: usage.has(5), crlSign: usage.has(6) }, extensions };
}

function bad(what: string): EvidenceError {
  return new EvidenceError('bad_certificate', `certificate ${what}`);
}
