/** What a step is planned from, and how one of many is chosen: the same choice always comes to the same. */
import { type Address, toNano } from '@ton/core';
import { EVERYTHING } from '../../wrappers/withdrawal';
import type { Action } from './actions';
import type { Body } from './bodies';
import type { Book } from './book';
import type { Account, Accounts } from './stage';

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
  return asUint64(pickFrom(amounts, choice));
}

/** The nearest amount that fits a message. */
export function asUint64(amount: bigint): bigint {
  return amount < 0n ? 0n : amount > EVERYTHING ? EVERYTHING : amount;
}

export function ofKind<K extends Account['kind']>(accounts: Accounts, kind: K): readonly Extract<Account, { readonly kind: K }>[] {
  const isOfKind = (account: Account): account is Extract<Account, { readonly kind: K }> => account.kind === kind;
  return [...accounts.values()].filter(isOfKind);
}
