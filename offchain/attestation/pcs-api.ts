/**
 * Paths of collateral. Source: Intel PCS API v4, https://api.portal.trustedservices.intel.com/content/documentation.html; the root's
 * list is a path of Intel's PCCS, beside that API.
 */
export const PCS_PATH = {
  pckCrl: '/sgx/certification/v4/pckcrl',
  rootCrl: '/sgx/certification/v4/rootcacrl',
  tcbInfo: '/tdx/certification/v4/tcb',
  qeIdentity: '/tdx/certification/v4/qe/identity',
} as const;

/** Headers that hold an issuer's chain as PEM, percent-encoded. */
export const PCS_HEADER = {
  pckCrl: 'sgx-pck-crl-issuer-chain',
  tcbInfo: 'tcb-info-issuer-chain',
  enclaveIdentity: 'sgx-enclave-identity-issuer-chain',
} as const;

/** Where Intel serves collateral itself, and the list of its root, which that API leaves out. */
export const INTEL_PCS = 'https://api.trustedservices.intel.com';
export const INTEL_ROOT_CRL = 'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der';

/** Where the root's revocation list is; `base` is a service's URL without a path and without a slash at its end. */
export function rootCrlUrl(base: string): string {
  return base === INTEL_PCS ? INTEL_ROOT_CRL : `${base}${PCS_PATH.rootCrl}`;
}
