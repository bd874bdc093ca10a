/**
 * The local chain: a real TVM (the sandbox's executor) with blocks, a clock, an index of transactions and a journal.
 * It trusts whoever can reach it: time and coins are theirs to change. It never verifies blocks, and stands for no other chain.
 */
import { randomBytes } from 'node:crypto';
import { Address, beginCell, Cell, loadShardAccount, type ShardAccount, storeMessage, type Transaction, type TupleItem } from '@ton/core';
import { createEmptyShardAccount, internal } from '@ton/sandbox';
import { type Block, Blocks } from './blocks';
import { Journal, type JournalEntry } from './journal';
import { ExternalRefusedError, journalError, LocalChainError } from './local-chain-error';
import {
  destinationOf,
  type ExecutedTransaction,
  type Execution,
  type GetMethodOutcome,
  readTransaction,
  VirtualMachine,
} from './virtual-machine';

export interface LocalChainOptions {
  readonly journalPath: string;
  /** The configuration whose prices are charged. A journal made under another one is refused. */
  readonly config: Cell;
  /** Unix seconds; the machine's clock when absent. */
  nowSec?(): number;
  /** The journal is rewritten at start when states that nobody needs any more fill this much of it. */
  readonly compactBytes?: number;
  /** The journal cannot be written any more: what this process would answer from now on would be forgotten. */
  onFatal(error: unknown): void;
}

export interface TransactionRecord {
  readonly account: Address;
  readonly lt: bigint;
  readonly hash: Buffer;
  readonly seqno: number;
  readonly timeSec: number;
  /** Base64 bag of cells. */
  readonly boc: string;
}

const LT_STEP = 1_000_000n;
const FAUCET = new Address(-1, Buffer.alloc(32));
const COMPACT_BYTES = 8 * 1024 * 1024;

export class LocalChain {
  private readonly blocks: Blocks;
  private readonly states = new Map<string, string>();
  private readonly byAccount = new Map<string, TransactionRecord[]>();
  private readonly byBlock = new Map<number, readonly TransactionRecord[]>();
  private readonly byInMessage = new Map<string, TransactionRecord>();
  /** Internal messages for the next block: all that the last one sent. */
  private queue: readonly Cell[] = [];
  private lastLt = 0n;
  private skewSec = 0;
  private turn: Promise<unknown> = Promise.resolve();
  private isClosed = false;

  private constructor(
    private readonly machine: VirtualMachine,
    private readonly journal: Journal,
    private readonly options: LocalChainOptions,
  ) {
    this.blocks = new Blocks(Buffer.from(journal.header.seed, 'hex'), journal.header.genesisSec);
  }

  /**
   * Continues the chain in the journal, or begins one.
   * @throws ConfigError journal_foreign, journal_other_version, journal_other_prices, journal_damaged
   */
  static async open(options: LocalChainOptions): Promise<LocalChain> {
    const config = options.config.hash().toString('hex');
    const nowSec = options.nowSec?.() ?? machineSec();
    const journal = Journal.open(options.journalPath, () => ({ seed: randomBytes(32).toString('hex'), genesisSec: nowSec, config }));
    if (journal.header.config !== config) {
      throw journalError('journal_other_prices', options.journalPath, 'was made under another price configuration');
    }
    const chain = new LocalChain(await VirtualMachine.create(options.config), journal, options);
    chain.replay();
    await chain.locked(() => chain.drain());
    return chain;
  }

  get config(): Cell {
    return this.options.config;
  }

  get lastBlock(): Block {
    return this.blocks.last;
  }

  /** Time of a block that would be made now; never before the last block's. */
  get nowSec(): number {
    return Math.max(this.blocks.last.timeSec, (this.options.nowSec?.() ?? machineSec()) + this.skewSec);
  }

  blockAt(seqno: number): Block | null {
    return this.blocks.at(seqno);
  }

  transactionsIn(seqno: number): readonly TransactionRecord[] {
    return this.byBlock.get(seqno) ?? [];
  }

  /** Oldest first. */
  transactionsOf(account: Address): readonly TransactionRecord[] {
    return this.byAccount.get(account.toRawString()) ?? [];
  }

  /** The transaction that an internal message caused. */
  transactionOfMessage(source: Address, destination: Address, createdLt: bigint): TransactionRecord | null {
    return this.byInMessage.get(messageKey(source, destination, createdLt)) ?? null;
  }

