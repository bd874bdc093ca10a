/**
 * One chain and the model of it, a message at a time: what the model says must happen is what happens, to the nano.
 *
 * It trusts the chain for gas, carriage and rent, which it reads off each transaction, and for nothing else.
 */
import { type Address, fromNano, type Message, type StateInit } from '@ton/core';
import { internal } from '@ton/sandbox';
import { ClientContract } from '../../wrappers/ClientContract';
import { EXIT_CODE, exitCodeName } from '../../wrappers/errors';
import { ProxyContract } from '../../wrappers/ProxyContract';
import { RootContract } from '../../wrappers/RootContract';
import { WorkerContract } from '../../wrappers/WorkerContract';
import { type Body, encode } from './bodies';
import type { AccountView, Chain } from './chain';
import { receive } from './model';
import { coinsOf, type Observed, observe, type Verdict } from './observed';
import { type Account, type Accounts, addressOf, asMade, PARTIES } from './stage';
import { textOf } from './text';
import { type Arrival, type Effects, NOTHING, Refusal, type RefusalCode } from './transition';

/** A message on its way. */
export interface Letter {
  /** Whether a party sent it, and not a contract. */
  readonly isFromWallet: boolean;
  readonly from: Address;
  readonly to: Address;
  readonly body: Body;
  readonly message: Message;
}

/** A message from a party's wallet, or from nowhere. */
export interface Sending {
  readonly from: Address;
  readonly to: Address;
  readonly body: Body;
  readonly value: bigint;
  readonly bounce: boolean;
  readonly init?: StateInit;
}

/** One message at one contract, as it happened. */
export interface Delivery {
  readonly letter: Letter;
  readonly now: number;
  readonly before: Account;
  readonly after: Account;
  readonly observed: Observed;
  readonly isAccepted: boolean;
}

/** What is told of every delivery. @throws Error when a rule is broken */
export type Witness = (delivery: Delivery) => void;

export class Walker {
  /** Coins that came from wallets, that went to them, that the chain has taken, and that a destroyed contract held. */
  injected = 0n;
  paidOut = new Map<string, bigint>();
  fees = 0n;
  /** Part of the fees. */
  rent = 0n;
  lost = 0n;

  private constructor(
    readonly chain: Chain,
    readonly accounts: Accounts,
    public letters: readonly Letter[],
    readonly witnesses: readonly Witness[],
    readonly story: string[],
  ) {}

  static start(chain: Chain, accounts: Accounts, witnesses: readonly Witness[]): Walker {
    return new Walker(chain, accounts, [], witnesses, []);
  }

  /** The same world once more: what happens there does not happen here. */
  fork(witnesses: readonly Witness[]): Walker {
    const fork = new Walker(this.chain.fork(), new Map(this.accounts), this.letters, witnesses, [...this.story]);
    fork.injected = this.injected;
    fork.paidOut = new Map(this.paidOut);
    fork.fees = this.fees;
    fork.rent = this.rent;
    fork.lost = this.lost;
    return fork;
  }

  at(address: Address): Account | undefined {
    return this.accounts.get(address.toRawString());
  }

  receivedBy(address: Address): bigint {
    return this.paidOut.get(address.toRawString()) ?? 0n;
  }

  /** Puts a message on its way. */
  post({ from, to, body, value, bounce, init }: Sending): void {
    const message = internal({ from, to, value, bounce, body: encode(body), stateInit: init });
    this.injected += value;
    this.letters = [...this.letters, { isFromWallet: true, from, to, body, message }];
  }

  /** Delivers one of the messages that may come next: between a pair, the first that was sent. */
  async deliver(pick: number): Promise<void> {
    const pairs = new Set<string>();
    const heads = this.letters.filter(({ from, to }) => {
      const pair = `${from.toRawString()} ${to.toRawString()}`;
      const isHead = !pairs.has(pair);
      pairs.add(pair);
      return isHead;
    });
    const letter = heads[pick % heads.length];
    if (letter === undefined) return;
    this.letters = this.letters.filter((other) => other !== letter);
    const account = this.at(letter.to);
    if (account === undefined) {
      this.paidOut.set(letter.to.toRawString(), this.receivedBy(letter.to) + coinsOf(letter.message));
    } else {
      await this.receive(letter, account);
    }
  }

