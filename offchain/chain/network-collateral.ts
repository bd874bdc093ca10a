import type { CollateralSource } from '../attestation/collateral';
import { PcsSource } from '../attestation/pcs-source';
import type { Clock } from '../core/clock';
import type { Network } from '../runtime/network';

/** Where a process of this network takes collateral from. Nothing that comes is believed: see `verifyCollateral`. */
export function networkCollateral(network: Network, clock: Clock): CollateralSource {
  return new PcsSource({ baseUrl: network.pccs, fetch: (url, init) => fetch(url, init), clock });
}