  account(address: Address): ShardAccount {
    const state = this.states.get(address.toRawString());
    return state === undefined ? createEmptyShardAccount(address) : loadShardAccount(Cell.fromBase64(state).beginParse());
  }

  /**
   * Runs an external message at once, in a block of its own, and then everything that follows from it, one hop a block.
   * Returns the message's hash. @throws ExternalRefusedError, LocalChainError bad_message
   */
  sendExternal(message: Cell): Promise<Buffer> {
    return this.locked(async () => {
      destinationOf(message, 'external-in');
      const timeSec = this.nowSec;
      this.commit(timeSec, [accepted(await this.execute(message, timeSec, this.firstLt()))]);
      await this.drain();
      return message.hash();
    });
  }

  /** Coins out of nothing, with all that follows from their arrival. */
  faucet(to: Address, valueNano: bigint): Promise<void> {
    return this.locked(async () => {
      const message = internal({ from: FAUCET, to, value: valueNano, bounce: false, createdLt: this.firstLt(), createdAt: this.nowSec });
      this.queue = [...this.queue, beginCell().store(storeMessage(message)).endCell()];
      await this.drain();
    });
  }

  mine(count: number): Promise<void> {
    return this.locked(async () => {
      for (let i = 0; i < count; i++) await this.makeBlock();
    });
  }

  /** Moves block time forward, from the next block on and for ever after. */
  increaseTime(seconds: number): Promise<void> {
    return this.locked(async () => {
      this.write({ type: 'skew', skewSec: this.skewSec + seconds });
      this.skewSec += seconds;
      await this.makeBlock();
    });
  }

  runGetMethod(address: Address, methodId: number, stack: readonly TupleItem[]): Promise<GetMethodOutcome> {
    return this.machine.runGetMethod(address, this.account(address), methodId, stack, this.nowSec);
  }

  /** What an external message would do now; nothing is kept. @throws ExternalRefusedError, LocalChainError bad_message */
  async simulate(message: Cell, ignoreSignature: boolean): Promise<Transaction> {
    return accepted(await this.execute(message, this.nowSec, this.firstLt(), { ignoreSignature })).transaction;
  }

  /** Ends after the call that is being served; those that wait for their turn fail. */
  async close(): Promise<void> {
    this.isClosed = true;
    await this.turn;
    this.journal.close();
  }

  /** Blocks are made one after the other: each change of state waits for its turn. */
  private locked<T>(work: () => Promise<T>): Promise<T> {
    const result = this.turn.then(() => {
      if (this.isClosed) throw new LocalChainError('closed', 'the local chain is stopping');
      return work();
    });
    this.turn = result.catch(() => undefined);
    return result;
  }

  private async drain(): Promise<void> {
    while (this.queue.length > 0) await this.makeBlock();
  }

  /** A block with one hop of every message that is waiting. */
  private async makeBlock(): Promise<void> {
    const timeSec = this.nowSec;
    const executed: ExecutedTransaction[] = [];
    const changed = new Map<string, string>();
    let lt = this.firstLt();
    for (const message of this.queue) {
      const result = await this.execute(message, timeSec, lt, { changed });
      // Only a message that no chain could deliver: it is dropped, as a chain would drop it.
      if (result.type === 'refused') continue;
      executed.push(result);
      changed.set(result.account.toRawString(), result.state);
      lt = endLt(result.transaction);
    }
    this.commit(timeSec, executed);
  }

  /** `changed` holds states that are newer than the last block's. */
  private execute(
    message: Cell,
    timeSec: number,
    lt: bigint,
    { ignoreSignature, changed }: { ignoreSignature?: boolean; changed?: ReadonlyMap<string, string> } = {},
  ): Promise<Execution> {
    const stateOf = (account: Address) => changed?.get(account.toRawString()) ?? this.states.get(account.toRawString());
    return this.machine.execute({ message, stateOf, timeSec, lt, ignoreSignature });
  }

  private firstLt(): bigint {
    return (this.lastLt / LT_STEP + 1n) * LT_STEP;
  }

