/**
 * What every process with a chain opens from network.json: clock, client, watcher, and the root's lists.
 * What the allowlist drops is withdrawn within ten seconds while the chain can be read: the lists are read with each look of the
 * watcher, and apart from it as well, since a look at thousands of accounts, or one read that hangs, can take longer.
 */
import { Address } from '@ton/core';
import { type Clock, OffsetClock, systemClock } from '../core/clock';
import { codeOf } from '../core/errors';
import type { Logger } from '../runtime/log';
import type { Network } from '../runtime/network';
import { repeat } from '../runtime/repeat';
import { readSecretFile } from '../runtime/state-folder';
import { AllowlistView } from './allowlist';
import { ChainClient } from './chain-client';
import { ChainError } from './chain-error';
import { ChainWatcher } from './watcher';

/** The allowlist is not believed when it was last read so long ago, in seconds of block time: an outage that is longer ends every verdict. */
const MAX_ROOT_AGE_SEC = 120;
/** Between two reads of the root apart from the watcher, and how long one may take: together less than the ten seconds. */
export const ROOT_READ = { everyMs: 4000, timeoutMs: 4000, attempts: 1 } as const;

export interface NetworkChain {
  readonly client: ChainClient;
  readonly watcher: ChainWatcher;
  readonly clock: Clock;
  readonly root: Address;
  readonly lists: AllowlistView;
  /** For /healthz: the time of the newest block seen, Unix seconds, which stands still when the chain cannot be read. */
  health(): { readonly blockTimeSec: number };
  /** Ends after the reads that are under way. */
  stop(): Promise<void>;
}

/** Opens the first endpoint and reads the chain once. @throws ChainError, ConfigError */
export async function openNetworkChain(network: Network, pollMs: number, log: Logger): Promise<NetworkChain> {
  const endpoint = network.chain[0];
  if (endpoint === undefined) throw new ChainError('chain_unreachable', 'network.json names no chain endpoint');
  const access = {
    endpoint: endpoint.url,
    ...(endpoint.apiKeyFile === undefined ? {} : { apiKey: readSecretFile(endpoint.apiKeyFile) }),
  };
  const client = new ChainClient(access);
  const chainClock = network.clock === 'chain' ? new OffsetClock() : null;
  const watcher = new ChainWatcher({ client, intervalMs: pollMs, log, ...(chainClock === null ? {} : { clock: chainClock }) });
  const clock = chainClock ?? systemClock;
  const root = Address.parseRaw(network.root);
  const lists = new AllowlistView({ root, clock, maxAgeSec: MAX_ROOT_AGE_SEC });
  lists.follow(watcher);
  await watcher.poll();
  watcher.start();
  const stopReading = readApart(lists, root, new ChainClient({ ...access, ...ROOT_READ }), ROOT_READ.everyMs, log);
  const stop = async () => {
    await Promise.all([watcher.stop(), stopReading()]);
  };
  const health = () => ({ blockTimeSec: watcher.latestBlock?.atSec ?? 0 });
  return { client, watcher, clock, root, lists, health, stop };
}

/** Reads the root's lists again and again, until the returned function is called. */
function readApart(lists: AllowlistView, root: Address, client: ChainClient, everyMs: number, log: Logger): () => Promise<void> {
  const stopping = new AbortController();
  const onError = (error: unknown) => log.warn({ code: codeOf(error) }, 'allowlist cannot be read');
  const loop = repeat(stopping.signal, everyMs, async () => lists.update(await client.getAccount(root)), onError);
  return async () => {
    stopping.abort();
    await loop;
  };
}
