/**
 * Who may lose what: rules R1 to R3 and R5 over the coins that really moved, without the model. A claim shrinks only by coins paid to
 * its owner and by rent, and a deposit also by what its own keys have signed.
 */
import { type Address, Dictionary } from '@ton/core';
import { ClientContract } from '../../wrappers/ClientContract';
import { EXIT_CODE } from '../../wrappers/errors';
import { ProxyContract } from '../../wrappers/ProxyContract';
import { RootContract } from '../../wrappers/RootContract';
import { WorkerContract } from '../../wrappers/WorkerContract';
import { EVERYTHING, type Withdrawal } from '../../wrappers/withdrawal';
import { known } from '../world';
import type { Book } from './book';
import { coinsOf } from './observed';
import type { Accounts, ClientAccount, ProxyAccount, RootAccount, WorkerAccount } from './stage';
import { textOf } from './text';
import type { Delivery, Witness } from './walker';

/** Watches every delivery. `accounts` names the contracts that there are, `book` what was signed. */
export function claimsOf(accounts: Accounts, book: Book): Witness {
  return (delivery) => {
    const { before, after, observed } = delivery;
    watchValue(delivery);
    // It was empty for decades, so nobody loses coins; what it knew is gone with it.
    if (observed.isOverdue) return;
    if (before.kind === 'client' && after.kind === 'client') watchClient(delivery, before, after, book);
    if (before.kind === 'worker' && after.kind === 'worker') watchWorker(delivery, before, after, book);
    if (before.kind === 'proxy' && after.kind === 'proxy') watchProxy(delivery, before, after, accounts);
    if (before.kind === 'root' && after.kind === 'root') watchRoot(delivery, before, after);
  };
}

/** What a contract sends on has coins enough; how many a registration has, its owner says. */
function watchValue({ letter, observed, before }: Delivery): void {
  const isTheirs = letter.isFromWallet || before.status !== 'active' || ['payment', 'bounce', 'proxyRootRegister'].includes(letter.body.op);
  const { verdict } = observed;
  const isShort = verdict.type === 'starved' || (verdict.type === 'refused' && verdict.exitCode === EXIT_CODE.lowValue);
  must('a minimum value covers every hop', isTheirs || !isShort);
}

function watchClient(delivery: Delivery, before: ClientAccount, after: ClientAccount, book: Book): void {
  const { terms, charged, paid } = before.state;
  const { from } = delivery.letter;
  const toProxy = sentTo(delivery, terms.proxy);
  const toOwner = sentTo(delivery, terms.owner);
  const settled = after.state.paid - paid;
  const isByPayee = from.equals(terms.operator) || from.equals(terms.proxy);
  must('coins go to the proxy, the owner or the sender', onlyTo(delivery, [terms.proxy, terms.owner, from]));
  must('counters never fall', after.state.charged >= charged && settled >= 0n && after.state.paid <= after.state.charged);
  must('only the payee charges', isByPayee || (after.state.charged === charged && settled === 0n));
  must('what was paid has reached the proxy', toProxy >= settled);
  const channel = book.channel(before.address);
  must('nothing is charged that was not signed', after.state.charged <= channel.ceiling());
  must('an honest client owes no request twice', isWild(before) || after.state.charged <= channel.answered());
  const fall = fallOf(delivery);
  if (settled > 0n) must('a charge leaves the reserve', after.balance >= ClientContract.RESERVE);
  if (fall > settled) {
    must('a deposit leaves to its owner', settled === 0n && toOwner >= fall);
    must('a deposit leaves when it may', isByPayee || isDue(before.state.withdrawal, fall, delivery.now));
  }
}

const isWild = ({ name }: ClientAccount) => name.includes('wild');

function watchWorker(delivery: Delivery, before: WorkerAccount, after: WorkerAccount, book: Book): void {
  const { terms, paid, withdrawal } = before.state;
  const toOwner = sentTo(delivery, terms.owner);
  const claimed = after.state.paid - paid;
  const signed = book.workerVouchers(before.address).map(({ statement }) => statement.total);
  must('coins go to the worker, the proxy or the sender', onlyTo(delivery, [terms.owner, terms.proxy, delivery.letter.from]));
  must('the counter never falls', claimed >= 0n);
  must('what was paid has reached the worker', toOwner >= claimed);
  must('no more is paid than was signed', claimed === 0n || signed.some((total) => total >= after.state.paid));
  const fall = fallOf(delivery);
  if (claimed > 0n) must('a claim leaves the reserve', after.balance >= WorkerContract.RESERVE);
  if (fall > claimed) {
    must('what is left returns to the proxy', claimed === 0n && sentTo(delivery, terms.proxy) >= fall);
    must('the proxy leaves after its delay', isDue(withdrawal, fall, delivery.now));
  }
}

