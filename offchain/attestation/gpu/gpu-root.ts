import { equal, toHex } from '../../core/bytes';
import type { CryptoProvider } from '../../core/crypto';
import { ConfigError } from '../../core/errors';
import { type Certificate, isSignedBy, parseCertificateOf } from '../certificate';
import { EvidenceError } from '../errors';
import { P384_SHA384 } from '../x509';

/** Who vouches for GPUs: NVIDIA, or a root that a local network makes for itself. */
export type GpuRootKind = 'nvidia' | 'development';

/** A root that was checked when it was loaded. */
export interface GpuRoot {
  readonly kind: GpuRootKind;
  readonly certificate: Certificate;
  /** SHA-384 of the root's public key (04, x, y), lower-case hex: how a root is named. */
  readonly keyId: string;
}

/**
 * Key id of the NVIDIA Device Identity CA, whose certificate has the SHA-256
 * 102bf659d5419614c9d8e6aecebc80454eb26b1df6a769ac720b9a690b167b48.
 * Source: NVIDIA attestation-sdk, DEVICE_ROOT_CERT.
 */
export const NVIDIA_ROOT_KEY_ID = 'caf2995c609f0c5f443308d6c9b5ca90138c3adee0f0c7076cec3fed65c1b6c2c7b7dc8425843e799af7b07dcbaeba52';

/**
 * A GPU root from its DER certificate: self-signed, a CA for certificates, and NVIDIA's if and only if it is loaded as NVIDIA's.
 *
 * @throws ConfigError bad_gpu_root
 */
export async function loadGpuRoot(
  source: { readonly kind: GpuRootKind; readonly der: Uint8Array },
  crypto: CryptoProvider,
): Promise<GpuRoot> {
  const certificate = parseRoot(source.der);
  if (!/ Device Identity CA$/.test(certificate.commonName)) throw badRoot('is not named as a root of device identities');
  if (!certificate.isCa || !certificate.keyUsage.certSign) throw badRoot('is not a CA for certificates');
  if (!equal(certificate.issuer, certificate.subject) || !(await isSignedBy(certificate, certificate, crypto))) {
    throw badRoot('is not self-signed');
  }
  const keyId = toHex(await crypto.sha384(certificate.publicKey));
  const isNvidia = keyId === NVIDIA_ROOT_KEY_ID;
  if (source.kind === 'nvidia' && !isNvidia)
    throw badRoot(`has key id ${keyId.slice(0, 16)}, NVIDIA's is ${NVIDIA_ROOT_KEY_ID.slice(0, 16)}`);
  if (source.kind === 'development' && isNvidia) throw badRoot("is NVIDIA's, and was loaded as a development root");
  return { kind: source.kind, certificate, keyId };
}

function parseRoot(der: Uint8Array): Certificate {
  try {
    return parseCertificateOf(P384_SHA384, der);
  } catch (cause) {
    if (cause instanceof EvidenceError) throw new ConfigError('bad_gpu_root', `the gpu root is malformed: ${cause.message}`, {}, { cause });
    throw cause;
  }
}

function badRoot(what: string): ConfigError {
  return new ConfigError('bad_gpu_root', `the gpu root ${what}`);
}
