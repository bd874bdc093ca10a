/**
 * How each owner leaves with what is theirs, alone: by no other party's message, and, if so asked, with every contract but their own gone
 * from the chain. Rule R5, to the nano.
 */
import { type Address, toNano } from '@ton/core';
import { ClientContract } from '../../wrappers/ClientContract';
import { RootContract } from '../../wrappers/RootContract';
import { WorkerContract } from '../../wrappers/WorkerContract';
import { EVERYTHING } from '../../wrappers/withdrawal';
import type { Body, Signed } from './bodies';
import type { Book, ClientVoucher } from './book';
import { minimumOf } from './model';
import { ofKind } from './scene';
import type { Account, ClientAccount, ProxyAccount, RootAccount, WorkerAccount } from './stage';
import type { Walker } from './walker';

/** What one exit costs besides rent, at the most, in fees and in coins that others keep: without it an exit could give everything away. */
const MOST_FEES = toNano('0.5');
/** An order pays its own way and that of what it orders. */
const ORDERING = toNano('0.3');

/** What somebody holds, and how it is taken home. */
export interface Holding {
  readonly name: string;
  readonly account: Account;
  readonly owner: Address;
  /** NanoTON that the owner has by leaving, less fees. */
  readonly claim: bigint;
  /** The owner's own contracts that the way home leads through. */
  readonly needs: readonly Account[];
  /** A contract of the owner's where the coins may arrive as well. */
  readonly purse: Account | null;
  /** The order in which everybody can leave: those who are owed before those who owe. */
  readonly turn: number;
  readonly leave: (exit: Exit) => Promise<void>;
}

/** All that is anybody's. */
export function holdingsOf({ accounts, chain }: Walker, book: Book): readonly Holding[] {
  const proxies = ofKind(accounts, 'proxy');
  const proxyAt = (address: Address) => proxies.find((proxy) => proxy.address.equals(address));
  const heldIn = (account: Account): readonly (Holding | null)[] => {
    switch (account.kind) {
      case 'worker':
        return [earnings(account, book), remainder(account, proxyAt(account.state.terms.proxy))];
      case 'client':
        return [debt(account, proxyAt(account.state.terms.proxy), book, chain.now), deposit(account)];
      case 'proxy':
        return [stakeAndIncome(account)];
      case 'root':
        return [fees(account)];
    }
  };
  const holdings = [...accounts.values()].flatMap(heldIn);
  return holdings.filter((holding) => holding !== null).filter(({ claim }) => claim > 0n);
}

/** Takes one holding home. @throws Error when less than the claim arrives */
export async function leaveWith(walker: Walker, holding: Holding, isAlone: boolean): Promise<void> {
  const { name, account, owner, claim, needs, purse, leave } = holding;
  if (isAlone) {
    const kept = new Set([account, ...needs].map(({ address }) => address.toRawString()));
    for (const other of [...walker.accounts.values()]) if (!kept.has(other.address.toRawString())) walker.destroy(other);
  }
  const isOwn = ({ address }: Account) => address.equals(account.address) || purse?.address.equals(address) === true;
  const before = { received: walker.receivedBy(owner), fees: walker.fees, rent: walker.rent, accounts: new Map(walker.accounts) };
  const exit = new Exit(walker, owner);
  await leave(exit);
  walker.requireBalance();
  let gained = walker.receivedBy(owner) - before.received - exit.spent;
  let elsewhere = 0n;
  for (const [key, { balance, ...other }] of walker.accounts) {
    const gain = balance - (before.accounts.get(key)?.balance ?? 0n);
    if (purse?.address.equals(other.address) === true) gained += gain;
    else if (!isOwn({ balance, ...other })) elsewhere += gain;
  }
  const fees = walker.fees - before.fees;
  if (gained + fees + elsewhere < claim) throw new Error(`${name}: its owner leaves with ${gained} of ${claim}, fees ${fees}`);
  const cost = fees - (walker.rent - before.rent) + elsewhere;
  if (cost > MOST_FEES) throw new Error(`${name}: leaving costs ${cost}, limit ${MOST_FEES}`);
}

/** One owner's messages. */
class Exit {
  /** What the owner's wallet sent. */
  spent = 0n;

  constructor(
    private readonly walker: Walker,
    private readonly owner: Address,
  ) {}

  /** Sends and waits for everything that follows. A contract without code is given what it is made of; rent may just have frozen it. */
  async send({ address }: Account, body: Body, coins?: bigint): Promise<void> {
    const account = this.now(address);
    const value = coins ?? 2n * (minimumOf(account, body, this.walker.chain.network.prices) ?? 0n);
    const init = account.status === 'active' ? undefined : { code: account.init.code, data: account.lastData ?? account.init.data };
    this.spent += value;
    this.walker.post({ from: this.owner, to: address, body, value, bounce: true, init });
    await this.walker.drain();
    if (account.status === 'active' && this.now(address).status !== 'active') await this.send(account, body, coins);
  }

  /** Lets a proxy order something of a channel, which is brought to life if need be. */
  async order(proxy: Account, channel: Account, order: Body): Promise<void> {
    if (this.now(channel.address).status !== 'active') await this.send(channel, { op: 'payment' }, ORDERING);
    await this.send(proxy, { op: 'ownerProxyOrder', to: channel.address, order }, ORDERING);
    if (this.now(channel.address).status !== 'active') await this.order(proxy, channel, order);
  }