function watchProxy(delivery: Delivery, before: ProxyAccount, after: ProxyAccount, accounts: Accounts): void {
  const { terms, withdrawal, operator, isListed } = before.state;
  const { from } = delivery.letter;
  const fall = fallOf(delivery);
  const { stake } = after.state;
  if (stake > before.state.stake) must('a stake is held', after.balance >= stake + ProxyContract.RESERVE);
  if (stake < before.state.stake)
    must('a stake leaves unlisted, to its owner', !isListed && sentTo(delivery, terms.owner) >= fall && fall > 0n);
  if (fall <= 0n) return;
  const isWhole = stake === 0n && withdrawal?.income === EVERYTHING;
  const toWorkers = [...accounts.values()]
    .filter((account) => account.kind === 'worker' && account.state.terms.proxy.equals(before.address))
    .reduce((sum, { address }) => sum + sentTo(delivery, address), 0n);
  if (operator?.equals(from) === true && toWorkers > 0n) {
    must('an operator funds workers from free income', toWorkers >= fall && after.balance >= stake + ProxyContract.RESERVE);
    return;
  }
  must('a proxy pays its owner', from.equals(terms.owner) && sentTo(delivery, terms.owner) >= fall);
  const asked = withdrawal === null ? null : { amount: withdrawal.income + withdrawal.stake, readyAt: withdrawal.readyAt };
  must('a proxy pays after its delay', isDue(asked, fall, delivery.now));
  must('before the announcement lapses', BigInt(delivery.now) <= known(asked ?? undefined).readyAt + BigInt(terms.withdrawDelay));
  must('what is bound stays', isWhole || after.balance >= stake + ProxyContract.RESERVE);
}

function watchRoot(delivery: Delivery, before: RootAccount, after: RootAccount): void {
  const { owner, changes } = before.state.governance;
  const fall = fallOf(delivery);
  if (fall > 0n) {
    must('fees go to the owner', delivery.letter.from.equals(owner) && sentTo(delivery, owner) >= fall);
    must('the reserve stays', after.balance >= RootContract.RESERVE);
  }
  const { changes: _before, ...rules } = before.state.governance;
  const { changes: _after, ...newRules } = after.state.governance;
  if (textOf(rules) !== textOf(newRules)) {
    const now = BigInt(delivery.now);
    const isDueNow = [...changes.values()].some(({ readyAt, lapsesAt }) => readyAt <= now && now <= lapsesAt);
    must('rules change only by a schedule that is due', isDueNow);
  }
  if (after.lastData !== null && after.lastData !== before.lastData) requireRanking(after);
}

/** The registry by stake holds what the registry by address holds. */
function requireRanking({ lastData, state }: RootAccount): void {
  const [registry] = known(lastData ?? undefined).refs;
  const slice = known(registry).beginParse();
  slice.loadMaybeRef();
  const ranking = slice.loadDict(Dictionary.Keys.Buffer(40), { serialize: () => undefined, parse: () => true });
  const expected = [...state.proxies].map(([key, { stake }]) => stake.toString(16).padStart(16, '0') + key.toString(16).padStart(64, '0'));
  const found = ranking.keys().map((key) => key.toString('hex'));
  must('the ranking is that of the registry', textOf(found.sort()) === textOf(expected.sort()));
}

/** How much the contract holds less than before, rent apart. */
function fallOf({ before, after, observed }: Delivery): bigint {
  return before.balance - observed.rent - after.balance;
}

function sentTo({ observed }: Delivery, to: Address): bigint {
  return observed.internals.reduce((sum, message) => sum + (message.info.dest?.toString() === to.toString() ? coinsOf(message) : 0n), 0n);
}

function onlyTo({ observed }: Delivery, allowed: readonly Address[]): boolean {
  return observed.internals.every(({ info }) => info.type === 'internal' && allowed.some((address) => address.equals(info.dest)));
}

function isDue(withdrawal: Withdrawal | null, amount: bigint, now: number): boolean {
  return withdrawal !== null && amount <= withdrawal.amount && BigInt(now) >= withdrawal.readyAt;
}

function must(rule: string, holds: boolean): void {
  if (!holds) throw new Error(`broken: ${rule}`);
}
