/** Where stories start: a network in use, where its contracts are, and what lies in them. */
import type { Address } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import { type Prices, World } from '../world';
import { Story } from './story';

export class Start {
  private constructor(
    readonly world: World,
    private readonly snapshot: BlockchainSnapshot,
    /** What lies in the client's channel, the proxy, the worker's channel and the root, in nanoTON. */
    readonly deposit: bigint,
    readonly estate: bigint,
    readonly funding: bigint,
    readonly fees: bigint,
  ) {}

  static async at(prices?: Prices): Promise<Start> {
    const world = await World.inUse(prices);
    const { clientChannel, proxy, workerChannel, root } = world;
    return new Start(
      world,
      world.snapshot(),
      await world.balance(clientChannel.address),
      await world.balance(proxy.address),
      await world.balance(workerChannel.address),
      await world.balance(root.address),
    );
  }

  /** Begins anew: nothing of the stories before has happened. */
  async story(): Promise<Story> {
    await this.world.restore(this.snapshot);
    return new Story(this.world);
  }

  /** Of the client with the proxy. */
  get channel(): Address {
    return this.world.clientChannel.address;
  }

  get proxy(): Address {
    return this.world.proxy.address;
  }

  /** Of the worker's channel. */
  get worker(): Address {
    return this.world.workerChannel.address;
  }

  get root(): Address {
    return this.world.root.address;
  }
}