  /** The journal first: what this process has answered, the next one knows. */
  private commit(timeSec: number, executed: readonly ExecutedTransaction[]): void {
    const afterSec = timeSec - this.blocks.last.timeSec;
    const rootHash = this.blocks.nextHash(
      timeSec,
      executed.map(({ hash }) => hash),
    );
    if (executed.length === 0) this.write({ type: 'empty', afterSec });
    else {
      const transactions = executed.map(({ account, boc, state }) => ({ account: account.toRawString(), transaction: boc, state }));
      this.write({ type: 'block', afterSec, transactions, rootHash: rootHash.toString('hex') });
    }
    for (const { account, state } of executed) this.states.set(account.toRawString(), state);
    this.record(timeSec, rootHash, executed);
  }

  private write(entry: JournalEntry): void {
    try {
      this.journal.append(entry);
    } catch (error) {
      // Part of a line may be in the file: nothing may follow it.
      this.isClosed = true;
      this.options.onFatal(error);
      throw error;
    }
  }

  private record(timeSec: number, rootHash: Buffer, executed: readonly Omit<ExecutedTransaction, 'state'>[]): void {
    this.blocks.push(timeSec, rootHash);
    const { seqno } = this.blocks.last;
    const records: TransactionRecord[] = [];
    const queue: Cell[] = [];
    for (const { account, transaction, hash, boc } of executed) {
      const record = { account, lt: transaction.lt, hash, seqno, timeSec, boc };
      records.push(record);
      const earlier = this.byAccount.get(account.toRawString());
      if (earlier === undefined) this.byAccount.set(account.toRawString(), [record]);
      else earlier.push(record);
      const incoming = transaction.inMessage?.info;
      if (incoming?.type === 'internal') this.byInMessage.set(messageKey(incoming.src, incoming.dest, incoming.createdLt), record);
      for (const message of transaction.outMessages.values()) {
        if (message.info.type === 'internal') queue.push(beginCell().store(storeMessage(message)).endCell());
      }
      this.lastLt = endLt(transaction);
    }
    if (records.length > 0) this.byBlock.set(seqno, records);
    this.queue = queue;
  }

  private replay(): void {
    let obsoleteBytes = 0;
    for (const entry of this.journal.entries()) {
      if (entry.type === 'skew') {
        this.skewSec = entry.skewSec;
        continue;
      }
      const timeSec = this.blocks.last.timeSec + entry.afterSec;
      const executed =
        entry.type === 'empty'
          ? []
          : entry.transactions.map(({ account, transaction }) => readTransaction(Address.parseRaw(account), transaction));
      const rootHash = this.blocks.nextHash(
        timeSec,
        executed.map(({ hash }) => hash),
      );
      if (entry.type === 'block') {
        if (entry.rootHash !== rootHash.toString('hex')) {
          throw journalError('journal_damaged', this.options.journalPath, `is damaged at block ${this.blocks.last.seqno + 1}`);
        }
        for (const { account, state } of entry.transactions) {
          obsoleteBytes += this.states.get(account)?.length ?? 0;
          if (state !== undefined) this.states.set(account, state);
          else this.states.delete(account);
        }
      }
      this.record(timeSec, rootHash, executed);
    }
    if (obsoleteBytes > (this.options.compactBytes ?? COMPACT_BYTES)) this.compact();
  }

  /** Leaves out of the journal each state that a later transaction has replaced. */
  private compact(): void {
    const latest = new Map([...this.byAccount].map(([account, records]) => [account, records.at(-1)?.boc]));
    this.journal.compact((entry) => {
      if (entry.type !== 'block') return entry;
      const transactions = entry.transactions.map(({ account, transaction, state }) =>
        latest.get(account) === transaction ? { account, transaction, state } : { account, transaction },
      );
      return { ...entry, transactions };
    });
  }
}

function machineSec(): number {
  return Math.floor(Date.now() / 1000);
}

function accepted(execution: Execution): ExecutedTransaction {
  if (execution.type === 'refused') throw new ExternalRefusedError(execution.account, execution.exitCode, execution.reason);
  return execution;
}

/** Each message that a transaction sends takes one logical time of its own after it. */
function endLt(transaction: Transaction): bigint {
  return transaction.lt + BigInt(transaction.outMessagesCount) + 1n;
}

function messageKey(source: Address, destination: Address, createdLt: bigint): string {
  return `${source.toRawString()}>${destination.toRawString()}@${createdLt}`;
}
