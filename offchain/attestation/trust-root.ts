import { equal, toHex } from '../core/bytes';
import type { CryptoProvider } from '../core/crypto';
import { ConfigError } from '../core/errors';
import { type Certificate, isSignedBy, parseCertificate, SGX_ROLE } from './certificate';
import { EvidenceError } from './errors';

/** Who vouches for platforms: Intel, or a root that a local network makes for itself. */
export type TrustRootKind = 'intel' | 'development';

/** A root that was checked when it was loaded. */
export interface TrustRoot {
  readonly kind: TrustRootKind;
  readonly certificate: Certificate;
  /** SHA-384 of the root's public key (04, x, y), lower-case hex: how a root is named. */
  readonly keyId: string;
}

/**
 * Key id of the Intel SGX Root CA.
 * Source: https://certificates.trustedservices.intel.com/Intel_SGX_Provisioning_Certification_RootCA.cer; the same value is
 * `root_key_id` in the supplemental data of Intel's DCAP quote verification library.
 */
export const INTEL_ROOT_KEY_ID = '46e403bd34f05a3f2817ab9badcaacc7ffc98e0f261008cd30dae936cace18d5dcf58eef31463613de1570d516200993';

/**
 * A trust root from its DER certificate: self-signed, a CA that may sign certificates and CRLs, and Intel's if and only if it is
 * loaded as Intel's.
 *
 * @throws ConfigError bad_trust_root
 */
export async function loadTrustRoot(
  source: { readonly kind: TrustRootKind; readonly der: Uint8Array },
  crypto: CryptoProvider,
): Promise<TrustRoot> {
  const certificate = parseRoot(source.der);
  if (!SGX_ROLE.root.test(certificate.commonName)) throw badRoot(`is not named as an SGX root`);
  if (!certificate.isCa || !certificate.keyUsage.certSign || !certificate.keyUsage.crlSign) {
    throw badRoot('is not a CA for certificates and revocation lists');
  }
  if (!equal(certificate.issuer, certificate.subject) || !(await isSignedBy(certificate, certificate, crypto))) {
    throw badRoot('is not self-signed');
  }
  const keyId = toHex(await crypto.sha384(certificate.publicKey));
  const isIntel = keyId === INTEL_ROOT_KEY_ID;
  if (source.kind === 'intel' && !isIntel) throw badRoot(`has key id ${keyId.slice(0, 16)}, Intel's is ${INTEL_ROOT_KEY_ID.slice(0, 16)}`);
  if (source.kind === 'development' && isIntel) throw badRoot("is Intel's, and was loaded as a development root");
  return { kind: source.kind, certificate, keyId };
}

function parseRoot(der: Uint8Array): Certificate {
  try {
    return parseCertificate(der);
  } catch (cause) {
    if (cause instanceof EvidenceError)
      throw new ConfigError('bad_trust_root', `the trust root is malformed: ${cause.message}`, {}, { cause });
    throw cause;
  }
}

function badRoot(what: string): ConfigError {
  return new ConfigError('bad_trust_root', `the trust root ${what}`);
}
