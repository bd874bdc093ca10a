import { Address } from '@ton/core';
import { PCS_PATH, rootCrlUrl } from '../attestation/pcs-api';
import { DEFAULT_LIMITS } from '../attestation/policy';
import type { ChainAccount, ChainBlock } from '../chain/chain-client';
import { ProxyContract, RootContract } from '../chain/contracts';
import { networkPolicy } from '../chain/network-policy';
import { toHex } from '../core/bytes';
import { CocoonError, messageOf } from '../core/errors';
import type { Network } from '../runtime/network';
import { type Finding, fail, ok, shown, unseen, warn } from './finding';

/** How a network is reached. */
export interface NetworkReach {
  /** @throws ChainError */
  latestBlock(): Promise<ChainBlock>;
  /** @throws ChainError */
  getAccount(address: Address): Promise<ChainAccount>;
  /** Connects as a client does, its pin checked, and hangs up. @throws TransportError */
  greet(url: string, pin: string | null): Promise<void>;
  /** Status of a GET. @throws when there is no answer */
  get(url: string): Promise<number>;
  readonly nowSec: number;
}

const MAX_BLOCK_AGE_SEC = 60;
/** Most proxies that are greeted: nobody reads more lines, and all are greeted at once. */
const MAX_GREETED = 20;

export function isSimulated(network: Network): boolean {
  return network.trustRoots.some(({ kind }) => kind === 'development');
}

/** What network.json says, the chain behind it, its root contract, and its proxies. */
export async function checkNetwork(network: Network, reach: NetworkReach): Promise<readonly Finding[]> {
  const described = await checkDescription(network);
  const chain = await checkChain(network, reach);
  if (chain.verdict === 'fail') return [described, chain, unseen('root', 'not looked at: the chain does not answer')];
  return [described, chain, ...(await checkRoot(network, reach))];
}

/** Loads the roots as every process that verifies does: what network.json calls them is nobody's proof. */
async function checkDescription(network: Network): Promise<Finding> {
  const kind = isSimulated(network) ? 'a development root: SIMULATED, no hardware vouches for anybody' : "Intel's root";
  try {
    await networkPolicy(network, DEFAULT_LIMITS);
    return ok('network', `${network.name}, under ${kind}`);
  } catch (error) {
    return failure('network', error, 'correct the roots in network.json: no client and no proxy starts with them');
  }
}

async function checkChain(network: Network, reach: NetworkReach): Promise<Finding> {
  const url = network.chain[0]?.url ?? '';
  try {
    const { seqno, atSec } = await reach.latestBlock();
    const ageSec = reach.nowSec - atSec;
    // A local chain's time can be moved.
    if (network.clock === 'system' && Math.abs(ageSec) > MAX_BLOCK_AGE_SEC) {
      return warn('chain', `block ${seqno} at ${shown(url)} is ${ageSec} s old`, "look at this machine's clock, and for another endpoint");
    }
    return ok('chain', `block ${seqno} at ${shown(url)}`);
  } catch (error) {
    return failure('chain', error, 'look at the url in network.json, and whether this machine reaches it');
  }
}

async function checkRoot(network: Network, reach: NetworkReach): Promise<readonly Finding[]> {
  let account: ChainAccount;
  try {
    account = await reach.getAccount(Address.parseRaw(network.root));
  } catch (error) {
    return [failure('root', error, 'look for another endpoint')];
  }
  const remedy = 'the root in network.json is of another network or another version of the contracts';
  const { data } = account;
  if (data === null) return [fail('root', `there is no contract at ${network.root}`, remedy)];
  const state = parseOr(() => RootContract.parseState(data));
  if (state === null) return [fail('root', `the contract at ${network.root} is no root contract of this version`, remedy)];
  const lists = `lists images: ${state.images.size}, models: ${state.models.size}, proxies: ${state.proxies.size}`;
  const root =
    state.images.size === 0 || state.models.size === 0
      ? warn('root', lists, 'without an image and a model on the list nobody can serve')
      : ok('root', lists);
  const proxies = [...state.proxies.keys()].map((key) => RootContract.proxyAddress(key));
  if (proxies.length === 0) return [root, warn('proxies', 'none is registered', 'run one: docs/run-a-proxy.md')];
  const greeted = await Promise.all(proxies.slice(0, MAX_GREETED).map((proxy) => checkProxy(proxy, reach)));
  const others = proxies.length - greeted.length;
  return [root, ...greeted, ...(others > 0 ? [unseen('proxies', `${others} more, which were not greeted`)] : [])];
}

async function checkProxy(contract: Address, reach: NetworkReach): Promise<Finding> {
  const item = `proxy ${contract.toRawString().slice(2, 10)}`;
  const remedy = 'its operator has to bring it back; clients and workers use another one';
  try {
    const { data } = await reach.getAccount(contract);
    const state = data === null ? null : parseOr(() => ProxyContract.parseState(data));
    if (state === null) return fail(item, 'its contract cannot be read', remedy);
    if (state.endpoint === null) return warn(item, 'has named no endpoint', remedy);
    const { url, keyPin } = state.endpoint;
    await reach.greet(url, keyPin === null ? null : toHex(keyPin));
    return ok(
      item,
      `answers at ${shown(url)} with ${keyPin === null ? 'a certificate that this machine trusts' : 'the key that is pinned on chain'}`,
    );
  } catch (error) {
    return failure(item, error, remedy);
  }
}

/** What hands out Intel's collateral, a cache or Intel itself, where one is named. */
export async function checkPccs(url: string | null, reach: Pick<NetworkReach, 'get'>): Promise<Finding> {
  if (url === null) return unseen('pccs', 'none is named: --network FILE or --pccs URL looks at one');
  const base = url.replace(/\/+$/, '');
  const remedy = "look at the service's log and its API key for Intel's PCS";
  for (const address of [rootCrlUrl(base), `${base}${PCS_PATH.qeIdentity}`]) {
    try {
      const status = await reach.get(address);
      if (status !== 200) return fail('pccs', `${shown(address)} answers with status ${status}`, remedy);
    } catch (error) {
      return fail(
        'pccs',
        `${shown(base)} does not answer: ${shown(reasonOf(error))}`,
        'look at the URL, and whether its certificate is one that this machine trusts',
      );
    }
  }
  return ok('pccs', `${shown(base)} has root CRL and QE identity; what they say is checked by who uses them`);
}

/** fetch hides what happened in the cause of its error. */
function reasonOf(error: unknown): string {
  const inner = typeof error === 'object' && error !== null && 'cause' in error ? error.cause : undefined;
  return inner === undefined ? messageOf(error) : messageOf(inner);
}

/** Null for cells that do not have the form. */
function parseOr<T>(parse: () => T): T | null {
  try {
    return parse();
  } catch {
    return null;
  }
}

function failure(item: string, error: unknown, remedy: string): Finding {
  if (!(error instanceof CocoonError)) throw error;
  return fail(item, shown(messageOf(error)), remedy);
}
