/** Steps at the channels of workers. */
import { toNano } from '@ton/core';
import type { WorkerVoucher } from '../../wrappers/statements';
import { WorkerContract } from '../../wrappers/WorkerContract';
import type { Body, Signed } from './bodies';
import { Book } from './book';
import { type Signer, signerOf } from './keys';
import { amountFrom, asUint64, mostlyFrom, ofKind, type Plan, pickFrom, type Scene } from './scene';
import { type ProxyAccount, payerKeysOf, type WorkerAccount } from './stage';

export function planWorker(scene: Scene): Plan | null {
  const { accounts, action, now } = scene;
  const channels = ofKind(accounts, 'worker');
  const pick = (isLikely: (channel: WorkerAccount) => boolean) => mostlyFrom(channels, action.contract, isLikely);
  switch (action.intent) {
    case 'claim': {
      const channel = pick(({ status, balance }) => status === 'active' && balance > WorkerContract.RESERVE);
      const body: Body = { op: 'anyWorkerClaim', voucher: voucherOf(scene, channel) };
      return { from: channel.state.terms.owner, to: channel, body };
    }
    case 'topUpWorker': {
      const channel = pick(({ status }) => status === 'active');
      return { from: channel.state.terms.owner, to: channel, body: { op: 'payment' }, coins: toNano('1') };
    }
    case 'requestFromWorker':
      return announce(scene, pick(isFunded));
    case 'completeFromWorker': {
      const isAnnounced = ({ state }: WorkerAccount) => state.withdrawal !== null;
      if (!channels.some(isAnnounced)) return announce(scene, pick(isFunded));
      const channel = pick((candidate) => isAnnounced(candidate) && (candidate.state.withdrawal?.readyAt ?? 0n) <= BigInt(now));
      return { from: channel.state.terms.owner, to: channel, body: { op: 'anyWorkerCompleteWithdrawal' } };
    }
    default:
      return null;
  }
}

const isFunded = ({ status, balance }: WorkerAccount) => status === 'active' && balance > 0n;

/** Through the proxy, whose owner alone may order it. */
function announce({ accounts, action }: Scene, channel: WorkerAccount): Plan {
  const order: Body = { op: 'proxyWorkerRequestWithdrawal', amount: amountFrom(WorkerContract.deposit(channel.balance), action.amount) };
  const proxy = proxyOf(channel, ofKind(accounts, 'proxy'));
  const from = proxy.state.terms.owner;
  if (action.form % 8 === 7) return { from, to: channel, body: order };
  return { from, to: proxy, body: { op: 'ownerProxyOrder', to: channel.address, order } };
}

function proxyOf({ state }: WorkerAccount, proxies: readonly ProxyAccount[]): ProxyAccount {
  const proxy = proxies.find(({ address }) => address.equals(state.terms.proxy));
  if (proxy === undefined) throw new Error('a channel of no proxy');
  return proxy;
}

/** The key that the channel's address names. */
function payerOf({ name, state }: WorkerAccount): Signer {
  const payer = payerKeysOf(name.charAt('Worker '.length)).find(({ publicKey }) => publicKey === state.terms.payerKey);
  if (payer === undefined) throw new Error('a channel of no payer');
  return payer;
}

function voucherOf({ accounts, action, book }: Scene, channel: WorkerAccount): Signed<WorkerVoucher> {
  const { form, amount } = action;
  const { address, state } = channel;
  const old = book.workerVouchers(address);
  const highest = old.reduce((most, { statement }) => (statement.total > most ? statement.total : most), state.paid);
  switch (form % 8) {
    case 1:
    case 2:
      if (old.length > 0) return pickFrom(old, form % 8 === 1 ? old.length - 1 : amount);
      break;
    case 3: {
      const others = ofKind(accounts, 'worker').filter((other) => other !== channel);
      const vouchers = others.flatMap((other) => book.workerVouchers(other.address));
      if (vouchers.length > 0) return pickFrom(vouchers, amount);
      break;
    }
    case 4:
      return new Book().signForWorker(address, signerOf('stranger'), asUint64(state.paid + 1n), 1n);
    case 5:
      if (old.length > 0) {
        const voucher = pickFrom(old, amount);
        return { ...voucher, statement: { ...voucher.statement, total: voucher.statement.total ^ 1n }, signer: signerOf('nobody') };
      }
      break;
    default:
  }
  const total = amountFrom(highest + toNano('0.3'), amount);
  return book.signForWorker(address, payerOf(channel), total, amountFrom(BigInt(old.length) * 100n, amount + 1));
}