  async drain(pick = 0): Promise<void> {
    while (this.letters.length > 0) await this.deliver(pick);
  }

  /** Takes a contract off the chain, coins and all. */
  destroy(account: Account): void {
    this.chain.destroy(account.address);
    this.lost += account.balance;
    this.accounts.set(account.address.toRawString(), { ...account, status: 'uninit', balance: 0n, lastData: null });
  }

  /** Coins in = coins out + held + on their way + fees. @throws Error when some are missing or too many */
  requireBalance(): void {
    const sum = (values: Iterable<bigint>) => [...values].reduce((a, b) => a + b, 0n);
    const held = sum([...this.accounts.values()].map(({ balance }) => balance));
    const onTheWay = sum(this.letters.map(({ message }) => coinsOf(message)));
    const accounted = sum(this.paidOut.values()) + held + onTheWay + this.fees + this.lost;
    if (accounted !== this.injected) throw new Error(`${this.injected} came in, ${accounted} can be found`);
  }

  private async receive(letter: Letter, before: Account): Promise<void> {
    const { transaction, account: view } = await this.chain.deliver(before.address, letter.message);
    const observed = observe(transaction);
    const line = this.describe(letter, observed);
    this.story.push(line);
    try {
      const { account, isAccepted } = this.follow(letter, before, view, observed);
      this.accounts.set(account.address.toRawString(), account);
      const delivery = { letter, now: this.chain.now, before, after: account, observed, isAccepted };
      for (const witness of this.witnesses) witness(delivery);
    } catch (error) {
      if (error instanceof Error) error.message = `${line}: ${error.message}`;
      throw error;
    }
  }

  /** Lets the model do the same, and compares. */
  private follow(letter: Letter, before: Account, view: AccountView, observed: Observed): { account: Account; isAccepted: boolean } {
    const coins = coinsOf(letter.message);
    const bounces = letter.message.info.type === 'internal' && letter.message.info.bounce;
    const balance = before.balance + coins - observed.rent - observed.due;
    const value = bounces ? coins - observed.due : leastOf(coins - observed.due, balance);
    const { now, network } = this.chain;
    const arrival = {
      now,
      self: before.address,
      from: letter.from,
      body: letter.body,
      value,
      held: balance - value,
      prices: network.prices,
    };
    const mayGo = before.status === 'uninit' || observed.isFreezing || (observed.isOverdue && MAY_BE_OVERDUE.includes(before.kind));
    expect('destroyed', observed.isDestroyed && !mayGo, false);

    const predicted = observed.isFreezing || observed.isOverdue ? ABSENT : predict(before, letter, arrival);
    const isAccepted = agree(predicted, observed, arrival, before);
    const effects = isAccepted && 'effects' in predicted ? predicted.effects : NOTHING;
    const sends = isAccepted ? this.sent(letter, effects, observed) : this.bounced(letter, observed);
    const exact = effects.sends.reduce((sum, { amount, rest }) => sum + (rest ? 0n : amount), 0n);
    const left = balance - observed.gasFees - observed.forwardFees - exact;
    const expected = observed.isBounced ? balance - value : isAccepted ? (effects.kept ?? left) : left;
    expect('balance', view.balance, expected);
    const sentCoins = sends.reduce((sum, { message }) => sum + coinsOf(message), 0n);
    expect('coins after', view.balance + sentCoins + observed.allFees, before.balance + coins);
    this.fees += observed.allFees;
    this.rent += observed.rent + observed.due;
    this.letters = [...this.letters, ...sends];

    const account = isAccepted && 'account' in predicted ? predicted.account : before;
    return { account: checked(account, before, view, isAccepted, observed), isAccepted };
  }

