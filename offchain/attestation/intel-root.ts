import { fromBase64Url } from '../core/bytes';
import type { CryptoProvider } from '../core/crypto';
import { loadTrustRoot, type TrustRoot } from './trust-root';

/**
 * The Intel SGX Root CA's certificate: 659 bytes DER, base64url.
 * Source: https://certificates.trustedservices.intel.com/Intel_SGX_Provisioning_Certification_RootCA.cer
 */
const INTEL_ROOT_DER =
  'MIICjzCCAjSgAwIBAgIUImUM1lqdNInzg7SVUr9QGzknBqwwCgYIKoZIzj0EAwIwaDEaMBgGA1UEAwwRSW50ZWwgU0dYIFJvb3QgQ0ExGjAYBgNVBAoMEUlu' +
  'dGVsIENvcnBvcmF0aW9uMRQwEgYDVQQHDAtTYW50YSBDbGFyYTELMAkGA1UECAwCQ0ExCzAJBgNVBAYTAlVTMB4XDTE4MDUyMTEwNDUxMFoXDTQ5MTIzMTIz' +
  'NTk1OVowaDEaMBgGA1UEAwwRSW50ZWwgU0dYIFJvb3QgQ0ExGjAYBgNVBAoMEUludGVsIENvcnBvcmF0aW9uMRQwEgYDVQQHDAtTYW50YSBDbGFyYTELMAkG' +
  'A1UECAwCQ0ExCzAJBgNVBAYTAlVTMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEC6nEwMDIYZOj_iPWsCzaEKi71OiOSLRFhWGjbnBVJfVnkY4u3IjkDYYL' +
  '0MxO4mqsyYjlBalTVYxFP2sJBK5zlKOBuzCBuDAfBgNVHSMEGDAWgBQiZQzWWp00ifODtJVSv1AbOScGrDBSBgNVHR8ESzBJMEegRaBDhkFodHRwczovL2Nl' +
  'cnRpZmljYXRlcy50cnVzdGVkc2VydmljZXMuaW50ZWwuY29tL0ludGVsU0dYUm9vdENBLmRlcjAdBgNVHQ4EFgQUImUM1lqdNInzg7SVUr9QGzknBqwwDgYD' +
  'VR0PAQH_BAQDAgEGMBIGA1UdEwEB_wQIMAYBAf8CAQEwCgYIKoZIzj0EAwIDSQAwRgIhAOW_5QkR-' +
  'S9CiSDcNoowLuPRLsWGf_Yi7GSX94BgwTwgAiEA4J0lrHoMs-Xo5o_sX6O9QWxHRAvZUGOdRQ7cvqRXaqI';

/** Intel's root, for who names no other. */
export function loadIntelRoot(crypto: CryptoProvider): Promise<TrustRoot> {
  return loadTrustRoot({ kind: 'intel', der: fromBase64Url(INTEL_ROOT_DER) }, crypto);
}
