import type { Network } from '../runtime/network';
import type { Finding } from './finding';
import { checkGpus } from './gpu-checks';
import { checkEvidence } from './guest-checks';
import type { Machine } from './machine';
import { checkNetwork, checkPccs, isSimulated, type NetworkReach } from './network-checks';
import { checkGuestTdx, checkHostTdx, checkKernel, checkNode, checkProcessor, checkSwap, type Place } from './processor-checks';

export interface Examination {
  readonly place: Place;
  /** Null where none was named: its chain and its proxies are then not looked at. */
  readonly network: Network | null;
  /** URL of a cache of Intel's collateral, or null. */
  readonly pccs: string | null;
}

/** Everything that can be found of a machine and its network, in the order in which one thing needs another. */
export async function examine({ place, network, pccs }: Examination, machine: Machine, reach: NetworkReach): Promise<readonly Finding[]> {
  const hardware = [
    await checkProcessor(machine),
    checkKernel(machine, place),
    ...(place === 'host'
      ? await checkHostTdx(machine)
      : [await checkGuestTdx(machine), await checkSwap(machine), ...(await checkEvidence(machine))]),
    ...(await checkGpus(machine, place)),
  ];
  const needsHardware = network === null || !isSimulated(network);
  const online = network === null ? [] : await checkNetwork(network, reach);
  return [checkNode(machine), ...(needsHardware ? hardware : hardware.map(notNeeded)), await checkPccs(pccs, reach), ...online];
}

/** On a simulated network nobody needs hardware: what is missing of it is said, and is no failure. */
function notNeeded(finding: Finding): Finding {
  if (finding.verdict === 'ok' || finding.verdict === 'unseen') return finding;
  return { ...finding, verdict: 'unseen', words: `${finding.words} (not needed: the network is SIMULATED)`, remedy: null };
}
