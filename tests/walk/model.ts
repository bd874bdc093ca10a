/** The model of all contracts: what one of them does with a message, as a new account and what it sends, or a refusal. */
import { beginCell, type Cell } from '@ton/core';
import { codeOf } from '../../wrappers/contract-code';
import type { Body } from './bodies';
import { clientGas, receiveByClient } from './model-client';
import { proxyMinimum, receiveByProxy } from './model-proxy';
import { receiveByRoot, rootMinimum } from './model-root';
import { receiveByWorker, workerGas } from './model-worker';
import type { PriceList } from './prices';
import type { Account } from './stage';
import { type Arrival, type Effects, refuseUnless } from './transition';

/**
 * Code that takes every message, then fails in its action phase and keeps the coins: what a root becomes when its owner schedules it.
 * NEWC ENDC 0 PUSHINT SENDRAWMSG: an empty cell is no message.
 */
export const BROKEN_CODE: Cell = beginCell().storeBuffer(Buffer.from('c8c970fb00', 'hex')).endCell();
export const LIVE_CODE: Cell = codeOf('RootContract');

/** @throws Refusal */
export function receive(account: Account, arrival: Arrival): { readonly account: Account; readonly effects: Effects } {
  refuseUnless(!account.isBroken, 'broken');
  switch (account.kind) {
    case 'root': {
      const { state, ...effects } = receiveByRoot(account.state, arrival);
      return { account: { ...account, state, isBroken: breaks(account, arrival.body) }, effects };
    }
    case 'proxy': {
      const { state, ...effects } = receiveByProxy(account.state, arrival);
      return { account: { ...account, state }, effects };
    }
    case 'client': {
      const { state, ...effects } = receiveByClient(account.state, arrival);
      return { account: { ...account, state }, effects };
    }
    case 'worker': {
      const { state, ...effects } = receiveByWorker(account.state, arrival);
      return { account: { ...account, state }, effects };
    }
  }
}

/** Whether an accepted message puts BROKEN_CODE in the place of the root's code. */
function breaks(account: Account, body: Body): boolean {
  if (account.kind !== 'root' || body.op !== 'anyRootApply') return false;
  const change = account.state.governance.changes.get(body.kind)?.change;
  return change?.kind === 'code' && change.code.equals(BROKEN_CODE);
}

/** The least value with which a message is not refused for its value; undefined where there is none. */
export function minimumOf(account: Account, body: Body, prices: PriceList): bigint | undefined {
  const ofGas = (gas: bigint | undefined) => (gas === undefined ? undefined : prices.minimum(gas));
  switch (body.op) {
    case 'payment':
    case 'comment':
    case 'unknown':
    case 'bounce':
      return undefined;
    case 'operatorClientCharge':
    case 'operatorClientSettle':
    case 'operatorClientCollect':
    case 'operatorClientRelease':
    case 'ownerClientRequestWithdrawal':
    case 'anyClientCompleteWithdrawal':
    case 'ownerClientOpen':
    case 'ownerClientRotateKey':
      return ofGas(clientGas(body));
    case 'anyWorkerClaim':
    case 'proxyWorkerRequestWithdrawal':
    case 'anyWorkerCompleteWithdrawal':
      return ofGas(workerGas(body));
    case 'operatorProxyFund':
    case 'operatorProxyAnchor':
    case 'ownerProxyConfigure':
    case 'ownerProxyRegister':
    case 'ownerProxyLeave':
    case 'ownerProxyRequestWithdrawal':
    case 'ownerProxyCompleteWithdrawal':
    case 'ownerProxyOrder':
      return account.kind === 'proxy' ? proxyMinimum(account.state, body, prices) : undefined;
    default:
      return account.kind === 'root' ? rootMinimum(account.state, body, prices) : undefined;
  }
}
