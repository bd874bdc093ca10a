import { ChainClient } from '../chain/chain-client';
import { systemClock } from '../core/clock';
import { ConfigError } from '../core/errors';
import { examine } from '../doctor/examine';
import { formatFindings, isHealthy } from '../doctor/finding';
import type { Machine } from '../doctor/machine';
import { isSimulated, type NetworkReach } from '../doctor/network-checks';
import { placeOf } from '../doctor/processor-checks';
import { loadNetwork, type Network } from '../runtime/network';
import { readSecretFile } from '../runtime/state-folder';
import { dialTls } from '../transport/tls';
import type { Terminal } from './terminal';

/** As the command line gives them. */
export interface DoctorOptions {
  readonly host?: boolean | undefined;
  readonly guest?: boolean | undefined;
  /** Path of network.json. */
  readonly network?: string | undefined;
  readonly pccs?: string | undefined;
}

const PCCS_TIMEOUT_MS = 10_000;

/**
 * `cocoon doctor`: item, verdict and remedy for this machine and, where it is named, for a network. Returns whether nothing failed.
 *
 * @throws ConfigError bad_flags, and as loadNetwork
 */
export async function doctorCommand(options: DoctorOptions, machine: Machine, terminal: Terminal): Promise<boolean> {
  if (options.host === true && options.guest === true) throw new ConfigError('bad_flags', 'name --host or --guest, not both');
  if (options.pccs !== undefined && !(/^https?:\/\//.test(options.pccs) && URL.canParse(options.pccs)))
    throw new ConfigError('bad_flags', '--pccs takes a URL, http or https');
  const network = options.network === undefined ? null : loadNetwork(options.network);
  const place = options.guest === true ? 'guest' : options.host === true ? 'host' : await placeOf(machine);
  terminal.write(
    `This machine, as ${place === 'host' ? 'the host of a guest' : 'a guest'}${place === 'host' && options.host !== true ? ' (--guest inside of one)' : ''}:\n`,
  );
  if (network !== null && isSimulated(network))
    terminal.write(`SIMULATED: network ${network.name} needs no confidential hardware, and has none\n`);
  const findings = await examine({ place, network, pccs: options.pccs ?? network?.pccs ?? null }, machine, reachOf(network));
  terminal.write(formatFindings(findings));
  if (network === null) terminal.write('Chain and proxies were not looked at: name a network.json with --network\n');
  return isHealthy(findings);
}

/** One try each: a doctor says what does not answer, and does not wait until it does. */
function reachOf(network: Network | null): NetworkReach {
  const client = network === null ? null : openChain(network);
  const chain = () => {
    if (client === null) throw new RangeError('no network was named');
    return client;
  };
  return {
    latestBlock: () => chain().latestBlock(),
    getAccount: (address) => chain().getAccount(address),
    greet: async (url, pin) => {
      (await dialTls(url, pin, 'h2')).destroy();
    },
    get: async (url) => {
      const response = await fetch(url, { signal: AbortSignal.timeout(PCCS_TIMEOUT_MS) });
      await response.body?.cancel();
      return response.status;
    },
    nowSec: systemClock.nowSec(),
  };
}

function openChain(network: Network): ChainClient {
  const endpoint = network.chain[0];
  if (endpoint === undefined) throw new ConfigError('config_invalid', 'network.json names no chain endpoint');
  const { url, apiKeyFile } = endpoint;
  return new ChainClient({ endpoint: url, attempts: 1, ...(apiKeyFile === undefined ? {} : { apiKey: readSecretFile(apiKeyFile) }) });
}
