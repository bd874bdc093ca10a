import type { CryptoProvider } from '../../core/crypto';
import { loadRoot, type Root, type RootProfile } from '../root';
import { P384_SHA384 } from '../x509';

/** Who vouches for GPUs: NVIDIA, or a root that a local network makes for itself. */
export type GpuRoot = Root<'nvidia'>;

/**
 * Key id of the NVIDIA Device Identity CA, whose certificate has the SHA-256
 * 102bf659d5419614c9d8e6aecebc80454eb26b1df6a769ac720b9a690b167b48.
 * Source: NVIDIA attestation-sdk, DEVICE_ROOT_CERT.
 */
export const NVIDIA_ROOT_KEY_ID = 'caf2995c609f0c5f443308d6c9b5ca90138c3adee0f0c7076cec3fed65c1b6c2c7b7dc8425843e799af7b07dcbaeba52';

/** How the last certificate of a GPU's chain is named. */
export const GPU_ROOT_NAME = / Device Identity CA$/;

const DEVICE_IDENTITY_ROOT: RootProfile<'nvidia'> = {
  name: 'gpu root',
  errorCode: 'bad_gpu_root',
  algorithm: P384_SHA384,
  commonName: GPU_ROOT_NAME,
  role: 'a root of device identities',
  // What is revoked, a service says: there are no lists.
  signsLists: false,
  maker: { kind: 'nvidia', name: 'NVIDIA', keyId: NVIDIA_ROOT_KEY_ID },
};

/** A GPU root from its DER certificate; see `loadRoot`. @throws ConfigError bad_gpu_root */
export function loadGpuRoot(
  source: { readonly kind: GpuRoot['kind']; readonly der: Uint8Array },
  crypto: CryptoProvider,
): Promise<GpuRoot> {
  return loadRoot(source, DEVICE_IDENTITY_ROOT, crypto);
}
