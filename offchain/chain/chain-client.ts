/**
 * chain: reads and sends through any toncenter v2 endpoint, and watches for changes.
 * It trusts its endpoint for what is on chain (block proofs are not checked), and says so; it checks the form of every answer.
 * It never decides what a process does with what it reads, and holds no key but the wallet's that it was given.
 */
import {
  type Address,
  Cell,
  type Contract,
  type ContractProvider,
  loadTransaction,
  type OpenedContract,
  type Transaction,
} from '@ton/core';
import { TonClient } from '@ton/ton';
import { z } from 'zod';
import { toHex } from '../core/bytes';
import { ChainError } from './chain-error';
import { JsonRpc, type JsonRpcOptions } from './json-rpc';

/** A masterchain block. `rootHash` is lower-case hex, `atSec` its generation time. */
export interface ChainBlock {
  readonly seqno: number;
  readonly rootHash: string;
  readonly atSec: number;
}

/** An account as of one block: all fields are from the same read. */
export interface ChainAccount {
  readonly address: Address;
  readonly state: 'active' | 'uninitialized' | 'frozen';
  readonly balance: bigint;
  /** Lower-case hex; null unless active. */
  readonly codeHash: string | null;
  readonly code: Cell | null;
  readonly data: Cell | null;
  /** Logical time of the last transaction, 0 before the first; it grows with every change. */
  readonly lastLt: bigint;
  /** Base64, as the endpoint names transactions; null before the first. */
  readonly lastHash: string | null;
  /** Time of the block that was read. */
  readonly atSec: number;
}

export type ChainClientOptions = JsonRpcOptions;

const MASTERCHAIN_SHARD = '-9223372036854775808';
const BLOCK_CACHE_SIZE = 1024;
const TRANSACTION_PAGE = 50;

const blockIdSchema = z.object({ seqno: z.int().nonnegative(), root_hash: z.base64(), file_hash: z.base64() });
const masterchainInfoSchema = z.object({ last: blockIdSchema });
const blockHeaderSchema = z.object({ gen_utime: z.int().nonnegative() });
const ltSchema = z.string().regex(/^\d{1,20}$/);
const accountSchema = z.object({
  balance: z.union([z.string().regex(/^\d+$/), z.int().nonnegative()]),
  state: z.enum(['active', 'uninitialized', 'frozen']),
  code: z.string(),
  data: z.string(),
  last_transaction_id: z.object({ lt: ltSchema, hash: z.string() }),
  sync_utime: z.int().nonnegative(),
});
const configSchema = z.object({ config: z.object({ bytes: z.string() }) });
const transactionsSchema = z.array(z.object({ data: z.string(), transaction_id: z.object({ lt: ltSchema, hash: z.string() }) }));

type BlockId = z.infer<typeof blockIdSchema>;

/** Reads from one toncenter v2 endpoint, and sends to it. Every call is retried while the endpoint cannot be reached or is busy. */
export class ChainClient {
  readonly endpoint: string;
  private readonly rpc: JsonRpc;
  private readonly client: TonClient;
  private readonly blocks = new Map<number, ChainBlock>();

  constructor(options: ChainClientOptions) {
    this.endpoint = options.endpoint;
    this.rpc = new JsonRpc(options);
    this.client = new TonClient({
      endpoint: options.endpoint,
      // TonClient's own transport knows neither retries nor our errors: its requests go out through ours.
      httpAdapter: async (config) => ({
        data: await this.rpc.post(String(config.data)),
        status: 200,
        statusText: 'OK',
        headers: {},
        config,
      }),
    });
  }

  /** A contract whose getters and sends use this endpoint. */
  open<T extends Contract>(contract: T): OpenedContract<T> {
    return this.client.open(contract);
  }

  provider(address: Address): ContractProvider {
    return this.client.provider(address);
  }

  /** @throws ChainError */
  async getAccount(address: Address): Promise<ChainAccount> {
    const raw = await this.rpc.call('getAddressInformation', { address: address.toRawString() }, accountSchema);
    const isActive = raw.state === 'active';
    const code = isActive ? toCell(raw.code) : null;
    return {
      address,
      state: raw.state,
      balance: BigInt(raw.balance),
      codeHash: code === null ? null : toHex(code.hash()),
      code,
      data: isActive ? toCell(raw.data) : null,
      lastLt: BigInt(raw.last_transaction_id.lt),
      lastHash: raw.last_transaction_id.lt === '0' ? null : raw.last_transaction_id.hash,
      atSec: raw.sync_utime,
    };
  }

