/** Puts the proxy's contract on chain and into the registry, as far as the owner's key is at hand. */
import type { Address } from '@ton/core';
import type { Logger } from 'pino';
import { ChainError } from '../chain/chain-error';
import { type Endpoint, ProxyContract, RootContract } from '../chain/contracts';
import type { NetworkChain } from '../chain/network-chain';
import type { OutgoingMessage, SendingWallet } from '../chain/wallet';
import { equal } from '../core/bytes';
import { ConfigError } from '../core/errors';
import { formatTon, maxNano } from '../core/money';
import { pause } from '../runtime/repeat';
import type { ProxyConfig } from './config';

/** The messages are in a block when they are sent; what the contracts do with them follows within some blocks. */
const CONFIRM_SEC = 120;

export interface Registration {
  readonly contract: ProxyContract;
  readonly operator: Address;
  readonly payerKey: bigint;
  readonly endpoint: Endpoint;
}

/**
 * Makes the contract say what this process is (operator, payer key, endpoint) and the registry list it.
 * @throws ConfigError not_registered, naming what the owner has to do, when there is no owner's key; ChainError chain_refused when the
 * contracts did not do what they were told
 */
export async function ensureRegistered(
  chain: NetworkChain,
  config: ProxyConfig,
  wanted: Registration,
  owner: SendingWallet | null,
  stopping: AbortSignal,
  log: Logger,
): Promise<void> {
  const messages = await missing(chain, config, wanted);
  if (messages.length === 0) return;
  if (owner === null) {
    throw new ConfigError(
      'not_registered',
      `the proxy contract ${wanted.contract.address.toString()} is not deployed, configured and registered: ` +
        'let its owner do that, or name the owner\'s key in "ownerKeyFile"',
    );
  }
  log.info({ contract: wanted.contract.address.toRawString(), stakeTon: formatTon(config.stakeNano) }, 'registering');
  await owner.send(messages);
  const untilSec = chain.clock.nowSec() + CONFIRM_SEC;
  while (!stopping.aborted && (await missing(chain, config, wanted)).length > 0) {
    if (chain.clock.nowSec() > untilSec) {
      throw new ChainError('chain_refused', `the proxy contract or the root has not registered it within ${CONFIRM_SEC} s`);
    }
    await pause(config.pollMs, stopping);
  }
}

/** The messages that the owner has to send; none when all is as it should be. */
async function missing(chain: NetworkChain, config: ProxyConfig, wanted: Registration): Promise<OutgoingMessage[]> {
  const { contract } = wanted;
  const account = await chain.client.getAccount(contract.address);
  const state = account.data === null ? null : ProxyContract.parseState(account.data);
  const messages: OutgoingMessage[] = [];
  const isConfigured =
    state !== null &&
    state.operator?.equals(wanted.operator) === true &&
    state.payerKey === wanted.payerKey &&
    state.endpoint !== null &&
    isSameEndpoint(state.endpoint, wanted.endpoint);
  if (!isConfigured) {
    messages.push({
      to: contract.address,
      value: ProxyContract.VALUE.configure,
      bounce: state !== null,
      ...(state === null && contract.init !== undefined ? { init: contract.init } : {}),
      body: ProxyContract.configureBody(wanted),
    });
  }
  await chain.watcher.poll();
  const isListed = chain.lists.proxies().some((proxy) => proxy.equals(contract.address));
  if (!isListed) {
    const root = await chain.client.getAccount(chain.root);
    if (root.data === null) throw new ConfigError('no_root', `there is no root contract at ${chain.root.toString()}: check network.json`);
    const { params } = RootContract.parseState(root.data).governance;
    const forward = params.registrationFee + ProxyContract.ROOT_GAS;
    const held = account.balance;
    const needed = config.stakeNano + config.incomeNano + ProxyContract.RESERVE + forward;
    messages.push({
      to: contract.address,
      value: maxNano(needed - held, forward) + ProxyContract.VALUE.register,
      bounce: state !== null,
      body: ProxyContract.registerBody({ stake: config.stakeNano, forward }),
    });
  }
  return messages;
}

function isSameEndpoint(a: Endpoint, b: Endpoint): boolean {
  if (a.url !== b.url) return false;
  if (a.keyPin === null || b.keyPin === null) return a.keyPin === b.keyPin;
  return equal(a.keyPin, b.keyPin);
}
