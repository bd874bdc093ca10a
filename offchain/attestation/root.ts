import { equal, toHex } from '../core/bytes';
import type { CryptoProvider } from '../core/crypto';
import { ConfigError } from '../core/errors';
import { type Certificate, isSignedBy, parseCertificateOf } from './certificate';
import { EvidenceError } from './errors';
import type { EcdsaAlgorithm } from './x509';

/** Who vouches for hardware: its maker, or a root that a local network makes for itself. Checked when it was loaded. */
export interface Root<Maker extends string> {
  readonly kind: Maker | 'development';
  readonly certificate: Certificate;
  /** SHA-384 of the root's public key (04, x, y), lower-case hex: how a root is named. */
  readonly keyId: string;
}

/** What a root of some PKI must be like, whoever made it. */
export interface RootProfile<Maker extends string> {
  /** What errors call it. */
  readonly name: string;
  readonly errorCode: string;
  readonly algorithm: EcdsaAlgorithm;
  /** Its common name, and what a certificate with such a name is. */
  readonly commonName: RegExp;
  readonly role: string;
  /** Whether it signs revocation lists, too. */
  readonly signsLists: boolean;
  readonly maker: { readonly kind: Maker; readonly name: string; readonly keyId: string };
}

/**
 * A root from its DER certificate: self-signed, a CA that may sign what its PKI has it sign, and its maker's if and only if it is loaded
 * as the maker's.
 *
 * @throws ConfigError with the profile's code
 */
export async function loadRoot<Maker extends string>(
  { kind, der }: { readonly kind: Maker | 'development'; readonly der: Uint8Array },
  profile: RootProfile<Maker>,
  crypto: CryptoProvider,
): Promise<Root<Maker>> {
  const { name, errorCode, algorithm, commonName, role, signsLists, maker } = profile;
  const bad = (what: string, cause?: unknown) => new ConfigError(errorCode, `the ${name} ${what}`, {}, { cause });
  const certificate = read(algorithm, der, bad);
  const { isCa, keyUsage } = certificate;
  if (!commonName.test(certificate.commonName)) throw bad(`is not named as ${role}`);
  if (!isCa || !keyUsage.certSign || (signsLists && !keyUsage.crlSign)) {
    throw bad(`is not a CA for certificates${signsLists ? ' and revocation lists' : ''}`);
  }
  if (!equal(certificate.issuer, certificate.subject) || !(await isSignedBy(certificate, certificate, crypto))) {
    throw bad('is not self-signed');
  }
  const keyId = toHex(await crypto.sha384(certificate.publicKey));
  const isMakers = keyId === maker.keyId;
  if (kind === maker.kind && !isMakers) throw bad(`has key id ${keyId.slice(0, 16)}, ${maker.name}'s is ${maker.keyId.slice(0, 16)}`);
  if (kind === 'development' && isMakers) throw bad(`is ${maker.name}'s, and was loaded as a development root`);
  return { kind, certificate, keyId };
}

function read(algorithm: EcdsaAlgorithm, der: Uint8Array, bad: (what: string, cause: unknown) => ConfigError): Certificate {
  try {
    return parseCertificateOf(algorithm, der);
  } catch (cause) {
    if (cause instanceof EvidenceError) throw bad(`is malformed: ${cause.message}`, cause);
    throw cause;
  }
}
