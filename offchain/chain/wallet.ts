import { readFileSync, rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Address,
  beginCell,
  Cell,
  external,
  internal,
  type Sender,
  SendMode,
  type StateInit,
  storeMessage,
  type Transaction,
} from '@ton/core';
import { WalletContractV5R1 } from '@ton/ton';
import { z } from 'zod';
import type { Signer } from '../core/crypto';
import { ConfigError } from '../core/errors';
import { formatTon } from '../core/money';
import { writeFileAtomic } from '../runtime/state-folder';
import { systemErrorCode } from '../runtime/system-error';
import type { ChainAccount, ChainClient } from './chain-client';
import { ChainError } from './chain-error';

export interface OutgoingMessage {
  readonly to: Address;
  /** NanoTON. */
  readonly value: bigint;
  readonly body?: Cell;
  readonly init?: StateInit;
  readonly bounce: boolean;
}

export interface WalletOptions {
  readonly client: ChainClient;
  readonly signer: Signer;
  /** Global id of the network; a W5 wallet's address depends on it. */
  readonly networkId: number;
  /** Where the message in flight is kept, so that a restart finishes it before it sends anything else. */
  readonly stateFile: string;
  /** Seconds of block time within which a message must be in a block. */
  readonly validForSec?: number;
  /** Between two looks at the chain. */
  readonly pollMs?: number;
  wait?(ms: number): Promise<unknown>;
}

const VALID_FOR_SEC = 60;
const POLL_MS = 500;
/** Actions in one message. Source: W5 specification, c5 register. */
const MAX_MESSAGES = 255;
/** Left for the wallet's own fees beside the values that it sends: several times what they are at today's prices. */
const FEE_RESERVE = 5_000_000n;
const FEE_RESERVE_PER_MESSAGE = 1_000_000n;
/** A shard's blocks can be this much behind the masterchain's clock, by which accounts are read. */
const CLOCK_MARGIN_SEC = 10;

const inFlightSchema = z.strictObject({
  seqno: z.int().nonnegative(),
  validUntilSec: z.int().nonnegative(),
  /** Logical time of the wallet's last transaction before this message. */
  afterLt: z.string().regex(/^\d+$/),
  bodyHash: z.string().regex(/^[0-9a-f]{64}$/),
  message: z.base64(),
});
type InFlight = z.infer<typeof inFlightSchema>;

type Outcome =
  | { readonly type: 'ran'; readonly transaction: Transaction }
  | { readonly type: 'overtaken' }
  | { readonly type: 'expired'; readonly exitCode: number | undefined };

/**
 * A standard W5 wallet that never sends twice.
 *
 * One message is in flight at a time, others wait their turn. It is on disk before it leaves, with a sequence number and an end of
 * validity, and is settled when the number has moved or the chain's own time has passed the end: until then the same bytes are
 * handed in again, never others. So neither a lost reply nor a restart can make a payment happen twice.
 * One process uses a wallet's key at a time.
 */
export class SendingWallet {
  readonly address: Address;
  private readonly contract: WalletContractV5R1;
  private readonly options: WalletOptions;
  private queue: Promise<unknown> = Promise.resolve();

  private constructor(options: WalletOptions) {
    this.options = options;
    this.contract = walletContract(options.signer.publicKey, options.networkId);
    this.address = this.contract.address;
  }

  /**
   * Opens the wallet and settles what an earlier process left in flight: read the chain after this, not before, to decide what to send.
   * @throws ChainError, ConfigError wallet_state_malformed
   */
  static async open(options: WalletOptions): Promise<SendingWallet> {
    const wallet = new SendingWallet(options);
    const inFlight = readInFlight(options.stateFile);
    if (inFlight !== null) await wallet.settle(inFlight);
    return wallet;
  }

  /** NanoTON. @throws ChainError */
  async balance(): Promise<bigint> {
    return (await this.options.client.getAccount(this.address)).balance;
  }

  /**
   * Sends 1 to 255 messages in one transaction of the wallet, and returns that transaction once it is in a block. What the receivers
   * did with the messages is theirs to tell. Once the message has left, this waits for as long as the chain cannot be read.
   *
   * @throws ChainError wallet_underfunded (nothing was sent), wallet_expired (nothing was sent and nothing will be: try again),
   * wallet_overtaken (another user of this key took the number; nothing was sent), wallet_incomplete (some messages were left out)
   */
  send(messages: readonly OutgoingMessage[]): Promise<Transaction> {
    if (messages.length < 1 || messages.length > MAX_MESSAGES) throw new RangeError(`${messages.length} messages, limit ${MAX_MESSAGES}`);
    const turn = this.queue.then(() => this.sendNow(messages));
    this.queue = turn.catch(() => undefined);
    return turn;
  }

  /** As send, for messages that wrappers write: `wallet.sendVia((via) => channel.sendTopUp(via, value))`; all go out in one transaction. */
  async sendVia(write: (via: Sender) => Promise<unknown>): Promise<Transaction> {
    const messages: OutgoingMessage[] = [];
    await write({
      address: this.address,
      send: async ({ to, value, body, init, bounce, sendMode }) => {
        if (sendMode !== undefined && sendMode !== null && sendMode !== SendMode.PAY_GAS_SEPARATELY)
          throw new RangeError(`send mode ${sendMode}, only ${SendMode.PAY_GAS_SEPARATELY}`);
        messages.push({ to, value, bounce: bounce ?? true, ...(body ? { body } : {}), ...(init ? { init } : {}) });
      },
    });
    return this.send(messages);
  }

