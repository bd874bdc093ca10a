/** Steps at proxies. */
import { Address, toNano } from '@ton/core';
import { ProxyContract } from '../../wrappers/ProxyContract';
import { WorkerContract } from '../../wrappers/WorkerContract';
import { EVERYTHING } from '../../wrappers/withdrawal';
import type { Body } from './bodies';
import { WEAK_KEYS } from './keys';
import { amountFrom, asUint64, mostlyFrom, ofKind, type Plan, pickFrom, type Scene } from './scene';
import { addressOf, type ClientAccount, FEE, type ProxyAccount, payerKeysOf, STAKE } from './stage';

const ENDPOINT = { url: 'https://proxy.example:10001', keyPin: null } as const;
/** Registering, with the root's gas, at the dearest prices. */
const REGISTERING = toNano('0.2');

export function planProxy(scene: Scene): Plan | null {
  const { accounts, action, now } = scene;
  const { contract, form, amount } = action;
  const proxies = ofKind(accounts, 'proxy');
  const pick = (isLikely: (proxy: ProxyAccount) => boolean) => mostlyFrom(proxies, contract, isLikely);
  const isActive = ({ status }: ProxyAccount) => status === 'active';
  const byOwner = (proxy: ProxyAccount, body: Body, coins?: bigint): Plan => ({ from: proxy.state.terms.owner, to: proxy, body, coins });
  const byOperator = (proxy: ProxyAccount, body: Body): Plan => ({ from: proxy.state.operator ?? addressOf('stranger'), to: proxy, body });
  switch (action.intent) {
    case 'fund': {
      const proxy = pick(({ state }) => state.operator !== null);
      const free = ProxyContract.freeIncome(proxy.balance, proxy.state.stake);
      const worker = addressOf(amount % 2 === 0 ? 'worker1' : 'worker2');
      const workerOwner = form % 12 === 11 ? new Address(-1, worker.hash) : worker;
      return byOperator(proxy, { op: 'operatorProxyFund', workerOwner, amount: amountFrom(free / 3n, amount) });
    }
    case 'configure': {
      const proxy = pick(() => true);
      const name = nameOf(proxy);
      const operator = addressOf(form % 6 === 5 ? 'relayer' : name === 'A' || name === 'C' ? 'operatorA' : 'operatorB');
      const payerKey = form % 12 === 11 ? pickFrom(WEAK_KEYS, amount) : pickFrom(payerKeysOf(name), form % 4 === 3 ? 1 : 0).publicKey;
      const isForeign = form % 12 === 10;
      const body: Body = {
        op: 'ownerProxyConfigure',
        operator: isForeign ? new Address(-1, operator.hash) : operator,
        payerKey,
        endpoint: ENDPOINT,
      };
      return byOwner(proxy, body);
    }
    case 'register':
      return registerOf(
        scene,
        pick(({ state }) => !state.isListed),
      );
    case 'leave':
      return byOwner(
        pick(({ state }) => state.isListed),
        { op: 'ownerProxyLeave' },
      );
    case 'topUpProxy':
      return byOwner(
        pick(() => true),
        { op: form % 2 === 0 ? 'payment' : 'comment' },
        toNano('5'),
      );
    case 'requestFromProxy':
      return announce(scene, pick(isActive));
    case 'completeFromProxy': {
      const isAnnounced = ({ state }: ProxyAccount) => state.withdrawal !== null;
      if (!proxies.some(isAnnounced)) return announce(scene, pick(isActive));
      const proxy = pick((candidate) => isAnnounced(candidate) && (candidate.state.withdrawal?.readyAt ?? 0n) <= BigInt(now));
      return byOwner(proxy, { op: 'ownerProxyCompleteWithdrawal' });
    }
    case 'order': {
      const proxy = pick(isActive);
      return byOwner(proxy, orderOf(scene, proxy));
    }
    case 'anchor':
      return byOperator(
        pick(({ state }) => state.operator !== null),
        { op: 'operatorProxyAnchor', root: BigInt(amount) },
      );
    default:
      return null;
  }
}

function announce({ action }: Scene, proxy: ProxyAccount): Plan {
  const { form, amount } = action;
  const free = ProxyContract.freeIncome(proxy.balance, proxy.state.stake);
  const stake = proxy.state.isListed && form % 4 !== 3 ? 0n : amountFrom(EVERYTHING, amount);
  const income = amountFrom(form % 2 === 0 ? free / 2n : EVERYTHING, amount);
  return { from: proxy.state.terms.owner, to: proxy, body: { op: 'ownerProxyRequestWithdrawal', income, stake } };
}

const nameOf = ({ name }: ProxyAccount) => name.slice('Proxy '.length);

function registerOf({ action, accounts }: Scene, proxy: ProxyAccount): Plan {
  const { form, amount } = action;
  const { state } = proxy;
  const fee = ofKind(accounts, 'root')[0]?.state.governance.params.registrationFee ?? FEE;
  const enough = state.stake > STAKE ? state.stake : STAKE;
  const stake = form % 5 === 4 ? amountFrom(enough, amount) : asUint64(enough + toNano(String(amount % 4)));
  const forward = form % 7 === 6 ? amountFrom(fee, amount) : asUint64(fee + REGISTERING);
  const missing = stake + ProxyContract.RESERVE - proxy.balance;
  const coins = forward + REGISTERING + (missing > 0n && missing < toNano('1000') ? missing : 0n);
  return { from: state.terms.owner, to: proxy, body: { op: 'ownerProxyRegister', stake, forward }, coins };
}

/** The owner in its operator's place, and what it must not order. */
function orderOf({ accounts, action, book }: Scene, proxy: ProxyAccount): Body {
  const { form, amount } = action;
  const channels = ofKind(accounts, 'client').filter(({ state }) => state.terms.proxy.equals(proxy.address));
  const channel = mostlyFrom(channels, action.contract, ({ status }) => status === 'active');
  const voucher = book.channel(channel.address).vouchers.at(-1);
  const to = channel.address;
  const charge: Body =
    voucher === undefined ? COLLECT : { op: 'operatorClientCharge', voucher, byOldKey: isOld(channel, voucher.signer.publicKey) };
  const order = (ordered: Body, receiver = to): Body => ({ op: 'ownerProxyOrder', to: receiver, order: ordered });
  switch (form % 12) {
    case 1:
      return order(COLLECT);
    case 2:
      return order({ op: 'operatorClientRelease', amount: amountFrom(toNano('0.5'), amount) });
    case 3:
      return order({ op: 'ownerClientRequestWithdrawal', amount: 1n });
    case 4:
      return order({ op: 'proxyRootLeave', owner: proxy.state.terms.owner }, proxy.state.terms.root);
    case 5:
      return order({ op: 'operatorProxyFund', workerOwner: addressOf('worker1'), amount: 1n }, proxy.address);
    case 6:
      return order(charge, addressOf('stranger'));
    case 7:
      return order(charge, new Address(-1, to.hash));
    case 8: {
      const workers = ofKind(accounts, 'worker');
      const worker = mostlyFrom(workers, amount, ({ status }) => status === 'active');
      return order({ op: 'proxyWorkerRequestWithdrawal', amount: WorkerContract.deposit(worker.balance) }, worker.address);
    }
    case 9:
      return order({ op: 'payment' });
    default:
      return order(charge);
  }
}

const COLLECT: Body = { op: 'operatorClientCollect' };

const isOld = ({ state }: ClientAccount, key: bigint) => key !== state.sessionKey && key === state.oldKey?.key;