  private sent(letter: Letter, { sends, emits }: Effects, observed: Observed): readonly Letter[] {
    expect('messages', observed.internals.length, sends.length);
    expect('external messages', observed.externals.map(({ body }) => textOf(body)).join(), emits === undefined ? '' : textOf(emits));
    return sends.map((send, i) => {
      const message = observed.internals[i];
      if (message?.info.type !== 'internal') throw new Error('a message is missing');
      const { info } = message;
      expect('receiver', nameOf(info.dest, this.accounts), nameOf(send.to, this.accounts));
      expect('bounce flag', info.bounce, send.bounce);
      expect('body', textOf(message.body), textOf(encode(send.body)));
      expect('state', message.init?.data?.hash().toString('hex'), send.init?.data?.hash().toString('hex'));
      if (send.rest ? info.value.coins < send.amount : info.value.coins !== send.amount) {
        throw new Error(`pays ${info.value.coins}, not ${send.rest ? 'at least ' : ''}${send.amount}`);
      }
      return { isFromWallet: false, from: letter.to, to: send.to, body: send.body, message };
    });
  }

  private describe({ from, to, body, message }: Letter, { verdict }: Observed): string {
    const coins = `${fromNano(coinsOf(message))} TON${message.info.type === 'internal' && !message.info.bounce ? ', no bounce' : ''}`;
    return `${nameOf(from, this.accounts)} > ${nameOf(to, this.accounts)}: ${summaryOf(body)} (${coins}) ${endOf(verdict)}`;
  }

  private bounced(letter: Letter, observed: Observed): readonly Letter[] {
    expect('messages', observed.internals.length, observed.isBounced ? 1 : 0);
    expect('external messages', observed.externals.length, 0);
    return observed.internals.map((message) => {
      expect('receiver', message.info.type === 'internal' && message.info.dest.equals(letter.from), true);
      return { isFromWallet: false, from: letter.to, to: letter.from, body: { op: 'bounce' }, message };
    });
  }
}

type Prediction = { readonly account: Account; readonly effects: Effects } | { readonly code: RefusalCode } | { readonly absent: true };

/** At dear prices they owe a TON within the times of a walk, decades after their last coin; a channel, whose vouchers would count anew, never does. */
const MAY_BE_OVERDUE: readonly Account['kind'][] = ['root', 'proxy'];

/** No code that could run. Rent freezes a contract for the whole of one message, even if that brings its state. */
const ABSENT: Prediction = { absent: true };

function predict(before: Account, { message }: Letter, arrival: Arrival): Prediction {
  const isRevived = before.status === 'active' || isStateOf(before, message.init ?? undefined);
  if (!isRevived) return ABSENT;
  try {
    return receive(before, arrival);
  } catch (error) {
    if (error instanceof Refusal) return { code: error.code };
    throw error;
  }
}

/** Whether a message brings the state that an account without one was made of. */
function isStateOf({ status, init: fresh, lastData }: Account, init: StateInit | undefined): boolean {
  const data = status === 'frozen' ? lastData : fresh.data;
  return init?.data != null && data != null && init.data.equals(data);
}

/** More gas than any message can use: with less, a refusal may come for want of gas before it comes for its reason. */
const AMPLE_GAS = { root: 110_000n, proxy: 60_000n, client: 60_000n, worker: 20_000n } as const;
/** What a message without a minimum value can use: a payment, a channel's opening, a bounce at a proxy. */
const PLAIN_GAS = 8_000n;

