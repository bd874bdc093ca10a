/** What a step comes to in the state in which it is taken: who sends what to whom, with how much. */
import { type Address, toNano } from '@ton/core';
import type { Action } from './actions';
import type { Body } from './bodies';
import type { Book } from './book';
import { minimumOf } from './model';
import { planClient } from './plan-client';
import { planProxy } from './plan-proxy';
import { planRoot } from './plan-root';
import { planWorker } from './plan-worker';
import type { PriceList } from './prices';
import { type Account, type Accounts, addressOf, PARTIES } from './stage';
import type { Sending } from './walker';

/** What a plan is made from. What it signs, it adds to the book. */
export interface Scene {
  readonly accounts: Accounts;
  readonly book: Book;
  readonly now: number;
  readonly action: Action;
}

/** A message before somebody spoils it: from who may send it, with `coins` where plenty is more than gas. */
export interface Plan {
  readonly from: Address;
  readonly to: Account;
  readonly body: Body;
  readonly coins?: bigint;
}

/** Covers twice the minimum of every message at every price. */
const PLENTY = toNano('0.3');
const HUGE = toNano('10000');

/** The message of a step; null when there is none. */
export function messageOf(scene: Scene, prices: PriceList): Sending | null {
  const plan = planOf(scene);
  if (plan === null) return null;
  const { action } = scene;
  const { to } = plan;
  const body: Body = action.tail ? { ...plan.body, tail: true } : plan.body;
  const from = action.actor === 0 ? plan.from : addressOf(pickFrom(PARTIES, action.actor));
  const value = valueOfChoice(action, plan, minimumOf(to, body, prices) ?? 0n);
  return { from, to: to.address, body, value, bounce: action.bounce, init: withState(to, action.pick) };
}

/** Times at which something begins to be possible, or ends, in order. */
export function dueTimes(accounts: Accounts, now: number): readonly number[] {
  const times: bigint[] = [];
  for (const account of accounts.values()) {
    switch (account.kind) {
      case 'root':
        for (const { readyAt, lapsesAt } of account.state.governance.changes.values()) times.push(readyAt, lapsesAt);
        break;
      case 'proxy': {
        const { withdrawal, terms } = account.state;
        if (withdrawal !== null) times.push(withdrawal.readyAt, withdrawal.readyAt + BigInt(terms.withdrawDelay));
        break;
      }
      case 'client':
        times.push(account.state.withdrawal?.readyAt ?? 0n, BigInt(account.state.oldKey?.until ?? 0));
        break;
      case 'worker':
        times.push(account.state.withdrawal?.readyAt ?? 0n);
        break;
    }
  }
  return [...new Set(times.map(Number))].filter((time) => time > now).sort((a, b) => a - b);
}

function planOf(scene: Scene): Plan | null {
  return planClient(scene) ?? planWorker(scene) ?? planProxy(scene) ?? planRoot(scene);
}

function valueOfChoice({ value }: Action, { coins = PLENTY }: Plan, minimum: bigint): bigint {
  switch (value) {
    case 'plenty':
      return coins;
    case 'minimum':
      return minimum;
    case 'oneBelow':
      return minimum > 0n ? minimum - 1n : 0n;
    case 'double':
      return 2n * minimum;
    case 'oneBelowDouble':
      return minimum > 0n ? 2n * minimum - 1n : 0n;
    case 'huge':
      return HUGE;
    case 'one':
      return 1n;
    case 'nothing':
      return 0n;
  }
}

/** Mostly, what an account without code needs to have some comes along. */
function withState({ status, init, lastData }: Account, pick: number): Sending['init'] {
  if (status === 'active' || pick % 6 === 5) return undefined;
  return status === 'frozen' ? { code: init.code, data: lastData } : init;
}

/** One of a list, by any number. */
export function pickFrom<T>(list: readonly T[], choice: number): T {
  const picked = list[choice % list.length];
  if (picked === undefined) throw new Error('nothing to choose from');
  return picked;
}

/** One of a list, mostly of the likely ones. */
export function mostlyFrom<T>(list: readonly T[], choice: number, isLikely: (item: T) => boolean): T {
  const likely = list.filter(isLikely);
  return pickFrom(choice % 5 !== 0 && likely.length > 0 ? likely : list, Math.floor(choice / 5));
}

/** `usual`, or an amount near it, or an extreme one. */
export function amountFrom(usual: bigint, choice: number): bigint {
  const amounts = [usual, usual / 2n, toNano('1'), usual, toNano('0.05'), usual + 1n, usual - 1n, 0n, 1n, EVERYTHING, usual, 1n << 63n];
  const amount = pickFrom(amounts, choice);
  return amount < 0n ? 0n : amount > EVERYTHING ? EVERYTHING : amount;
}

const EVERYTHING = (1n << 64n) - 1n;

export function ofKind<K extends Account['kind']>(accounts: Accounts, kind: K): readonly Extract<Account, { readonly kind: K }>[] {
  const isOfKind = (account: Account): account is Extract<Account, { readonly kind: K }> => account.kind === kind;
  return [...accounts.values()].filter(isOfKind);
}
