/** What every process with a chain opens from network.json: clock, client, watcher, and the root's lists. */
import { Address } from '@ton/core';
import { type Clock, OffsetClock, systemClock } from '../core/clock';
import type { Logger } from '../runtime/log';
import type { Network } from '../runtime/network';
import { readSecretFile } from '../runtime/state-folder';
import { AllowlistView } from './allowlist';
import { ChainClient } from './chain-client';
import { ChainError } from './chain-error';
import { ChainWatcher } from './watcher';

/** The allowlist is not believed when it was last read so long ago, in seconds of block time. */
const MAX_ROOT_AGE_SEC = 120;

export interface NetworkChain {
  readonly client: ChainClient;
  readonly watcher: ChainWatcher;
  readonly clock: Clock;
  readonly root: Address;
  readonly lists: AllowlistView;
}

/** Opens the first endpoint and reads the chain once. @throws ChainError, ConfigError */
export async function openNetworkChain(network: Network, pollMs: number, log: Logger): Promise<NetworkChain> {
  const endpoint = network.chain[0];
  if (endpoint === undefined) throw new ChainError('chain_unreachable', 'network.json names no chain endpoint');
  const client = new ChainClient({
    endpoint: endpoint.url,
    ...(endpoint.apiKeyFile === undefined ? {} : { apiKey: readSecretFile(endpoint.apiKeyFile) }),
  });
  const chainClock = network.clock === 'chain' ? new OffsetClock() : null;
  const watcher = new ChainWatcher({ client, intervalMs: pollMs, log, ...(chainClock === null ? {} : { clock: chainClock }) });
  const clock = chainClock ?? systemClock;
  const root = Address.parseRaw(network.root);
  const lists = new AllowlistView({ root, clock, maxAgeSec: MAX_ROOT_AGE_SEC });
  lists.follow(watcher);
  await watcher.poll();
  watcher.start();
  return { client, watcher, clock, root, lists };
}
