/** What a step comes to in the state in which it is taken: who sends what to whom, with how much. */
import { toNano } from '@ton/core';
import type { Action } from './actions';
import type { Body } from './bodies';
import { minimumOf } from './model';
import { planClient } from './plan-client';
import { planProxy } from './plan-proxy';
import { planRoot } from './plan-root';
import { planWorker } from './plan-worker';
import type { PriceList } from './prices';
import { type Plan, pickFrom, type Scene } from './scene';
import { type Account, type Accounts, addressOf, PARTIES } from './stage';
import type { Sending } from './walker';

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
