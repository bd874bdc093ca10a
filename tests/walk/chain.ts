/**
 * A chain of accounts over the sandbox's executor, where the walk itself delivers each message: so it can let messages of different pairs
 * overtake each other, and a fork costs no more than a copy of a map.
 *
 * It trusts the executor to be the TVM and the chain's rules of a transaction, and knows nothing of our contracts.
 */
import {
  type AccountState,
  type Address,
  beginCell,
  Cell,
  loadTransaction,
  type Message,
  storeMessage,
  storeShardAccount,
  type Transaction,
} from '@ton/core';
import { Blockchain, createEmptyShardAccount, Executor } from '@ton/sandbox';
import { mainnetPrices } from '../../wrappers/chain-config';
import { type Prices, START } from '../world';
import { withoutCode } from './account';
import { type PriceList, pricesOf } from './prices';

/** Each transaction has a logical time of its own. */
const LT_STEP = 1_000_000n;

export interface AccountView {
  readonly balance: bigint;
  readonly state: AccountState;
}

/** What all forks of one chain share. */
export interface Network {
  readonly executor: Executor;
  readonly config: string;
  readonly prices: PriceList;
}

/** A network under these prices; making one takes a good part of a second. */
export async function networkOf(which: Prices): Promise<Network> {
  const { config } = await Blockchain.create();
  const cell = which === 'dear' ? config : mainnetPrices(config);
  return { executor: await Executor.create(), config: cell.toBoc().toString('base64'), prices: pricesOf(cell) };
}

export class Chain {
  private constructor(
    readonly network: Network,
    private readonly accounts: Map<string, string>,
    private lt: bigint,
    /** Unix seconds. */
    public now: number,
  ) {}

  static empty(network: Network): Chain {
    return new Chain(network, new Map(), 0n, START);
  }

  fork(): Chain {
    return new Chain(this.network, new Map(this.accounts), this.lt, this.now);
  }

  /** Takes an account off the chain, coins and all. */
  destroy(address: Address): void {
    this.accounts.delete(address.toRawString());
  }

  /** Delivers one message to one account, and nothing of what follows from it. @throws Error when the executor refuses to run */
  async deliver(to: Address, message: Message): Promise<{ readonly transaction: Transaction; readonly account: AccountView }> {
    const key = to.toRawString();
    this.lt += LT_STEP;
    const { result } = await this.network.executor.runTransaction({
      config: this.network.config,
      libs: null,
      verbosity: 'short',
      shardAccount: this.accounts.get(key) ?? emptyAccount(to),
      now: this.now,
      lt: this.lt,
      randomSeed: RANDOM_SEED,
      ignoreChksig: false,
      debugEnabled: false,
      message: beginCell().store(storeMessage(message)).endCell(),
    });
    if (!result.success) throw new Error(`the executor refused to run: ${result.error}`);
    this.accounts.set(key, result.shardAccount);
    const { account } = withoutCode(result.shardAccount);
    const state: AccountState = account?.storage.state ?? { type: 'uninit' };
    return {
      transaction: loadTransaction(Cell.fromBase64(result.transaction).beginParse()),
      account: { balance: account?.storage.balance.coins ?? 0n, state },
    };
  }
}

/** No contract of ours draws random numbers. */
const RANDOM_SEED = Buffer.alloc(32);

function emptyAccount(address: Address): string {
  return beginCell()
    .store(storeShardAccount(createEmptyShardAccount(address)))
    .endCell()
    .toBoc()
    .toString('base64');
}