/** Whether the message was accepted. @throws Error when model and chain differ */
function agree(predicted: Prediction, { verdict }: Observed, { value, prices }: Arrival, { kind }: Account): boolean {
  if ('absent' in predicted) {
    if (verdict.type !== 'absent' && verdict.type !== 'starved') throw new Error('runs where there is no code');
    return false;
  }
  if ('code' in predicted) {
    if (verdict.type === 'starved' && value < prices.minimum(AMPLE_GAS[kind])) return false;
    if (predicted.code === 'broken' && verdict.type === 'action failed') return false;
    if (verdict.type !== 'refused' || verdict.exitCode !== exitCodeOf(predicted.code))
      throw new Error(`the model refuses (${predicted.code})`);
    return false;
  }
  if (verdict.type === 'accepted') return true;
  const { mayStarve } = predicted.effects;
  const isShort = verdict.type === 'starved' || verdict.type === 'action failed';
  if (mayStarve === true && isShort && value < prices.minimum(PLAIN_GAS)) return false;
  throw new Error('the model accepts');
}

function exitCodeOf(code: RefusalCode): number | undefined {
  if (code === 'range') return OUT_OF_RANGE;
  return code === 'broken' ? undefined : EXIT_CODE[code];
}

/** The virtual machine's own. */
const OUT_OF_RANGE = 5;

/** The account as the chain has it now, which is as the model has it. */
function checked(
  account: Account,
  before: Account,
  { balance, state }: AccountView,
  isAccepted: boolean,
  { isFreezing, isOverdue }: Observed,
): Account {
  if (state.type === 'frozen') return { ...before, balance, status: 'frozen' };
  if (state.type === 'uninit' && isOverdue) return asMade(before);
  if (state.type === 'uninit') {
    // The chain forgets a contract that is as it was made: what it was made of brings it back.
    if (isFreezing) expect('data', textOf(before.lastData), textOf(before.init.data));
    else expect('status', before.status, 'uninit');
    return { ...before, balance, status: 'uninit', lastData: null };
  }
  const data = state.state.data;
  if (data == null) throw new Error('an account without data');
  if (!isAccepted && before.lastData !== null) {
    expect('data', data.hash().toString('hex'), before.lastData.hash().toString('hex'));
  } else {
    expect('state', textOf(stateOf(account, data)), textOf(account.state));
  }
  return { ...account, balance, status: 'active', lastData: data };
}

function stateOf({ kind }: Account, data: Parameters<typeof ClientContract.parseState>[0]): unknown {
  switch (kind) {
    case 'root':
      return RootContract.parseState(data);
    case 'proxy':
      return ProxyContract.parseState(data);
    case 'client':
      return ClientContract.parseState(data);
    case 'worker':
      return WorkerContract.parseState(data);
  }
}

function expect<T>(what: string, found: T, expected: T): void {
  if (found !== expected) throw new Error(`${what} is ${found}, not ${expected}`);
}

const leastOf = (a: bigint, b: bigint) => (a < b ? a : b);

const PARTY_NAMES = new Map(PARTIES.map((party): [string, string] => [addressOf(party).toRawString(), party]));

export function nameOf(address: Address, accounts: Accounts): string {
  const raw = address.toRawString();
  return accounts.get(raw)?.name ?? PARTY_NAMES.get(raw) ?? raw;
}

function endOf(verdict: Verdict): string {
  switch (verdict.type) {
    case 'refused':
      return `refused (${exitCodeName(verdict.exitCode) ?? verdict.exitCode})`;
    case 'action failed':
      return `failed in the action phase (${verdict.resultCode})`;
    case 'absent':
      return `absent (${verdict.reason})`;
    default:
      return verdict.type;
  }
}

/** The message with its small fields. */
function summaryOf(body: Body): string {
  switch (body.op) {
    case 'operatorClientCharge':
    case 'anyWorkerClaim':
      return `${body.op} ${body.voucher.statement.total} by ${body.voucher.signer.name}`;
    case 'operatorClientSettle':
      return `${body.op} ${body.receipts.map(({ settled, cost }) => `${settled.order.number} for ${cost}`).join(', ')}`;
    case 'ownerProxyOrder':
      return `${body.op} ${summaryOf(body.order)}`;
    default: {
      const fields = Object.entries(body).filter(([, field]) => typeof field === 'bigint' || typeof field === 'number');
      return [body.op, ...fields.map(([name, field]) => `${name} ${field}`)].join(' ');
    }
  }
}