  /** The newest masterchain block. @throws ChainError */
  async latestBlock(): Promise<ChainBlock> {
    const { last } = await this.rpc.call('getMasterchainInfo', {}, masterchainInfoSchema);
    return this.blocks.get(last.seqno) ?? this.readHeader(last);
  }

  /** The masterchain block of that number; null when the endpoint has none (not made yet, or no longer kept). @throws ChainError */
  async blockAt(seqno: number): Promise<ChainBlock | null> {
    const known = this.blocks.get(seqno);
    if (known !== undefined) return known;
    try {
      const id = await this.rpc.call('lookupBlock', { workchain: -1, shard: MASTERCHAIN_SHARD, seqno }, blockIdSchema);
      if (id.seqno !== seqno) throw new ChainError('chain_malformed', `asked for block ${seqno}, got ${id.seqno}`);
      return await this.readHeader(id);
    } catch (error) {
      if (error instanceof ChainError && error.code === 'chain_refused') return null;
      throw error;
    }
  }

  /** The chain's configuration: a dictionary of parameters. @throws ChainError */
  async config(): Promise<Cell> {
    return toCell((await this.rpc.call('getConfigAll', {}, configSchema)).config.bytes);
  }

  /** Hands in an external message. The endpoint has accepted it when this returns; it need not be in a block yet. @throws ChainError */
  async sendExternal(message: Cell): Promise<void> {
    await this.rpc.call('sendBoc', { boc: message.toBoc().toString('base64') }, z.object({}));
  }

  /**
   * An account's transactions after `sinceLt` (exclusive; 0 for all), oldest first.
   * @throws ChainError chain_refused also when the endpoint no longer keeps them
   */
  async transactionsOf(address: Address, sinceLt = 0n): Promise<readonly Transaction[]> {
    const account = await this.getAccount(address);
    const newestFirst: Transaction[] = [];
    let lt = account.lastLt;
    let hash = account.lastHash;
    while (hash !== null && lt > sinceLt) {
      const params = {
        address: address.toRawString(),
        limit: TRANSACTION_PAGE,
        lt: lt.toString(),
        hash: Buffer.from(hash, 'base64').toString('hex'),
      };
      const page = await this.rpc.call('getTransactions', params, transactionsSchema);
      if (page[0]?.transaction_id.lt !== lt.toString())
        throw new ChainError('chain_malformed', `page of transactions does not begin at ${lt}`);
      for (const raw of page) {
        const transaction = loadTransaction(toCell(raw.data).beginParse());
        // Each transaction names the one before it, so a page cannot leave any out unnoticed.
        if (transaction.lt !== lt) throw new ChainError('chain_malformed', `transaction ${transaction.lt} where ${lt} belongs`);
        if (lt <= sinceLt) break;
        newestFirst.push(transaction);
        lt = transaction.prevTransactionLt;
        hash = lt === 0n ? null : Buffer.from(transaction.prevTransactionHash.toString(16).padStart(64, '0'), 'hex').toString('base64');
        if (hash === null || lt <= sinceLt) break;
      }
    }
    return newestFirst.reverse();
  }

  private async readHeader(id: BlockId): Promise<ChainBlock> {
    const params = { workchain: -1, shard: MASTERCHAIN_SHARD, seqno: id.seqno, root_hash: id.root_hash, file_hash: id.file_hash };
    const header = await this.rpc.call('getBlockHeader', params, blockHeaderSchema);
    const block = { seqno: id.seqno, rootHash: Buffer.from(id.root_hash, 'base64').toString('hex'), atSec: header.gen_utime };
    const oldest = this.blocks.keys().next();
    if (this.blocks.size >= BLOCK_CACHE_SIZE && !oldest.done) this.blocks.delete(oldest.value);
    this.blocks.set(block.seqno, block);
    return block;
  }
}

function toCell(base64: string): Cell {
  try {
    return Cell.fromBase64(base64);
  } catch (cause) {
    throw new ChainError('chain_malformed', 'answer holds a cell that cannot be read', {}, { cause });
  }
}
