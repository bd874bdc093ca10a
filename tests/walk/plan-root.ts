/** Steps at the root, messages from those who only pretend, and messages to contracts that do not know them. */
import { toNano } from '@ton/core';
import { type Change, type ChangeKind, MODEL_KIND } from '../../wrappers/RootContract';
import type { Body } from './bodies';
import { BROKEN_CODE, LIVE_CODE } from './model';
import { amountFrom, mostlyFrom, ofKind, type Plan, pickFrom, type Scene } from './scene';
import { addressOf, FEE, GOVERNANCE, type RootAccount, STAKE, TIMELOCK } from './stage';

const DAY = 86_400;
const KINDS: readonly ChangeKind[] = ['params', 'owner', 'guardian', 'timelock', 'code'];

export function planRoot(scene: Scene): Plan | null {
  const { accounts, action, now } = scene;
  const { contract, form, amount } = action;
  const root = pickFrom(ofKind(accounts, 'root'), 0);
  const { governance, images, models } = root.state;
  const byOwner = (body: Body): Plan => ({ from: governance.owner, to: root, body });
  const byEither = (body: Body): Plan => ({ from: form % 3 === 0 ? governance.owner : governance.guardian, to: root, body });
  const hash = BigInt(amount % 4);
  const note = BigInt(form);
  switch (action.intent) {
    case 'addImage':
      return byOwner({ op: 'ownerRootAddImage', hash, roles: form % 8 === 7 ? amount % 8 : 1 + (form % 3), note });
    case 'addModel':
      return byOwner({ op: 'ownerRootAddModel', hash, kind: pickFrom(Object.values(MODEL_KIND), form), note });
    case 'removeImage':
      return byEither({ op: 'guardianRootRemoveImage', hash: present(images, contract, hash) });
    case 'removeModel':
      return byEither({ op: 'guardianRootRemoveModel', hash: present(models, contract, hash) });
    case 'collectFees':
      return byOwner({ op: 'ownerRootCollectFees' });
    case 'topUpRoot':
      return { from: addressOf('stranger'), to: root, body: { op: 'payment' }, coins: toNano('1') };
    case 'schedule':
      return byOwner({ op: 'ownerRootSchedule', change: changeOf(scene, root) });
    case 'cancel':
      return byEither({ op: 'guardianRootCancel', kind: mostlyFrom(KINDS, contract, (kind) => governance.changes.has(kind)) });
    case 'apply': {
      if (governance.changes.size === 0) return byOwner({ op: 'ownerRootSchedule', change: changeOf(scene, root) });
      const isDue = (kind: ChangeKind) => {
        const scheduled = governance.changes.get(kind);
        return scheduled !== undefined && scheduled.readyAt <= BigInt(now) && BigInt(now) <= scheduled.lapsesAt;
      };
      const kind = mostlyFrom(KINDS, contract, isDue);
      const change = governance.changes.get(kind)?.change;
      const from = change?.kind === 'owner' && form % 4 !== 3 ? change.owner : addressOf('relayer');
      return { from, to: root, body: { op: 'anyRootApply', kind } };
    }
    case 'pretend':
      return pretend(scene, root);
    case 'misdirect':
      return misdirect(scene);
    default:
      return null;
  }
}

function present(list: ReadonlyMap<bigint, unknown>, choice: number, other: bigint): bigint {
  return list.size === 0 || choice % 5 === 0 ? other : pickFrom([...list.keys()], choice);
}

function changeOf({ action }: Scene, { address }: RootAccount): Change {
  const { form, amount, contract } = action;
  const kind = pickFrom(KINDS, contract);
  const isUnsound = form % 10 === 9;
  switch (kind) {
    case 'params': {
      const minProxyStake = amountFrom(STAKE, amount);
      const registrationFee = amountFrom(FEE, amount + 3) / 2n;
      const sizes = { maxImages: isUnsound ? 1_025 : 2 + (form % 3), maxModels: 2, maxProxies: form % 4 };
      return { kind, params: { minProxyStake, registrationFee, minProxyDelay: GOVERNANCE.params.minProxyDelay, ...sizes } };
    }
    case 'owner':
      return { kind, owner: isUnsound ? address : addressOf(amount % 2 === 0 ? 'heir' : 'rootOwner') };
    case 'guardian':
      return { kind, guardian: isUnsound ? address : addressOf(amount % 2 === 0 ? 'guardian' : 'relayer') };
    case 'timelock':
      return {
        kind,
        timelock: isUnsound ? pickFrom([0, 366 * DAY + 1, 0xffffffff], amount) : pickFrom([TIMELOCK, 1, 3_600, 366 * DAY], amount),
      };
    case 'code':
      // Now and then the owner breaks its own root.
      return { kind, code: amount % 6 === 5 ? BROKEN_CODE : LIVE_CODE };
  }
}

/** What only a ProxyContract may say, from a wallet. */
function pretend({ accounts, action }: Scene, root: RootAccount): Plan {
  const proxy = pickFrom(ofKind(accounts, 'proxy'), action.contract);
  const { owner, withdrawDelay, index } = proxy.state.terms;
  const register: Body = { op: 'proxyRootRegister', stake: amountFrom(STAKE, action.amount), owner, withdrawDelay, index };
  return { from: owner, to: root, body: action.form % 2 === 0 ? register : { op: 'proxyRootLeave', owner }, coins: toNano('2') };
}

/** Another contract's message, or nobody's, from somebody who may say much here. */
function misdirect({ accounts, action }: Scene): Plan {
  const { contract, form, amount } = action;
  const all = [...accounts.values()];
  const to = mostlyFrom(all, contract, ({ status }) => status === 'active');
  const strangers: readonly Body[] = [
    { op: 'unknown', contract: to.kind },
    { op: 'unknown', contract: pickFrom(['root', 'proxy', 'client', 'worker'], amount) },
    { op: 'operatorClientCollect' },
    { op: 'operatorClientRelease', amount: 1n },
    { op: 'proxyWorkerRequestWithdrawal', amount: 1n },
    { op: 'anyWorkerCompleteWithdrawal' },
    { op: 'ownerProxyLeave' },
    { op: 'ownerRootCollectFees' },
    { op: 'anyRootApply', kind: 'owner' },
  ];
  return { from: ownerOf(to), to, body: pickFrom(strangers, form) };
}

function ownerOf(account: Plan['to']): Plan['from'] {
  switch (account.kind) {
    case 'root':
      return account.state.governance.owner;
    case 'worker':
      return account.state.terms.proxy;
    default:
      return account.state.terms.owner;
  }
}
