import type { Address } from '@ton/core';
import type { ChainClient } from '../chain/chain-client';
import { ProxyContract } from '../chain/contracts';
import { toHex } from '../core/bytes';
import { ClientError } from './errors';

/** A proxy as its contract says. */
export interface ListedProxy {
  readonly contract: Address;
  readonly operator: Address;
  /** HTTPS URL. */
  readonly endpoint: string;
  /** SHA-256 of its TLS key, lower-case hex; null: an ordinary certificate. */
  readonly pin: string | null;
  readonly withdrawDelaySec: number;
}

/** Reads proxies from the chain. It believes a contract only when its address follows from the known code, and its root is ours. */
export class ProxyDirectory {
  constructor(
    private readonly client: Pick<ChainClient, 'getAccount'>,
    private readonly root: Address,
    /** The registry, as the root contract has it. */
    private readonly listed: () => readonly Address[],
  ) {}

  /** @throws ClientError no_proxy; ChainError */
  async read(contract: Address): Promise<ListedProxy> {
    const proxy = await this.tryRead(contract);
    if (proxy === null) throw new ClientError('no_proxy', `${contract.toString()} is no proxy of this network that is configured`);
    return proxy;
  }

  /** Every registered proxy that can be reached by what its contract says, in the registry's order. @throws ChainError */
  async list(): Promise<readonly ListedProxy[]> {
    const proxies = await Promise.all(this.listed().map((contract) => this.tryRead(contract)));
    return proxies.filter((proxy) => proxy !== null);
  }

  private async tryRead(contract: Address): Promise<ListedProxy | null> {
    const account = await this.client.getAccount(contract);
    if (account.data === null) return null;
    let state: ReturnType<typeof ProxyContract.parseState>;
    try {
      state = ProxyContract.parseState(account.data);
    } catch {
      return null;
    }
    const { operator, endpoint, terms } = state;
    const isGenuine = ProxyContract.create(terms).address.equals(contract) && terms.root.equals(this.root);
    if (!isGenuine || operator === null || endpoint === null || !endpoint.url.startsWith('https://')) return null;
    const pin = endpoint.keyPin === null ? null : toHex(endpoint.keyPin);
    return { contract, operator, endpoint: endpoint.url, pin, withdrawDelaySec: terms.withdrawDelay };
  }
}
