import { assertPolicy, type EvidencePolicy } from '../attestation/policy';
import { loadTrustRoot } from '../attestation/trust-root';
import type { Network } from '../runtime/network';
import { nodeCrypto } from '../runtime/node-crypto';

/**
 * What evidence must satisfy on this network: its trust roots, and the limits of whoever verifies.
 * @throws ConfigError bad_trust_root, and what assertPolicy throws
 */
export async function networkPolicy(network: Network, limits: Omit<EvidencePolicy, 'trustRoots'>): Promise<EvidencePolicy> {
  const trustRoots = await Promise.all(
    network.trustRoots.map(({ kind, der }) => loadTrustRoot({ kind, der: Buffer.from(der, 'base64') }, nodeCrypto)),
  );
  const policy = { trustRoots, ...limits };
  assertPolicy(policy);
  return policy;
}
