import { type GpuPolicy, NO_GPUS } from '../attestation/gpu/gpu-policy';
import { loadGpuRoot } from '../attestation/gpu/gpu-root';
import { assertPolicy, type EvidencePolicy } from '../attestation/policy';
import { loadTrustRoots } from '../attestation/trust-root';
import { concat, fromBase64Url } from '../core/bytes';
import type { Network } from '../runtime/network';
import { nodeCrypto } from '../runtime/node-crypto';

/**
 * What evidence must satisfy on this network: its trust roots, what it believes of platforms and GPUs, and the limits of whoever verifies.
 * @throws ConfigError bad_trust_root, bad_gpu_root, and what assertPolicy throws
 */
export async function networkPolicy(network: Network, limits: Omit<EvidencePolicy, 'trustRoots' | 'gpu'>): Promise<EvidencePolicy> {
  const trustRoots = await loadTrustRoots(network.trustRoots, nodeCrypto);
  const policy = { ...limits, ...network.tcb, trustRoots, gpu: await gpuPolicy(network) };
  assertPolicy(policy);
  return policy;
}

async function gpuPolicy({ gpu }: Network): Promise<GpuPolicy> {
  if (gpu === undefined) return NO_GPUS;
  const { roots, appraiserKeys, ...lists } = gpu;
  return {
    ...lists,
    roots: await Promise.all(roots.map(({ kind, der }) => loadGpuRoot({ kind, der: Buffer.from(der, 'base64') }, nodeCrypto))),
    appraiserKeys: appraiserKeys.map(({ kid, x, y }) => ({
      keyId: kid,
      publicKey: concat(Uint8Array.of(4), fromBase64Url(x, 48), fromBase64Url(y, 48)),
    })),
  };
}