  wait(seconds: number): void {
    this.walker.chain.now += seconds;
  }

  /** @throws Error when the contract keeps anything */
  mustBeEmpty({ address, name }: Account): void {
    const { balance } = this.now(address);
    if (balance !== 0n) throw new Error(`${name} keeps ${balance} after a whole exit`);
  }

  private now(address: Address): Account {
    const account = this.walker.at(address);
    if (account === undefined) throw new Error('leaving a contract that is not there');
    return account;
  }
}

/** What a worker has vouchers for, as far as its channel is funded. */
function earnings(account: WorkerAccount, book: Book): Holding | null {
  const { address, name, state, balance } = account;
  const voucher = highestOf(book.workerVouchers(address));
  if (voucher === undefined) return null;
  const claim = least(voucher.statement.total - state.paid, WorkerContract.deposit(balance));
  const leave = (exit: Exit) => exit.send(account, { op: 'anyWorkerClaim', voucher });
  return { name: `earnings in ${name}`, account, owner: state.terms.owner, claim, needs: [], purse: null, turn: 0, leave };
}

/** What a proxy's owner has put into a worker's channel. */
function remainder(account: WorkerAccount, proxy: ProxyAccount | undefined): Holding | null {
  if (proxy === undefined) return null;
  const { name, balance } = account;
  const leave = async (exit: Exit) => {
    await exit.order(proxy, account, { op: 'proxyWorkerRequestWithdrawal', amount: EVERYTHING });
    exit.wait(account.state.terms.withdrawDelay);
    await exit.send(account, { op: 'anyWorkerCompleteWithdrawal' });
    exit.mustBeEmpty(account);
  };
  const { owner } = proxy.state.terms;
  return { name: `remainder in ${name}`, account, owner, claim: balance, needs: [proxy], purse: proxy, turn: 2, leave };
}

/** What a channel owes its proxy by its newest voucher, as far as its deposit goes. */
function debt(account: ClientAccount, proxy: ProxyAccount | undefined, book: Book, now: number): Holding | null {
  const { state, balance, address, name } = account;
  if (proxy === undefined || state.sessionKey === 0n) return null;
  const oldKey = state.oldKey !== null && now <= state.oldKey.until ? state.oldKey.key : null;
  const isGood = ({ signer, statement }: ClientVoucher) =>
    statement.total > state.charged && (signer.publicKey === state.sessionKey || signer.publicKey === oldKey);
  const voucher = highestOf(book.channel(address).vouchers.filter(isGood));
  const owed = (voucher?.statement.total ?? state.charged) - state.paid;
  const order: Body =
    voucher === undefined
      ? { op: 'operatorClientCollect' }
      : { op: 'operatorClientCharge', voucher, byOldKey: voucher.signer.publicKey !== state.sessionKey };
  const claim = least(owed, ClientContract.deposit(balance));
  const leave = (exit: Exit) => exit.order(proxy, account, order);
  return { name: `debt of ${name}`, account, owner: proxy.state.terms.owner, claim, needs: [proxy], purse: proxy, turn: 1, leave };
}

function deposit(account: ClientAccount): Holding {
  const { name, balance, state } = account;
  const { owner, withdrawDelay } = state.terms;
  const leave = async (exit: Exit) => {
    await exit.send(account, { op: 'ownerClientRequestWithdrawal', amount: EVERYTHING });
    exit.wait(withdrawDelay);
    await exit.send(account, { op: 'anyClientCompleteWithdrawal' });
    exit.mustBeEmpty(account);
  };
  return { name: `deposit in ${name}`, account, owner, claim: balance, needs: [], purse: null, turn: 4, leave };
}

function stakeAndIncome(account: ProxyAccount): Holding {
  const { name, balance, state } = account;
  const { owner, withdrawDelay } = state.terms;
  const leave = async (exit: Exit) => {
    if (state.isListed) await exit.send(account, { op: 'ownerProxyLeave' });
    await exit.send(account, { op: 'ownerProxyRequestWithdrawal', income: EVERYTHING, stake: EVERYTHING });
    exit.wait(withdrawDelay);
    await exit.send(account, { op: 'ownerProxyCompleteWithdrawal' });
    exit.mustBeEmpty(account);
  };
  return { name: `stake and income of ${name}`, account, owner, claim: balance, needs: [], purse: null, turn: 3, leave };
}

function fees(account: RootAccount): Holding {
  const { name, state, balance, isBroken } = account;
  const leave = (exit: Exit) => exit.send(account, { op: 'ownerRootCollectFees' });
  const claim = isBroken || balance <= RootContract.RESERVE ? 0n : balance - RootContract.RESERVE;
  return { name: `fees in ${name}`, account, owner: state.governance.owner, claim, needs: [], purse: null, turn: 5, leave };
}

function highestOf<V extends Signed<{ readonly total: bigint }>>(vouchers: readonly V[]): V | undefined {
  return [...vouchers].sort((a, b) => (a.statement.total < b.statement.total ? 1 : -1))[0];
}

const least = (a: bigint, b: bigint) => (a < b ? a : b);