  private async sendNow(messages: readonly OutgoingMessage[]): Promise<Transaction> {
    const account = await this.options.client.getAccount(this.address);
    const wallet = this.address.toRawString();
    const needed = messages.reduce((sum, { value }) => sum + value + FEE_RESERVE_PER_MESSAGE, FEE_RESERVE);
    if (account.balance < needed) {
      const text = `wallet ${wallet} holds ${formatTon(account.balance)} TON, needs ${formatTon(needed)}`;
      throw new ChainError('wallet_underfunded', text, { wallet, balance: account.balance, needed });
    }
    const inFlight = await this.sign(account, messages);
    writeFileAtomic(this.options.stateFile, JSON.stringify(inFlight));
    const transaction = this.transactionOf(await this.settle(inFlight), inFlight.seqno);
    if (transaction.outMessagesCount < messages.length) {
      const text = `${transaction.outMessagesCount} of ${messages.length} messages were sent`;
      throw new ChainError('wallet_incomplete', text, { wallet, lt: transaction.lt });
    }
    return transaction;
  }

  private transactionOf(outcome: Outcome, seqno: number): Transaction {
    const wallet = this.address.toRawString();
    switch (outcome.type) {
      case 'ran':
        return outcome.transaction;
      case 'overtaken':
        throw new ChainError('wallet_overtaken', `another user of the key of wallet ${wallet} took number ${seqno}`, { wallet, seqno });
      case 'expired': {
        const why = outcome.exitCode === undefined ? '' : `, refused with exit code ${outcome.exitCode}`;
        const text = `message ${seqno} of wallet ${wallet} came into no block in time${why}`;
        throw new ChainError('wallet_expired', text, { wallet, seqno, exitCode: outcome.exitCode });
      }
    }
  }

  private async sign(account: ChainAccount, messages: readonly OutgoingMessage[]): Promise<InFlight> {
    const seqno = seqnoOf(account);
    // By the chain's clock, which is what the wallet's code compares with.
    const validUntilSec = account.atSec + (this.options.validForSec ?? VALID_FOR_SEC);
    const body = await this.contract.createTransfer({
      seqno,
      timeout: validUntilSec,
      sendMode: SendMode.PAY_GAS_SEPARATELY + SendMode.IGNORE_ERRORS,
      messages: messages.map(({ to, value, bounce, body, init }) => internal({ to, value, bounce, body, init })),
      signer: async (message) => Buffer.from(await this.options.signer.sign(message.hash())),
    });
    const message = external({ to: this.address, init: account.state === 'active' ? null : this.contract.init, body });
    return {
      seqno,
      validUntilSec,
      afterLt: account.lastLt.toString(),
      bodyHash: body.hash().toString('hex'),
      message: beginCell().store(storeMessage(message)).endCell().toBoc().toString('base64'),
    };
  }

  /** Hands the message in until it has run (or another one in its place has), or can never run any more. */
  private async settle(inFlight: InFlight): Promise<Outcome> {
    const { client } = this.options;
    let exitCode: number | undefined;
    for (;;) {
      try {
        await client.sendExternal(Cell.fromBase64(inFlight.message));
      } catch (error) {
        // The endpoint can refuse it because it has run already, or while it is behind: the account tells, this answer does not.
        if (!(error instanceof ChainError)) throw error;
        exitCode = typeof error.data.exitCode === 'number' ? error.data.exitCode : exitCode;
      }
      const account = await this.read(() => client.getAccount(this.address));
      const outcome = await this.outcomeOf(inFlight, account, exitCode);
      if (outcome !== null) {
        rmSync(this.options.stateFile, { force: true });
        return outcome;
      }
      await this.pause();
    }
  }

  private async outcomeOf(inFlight: InFlight, account: ChainAccount, exitCode: number | undefined): Promise<Outcome | null> {
    if (seqnoOf(account) > inFlight.seqno) {
      const transactions = await this.read(() => this.options.client.transactionsOf(this.address, BigInt(inFlight.afterLt)));
      const own = transactions.find((transaction) => transaction.inMessage?.body.hash().toString('hex') === inFlight.bodyHash);
      return own === undefined ? { type: 'overtaken' } : { type: 'ran', transaction: own };
    }
    return account.atSec > inFlight.validUntilSec + CLOCK_MARGIN_SEC ? { type: 'expired', exitCode } : null;
  }

  /** While a message is in flight nothing may go on without knowing what became of it: a chain that cannot be read is waited for. */
  private async read<T>(look: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await look();
      } catch (error) {
        if (!(error instanceof ChainError)) throw error;
      }
      await this.pause();
    }
  }

  private async pause(): Promise<void> {
    await (this.options.wait ?? delay)(this.options.pollMs ?? POLL_MS);
  }
}

/** The W5 wallet contract of a public key on a network. */
export function walletContract(publicKey: Uint8Array, networkId: number): WalletContractV5R1 {
  return WalletContractV5R1.create({ workchain: 0, publicKey: Buffer.from(publicKey), walletId: { networkGlobalId: networkId } });
}

/** is_signature_allowed:Bool seqno:uint32. Source: W5 specification, contract state. A wallet that is not deployed is at number 0. */
function seqnoOf(account: ChainAccount): number {
  return account.data === null ? 0 : account.data.beginParse().skip(1).loadUint(32);
}

function readInFlight(path: string): InFlight | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if (systemErrorCode(cause) === 'ENOENT') return null;
    throw new ConfigError('wallet_state_malformed', `${path} cannot be read`, { path }, { cause });
  }
  try {
    return inFlightSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new ConfigError('wallet_state_malformed', `${path} is not a wallet's message in flight`, { path }, { cause });
  }
}
