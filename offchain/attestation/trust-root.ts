import { fromBase64 } from '../core/bytes';
import type { CryptoProvider } from '../core/crypto';
import { SGX_ROLE } from './certificate';
import { loadRoot, type Root, type RootProfile } from './root';
import { P256_SHA256 } from './x509';

/** Who vouches for platforms: Intel, or a root that a local network makes for itself. */
export type TrustRoot = Root<'intel'>;
export type TrustRootKind = TrustRoot['kind'];

/**
 * Key id of the Intel SGX Root CA.
 * Source: https://certificates.trustedservices.intel.com/Intel_SGX_Provisioning_Certification_RootCA.cer; the same value is
 * `root_key_id` in the supplemental data of Intel's DCAP quote verification library.
 */
export const INTEL_ROOT_KEY_ID = '46e403bd34f05a3f2817ab9badcaacc7ffc98e0f261008cd30dae936cace18d5dcf58eef31463613de1570d516200993';

const SGX_ROOT: RootProfile<'intel'> = {
  name: 'trust root',
  errorCode: 'bad_trust_root',
  algorithm: P256_SHA256,
  commonName: SGX_ROLE.root,
  role: 'an SGX root',
  signsLists: true,
  maker: { kind: 'intel', name: 'Intel', keyId: INTEL_ROOT_KEY_ID },
};

/** A trust root from its DER certificate; see `loadRoot`. @throws ConfigError bad_trust_root */
export function loadTrustRoot(
  source: { readonly kind: TrustRootKind; readonly der: Uint8Array },
  crypto: CryptoProvider,
): Promise<TrustRoot> {
  return loadRoot(source, SGX_ROOT, crypto);
}

/** The roots that a network names, each with its certificate in base64. @throws ConfigError bad_trust_root */
export function loadTrustRoots(
  named: readonly { readonly kind: TrustRootKind; readonly der: string }[],
  crypto: CryptoProvider,
): Promise<readonly TrustRoot[]> {
  return Promise.all(named.map(({ kind, der }) => loadTrustRoot({ kind, der: fromBase64(der) }, crypto)));
}
