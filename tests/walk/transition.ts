/** What the model says about one message at one contract, and the rules for coins that all contracts share (R2 to R4, R7). */
import type { Address, Cell, StateInit } from '@ton/core';
import type { ExitCodeName } from '../../wrappers/errors';
import { EVERYTHING } from '../../wrappers/withdrawal';
import type { Body } from './bodies';
import { PAYMENT } from './bodies';
import type { PriceList } from './prices';

/** A message as a contract meets it: rent has been paid. */
export interface Arrival {
  readonly now: number;
  readonly self: Address;
  readonly from: Address;
  readonly body: Body;
  /** What is left of the message's own coins. */
  readonly value: bigint;
  /** What the contract held before. */
  readonly held: bigint;
  readonly prices: PriceList;
}

/** A message that a contract sends. `rest`: on top of `amount` it carries what is left of the coins that came in. */
export interface Outgoing {
  readonly to: Address;
  readonly amount: bigint;
  readonly rest: boolean;
  readonly bounce: boolean;
  readonly body: Body;
  readonly init?: StateInit;
}

/** `kept`: the balance afterwards; null where what is left of the message's coins stays. */
export interface Effects {
  readonly sends: readonly Outgoing[];
  readonly kept: bigint | null;
  /** The body of an external message. */
  readonly emits?: Cell;
  /** Whether the chain may find too little in the message to do even this, and keep it. */
  readonly mayStarve?: boolean;
}

export interface Transition<State> extends Effects {
  readonly state: State;
}

/** Coins that come in and stay. */
export const NOTHING: Effects = { sends: [], kept: null, mayStarve: true };

/** `range`: a number does not fit its field (5). `broken`: the code is not ours any more. */
export type RefusalCode = ExitCodeName | 'range' | 'broken';

export class Refusal extends Error {
  constructor(readonly code: RefusalCode) {
    super(code);
  }
}

export function refuseUnless(condition: boolean, code: RefusalCode): asserts condition {
  if (!condition) throw new Refusal(code);
}

/** After the last field. */
export function endOf(body: Body): void {
  refuseUnless(body.tail !== true, 'malformed');
}

/** What comes without a tag stays, and changes nothing else. A comment may be of any length; one bit is neither it nor a payment. */
export function keepCoins<State>(state: State, body: Body): Transition<State> {
  if (body.op === 'payment') endOf(body);
  return { state, ...NOTHING };
}

export const isBasechain = (address: Address) => address.workChain === 0;

export const atLeastZero = (amount: bigint) => (amount < 0n ? 0n : amount);

export const least = (a: bigint, b: bigint) => (a < b ? a : b);

export function plain(to: Address, amount: bigint, rest: boolean): Outgoing {
  return { to, amount, rest, bounce: false, body: PAYMENT };
}

export function requireValue({ value, prices }: Arrival, gas: bigint): bigint {
  const minimum = prices.minimum(gas);
  refuseUnless(value >= minimum, 'lowValue');
  return minimum;
}

/** Pays out of what was held above the reserve. Little excess goes along with the payment, much goes back to the sender. */
export function payAbove(arrival: Arrival, reserve: bigint, payee: Address, asked: bigint, gas: bigint): Effects & { amount: bigint } {
  const minimum = requireValue(arrival, gas);
  const { held, value, from } = arrival;
  const amount = least(asked, atLeastZero(held - reserve));
  const sends = value < 2n * minimum ? [plain(payee, amount, true)] : [plain(payee, amount, false), plain(from, 0n, true)];
  return { amount, sends, kept: held - amount };
}

/** Pays the payer of a channel; EVERYTHING takes the reserve, too. */
export function payBack(arrival: Arrival, reserve: bigint, payer: Address, asked: bigint, gas: bigint): Effects {
  const paid = payAbove(arrival, asked === EVERYTHING ? 0n : reserve, payer, asked, gas);
  refuseUnless(paid.amount > 0n, 'nothingToPay');
  return { sends: paid.sends, kept: paid.kept };
}

/** A channel as far as its payer's withdrawal goes. */
interface Withdrawable {
  readonly terms: { readonly withdrawDelay: number };
  readonly withdrawal: { readonly amount: bigint; readonly readyAt: bigint } | null;
}

/** The payer announces to take `amount` back; 0 takes an announcement back. */
export function announceWithdrawal<State extends Withdrawable>(
  state: State,
  arrival: Arrival,
  amount: bigint,
  gas: bigint,
): Transition<State> {
  endOf(arrival.body);
  const readyAt = BigInt(arrival.now + state.terms.withdrawDelay);
  const withdrawal = amount === 0n ? null : { amount, readyAt };
  return { state: { ...state, withdrawal }, ...returnExcess(arrival, gas) };
}

/** Pays the payer of a channel what was announced, from its day on. */
export function completeWithdrawal<State extends Withdrawable>(
  state: State,
  arrival: Arrival,
  reserve: bigint,
  payer: Address,
  gas: bigint,
): Transition<State> {
  endOf(arrival.body);
  refuseUnless(state.withdrawal !== null, 'notAnnounced');
  refuseUnless(BigInt(arrival.now) >= state.withdrawal.readyAt, 'tooEarly');
  const paid = payBack(arrival, reserve, payer, state.withdrawal.amount, gas);
  return { state: { ...state, withdrawal: null }, ...paid };
}

/** Of a message that pays nobody: much excess goes back, little stays. */
export function returnExcess(arrival: Arrival, gas: bigint): Effects {
  return returnExcessAbove(arrival, requireValue(arrival, gas), arrival.held);
}

export function returnExcessAbove({ value, from }: Arrival, minimum: bigint, kept: bigint): Effects {
  return value >= 2n * minimum ? { sends: [plain(from, 0n, true)], kept } : { sends: [], kept: null };
}
