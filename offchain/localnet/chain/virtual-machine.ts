import { createHash } from 'node:crypto';
import {
  type Address,
  beginCell,
  Cell,
  type CommonMessageInfo,
  loadMessage,
  loadTransaction,
  parseTuple,
  type ShardAccount,
  storeShardAccount,
  type Transaction,
  type TupleItem,
} from '@ton/core';
import { createEmptyShardAccount, Executor } from '@ton/sandbox';
import { LocalChainError } from './local-chain-error';

export interface ExecutedTransaction {
  readonly account: Address;
  readonly transaction: Transaction;
  readonly hash: Buffer;
  /** Base64 bags of cells: the transaction, and the account after it. */
  readonly boc: string;
  readonly state: string;
}

/** What became of one message. `exitCode` is 0 where no code ran. */
export type Execution =
  | ({ readonly type: 'executed' } & ExecutedTransaction)
  | { readonly type: 'refused'; readonly account: Address; readonly exitCode: number; readonly reason: string };

export interface ExecutionInput {
  readonly message: Cell;
  /** Base64 bag of cells; undefined for an account that nobody has touched. */
  stateOf(account: Address): string | undefined;
  readonly timeSec: number;
  /** The transaction's logical time, unless the message or the account ask for a later one. */
  readonly lt: bigint;
  readonly ignoreSignature?: boolean;
}

export interface GetMethodOutcome {
  readonly exitCode: number;
  readonly gasUsed: number;
  readonly stack: readonly TupleItem[];
}

/** What lite servers allow a get-method. */
const GET_METHOD_GAS = 1_000_000n;
/** Exit code of a get-method on an account without code. */
const NOT_ACTIVE = -13;

/** TON's own transaction executor, compiled to WebAssembly, under one configuration. It keeps no state. */
export class VirtualMachine {
  private constructor(
    private readonly executor: Executor,
    /** Base64 of the configuration's cell. */
    readonly config: string,
  ) {}

  static async create(config: Cell): Promise<VirtualMachine> {
    return new VirtualMachine(await Executor.create(), config.toBoc().toString('base64'));
  }

  /** Runs one message at its destination. @throws LocalChainError bad_message */
  async execute({ message, stateOf, timeSec, lt, ignoreSignature = false }: ExecutionInput): Promise<Execution> {
    const account = destinationOf(message, 'any');
    const { result } = await this.executor.runTransaction({
      config: this.config,
      libs: null,
      verbosity: 'short',
      shardAccount: stateOf(account) ?? emptyState(account),
      now: timeSec,
      lt,
      randomSeed: createHash('sha256').update(`${lt}`).digest(),
      ignoreChksig: ignoreSignature,
      debugEnabled: false,
      message,
    });
    if (!result.success) return { type: 'refused', account, exitCode: result.vmResults?.vmExitCode ?? 0, reason: result.error };
    return { type: 'executed', ...readTransaction(account, result.transaction), state: result.shardAccount };
  }

  async runGetMethod(
    address: Address,
    { account }: ShardAccount,
    methodId: number,
    stack: readonly TupleItem[],
    timeSec: number,
  ): Promise<GetMethodOutcome> {
    if (account?.storage.state.type !== 'active') return { exitCode: NOT_ACTIVE, gasUsed: 0, stack: [] };
    const { code, data } = account.storage.state.state;
    const { output } = await this.executor.runGetMethod({
      code: code ?? Cell.EMPTY,
      data: data ?? Cell.EMPTY,
      methodId,
      stack: [...stack],
      config: this.config,
      verbosity: 'short',
      address,
      unixTime: timeSec,
      balance: account.storage.balance.coins,
      randomSeed: Buffer.alloc(32),
      gasLimit: GET_METHOD_GAS,
      debugEnabled: false,
    });
    if (!output.success) throw new LocalChainError('get_method_failed', output.error);
    return { exitCode: output.vm_exit_code, gasUsed: Number(output.gas_used), stack: parseTuple(Cell.fromBase64(output.stack)) };
  }
}

/** A transaction from its base64 bag of cells. */
export function readTransaction(account: Address, boc: string): Omit<ExecutedTransaction, 'state'> {
  const cell = Cell.fromBase64(boc);
  return { account, transaction: loadTransaction(cell.beginParse()), hash: cell.hash(), boc };
}

function emptyState(account: Address): string {
  return beginCell()
    .store(storeShardAccount(createEmptyShardAccount(account)))
    .endCell()
    .toBoc()
    .toString('base64');
}

/** Where a message goes. @throws LocalChainError bad_message */
export function destinationOf(message: Cell, type: 'external-in' | 'any'): Address {
  let info: CommonMessageInfo;
  try {
    info = loadMessage(message.beginParse()).info;
  } catch (cause) {
    throw new LocalChainError('bad_message', 'not a message', {}, { cause });
  }
  if (info.type === 'external-out' || (type === 'external-in' && info.type !== type)) {
    throw new LocalChainError('bad_message', 'not an inbound external message');
  }
  return info.dest;
}
