/** What a ProxyContract does with a message, by contracts/schema.tlb and docs/audit.md. */
import { type Address, beginCell } from '@ton/core';
import { nodeHash } from '../../wrappers/anchors';
import { GAS } from '../../wrappers/minimum-value';
import { ProxyContract, type ProxyState } from '../../wrappers/ProxyContract';
import { WorkerContract } from '../../wrappers/WorkerContract';
import { EVERYTHING } from '../../wrappers/withdrawal';
import { sizeOf } from '../cells';
import { constantsOf } from '../sources';
import { known } from '../world';
import { type Body, encode, type ProxyBody } from './bodies';
import { WEAK_KEYS } from './keys';
import type { PriceList } from './prices';
import {
  type Arrival,
  atLeastZero,
  endOf,
  isBasechain,
  keepCoins,
  least,
  plain,
  refuseUnless,
  requireValue,
  returnExcess,
  returnExcessAbove,
  type Transition,
} from './transition';

/** What a worker's channel is deployed with, at most: payment for carriage of its code and data. Source: contracts/gas.tact. */
const SIZES = constantsOf('gas.tact');
const WORKER_INIT = { cells: known(SIZES.get('WorkerInitCells')), bits: known(SIZES.get('WorkerInitBits')) };

type Of<Name extends Body['op']> = Extract<Body, { readonly op: Name }>;

export function receiveByProxy(state: ProxyState, arrival: Arrival): Transition<ProxyState> {
  const { body, from } = arrival;
  switch (body.op) {
    case 'payment':
    case 'comment':
      return keepCoins(state, body);
    case 'bounce':
      return { state, sends: [plain(state.terms.owner, 0n, true)], kept: arrival.held, mayStarve: true };
    case 'operatorProxyFund':
      return fund(state, arrival, body);
    case 'operatorProxyAnchor':
      return anchor(state, arrival, body);
    default:
  }
  refuseUnless(from.equals(state.terms.owner), 'notAllowed');
  switch (body.op) {
    case 'ownerProxyConfigure': {
      endOf(body);
      refuseUnless(isBasechain(body.operator), 'badAddress');
      refuseUnless(!WEAK_KEYS.includes(body.payerKey), 'badKey');
      const { operator, payerKey, endpoint } = body;
      return { state: { ...state, operator, payerKey, endpoint }, ...returnExcess(arrival, GAS.proxyConfigure) };
    }
    case 'ownerProxyRegister':
      return register(state, arrival, body);
    case 'ownerProxyLeave': {
      endOf(body);
      refuseUnless(arrival.value >= leaveMinimum(arrival.prices), 'lowValue');
      const leave: Body = { op: 'proxyRootLeave', owner: state.terms.owner };
      const sends = [{ to: state.terms.root, amount: 0n, rest: true, bounce: true, body: leave }];
      return { state: { ...state, isListed: false }, sends, kept: arrival.held };
    }
    case 'ownerProxyRequestWithdrawal': {
      endOf(body);
      const { income, stake } = body;
      refuseUnless(stake === 0n || !state.isListed, 'stillListed');
      const readyAt = BigInt(arrival.now + state.terms.withdrawDelay);
      const withdrawal = income + stake === 0n ? null : { income, stake, readyAt };
      return { state: { ...state, withdrawal }, ...returnExcess(arrival, GAS.proxyRequest) };
    }
    case 'ownerProxyCompleteWithdrawal':
      return complete(state, arrival);
    case 'ownerProxyOrder':
      return order(state, arrival, body);
    default:
      refuseUnless(false, 'unknownMessage');
  }
}

function fund(state: ProxyState, arrival: Arrival, body: Of<'operatorProxyFund'>): Transition<ProxyState> {
  const { from, held, value, prices, self } = arrival;
  const { workerOwner, amount } = body;
  requireOperator(state, from);
  endOf(body);
  refuseUnless(isBasechain(workerOwner), 'badAddress');
  refuseUnless(amount > 0n, 'nothingToPay');
  refuseUnless(amount <= atLeastZero(held - state.stake - ProxyContract.RESERVE), 'notEnough');
  const minimum = fundMinimum(prices);
  refuseUnless(value >= minimum, 'lowValue');
  const { payerKey, terms } = state;
  const worker = WorkerContract.create({ owner: workerOwner, payerKey, withdrawDelay: terms.withdrawDelay, proxy: self });
  const payment = { ...plain(worker.address, amount, false), init: worker.init };
  const excess = returnExcessAbove(arrival, minimum, held - amount);
  return { state, sends: [payment, ...excess.sends], kept: excess.kept };
}

function anchor(state: ProxyState, arrival: Arrival, body: Of<'operatorProxyAnchor'>): Transition<ProxyState> {
  requireOperator(state, arrival.from);
  endOf(body);
  const emits = beginCell().storeUint(state.anchors, 64).storeUint(body.root, 256).endCell();
  const { peaks, height } = withAnchor(state.peaks, body.root);
  const excess = returnExcess(arrival, GAS.proxyAnchor + BigInt(height) * GAS.proxyAnchorMerge);
  return { state: { ...state, anchors: state.anchors + 1n, peaks }, ...excess, emits };
}

/** The range with one root more, and how many trees that merged. */
function withAnchor(
  before: ReadonlyMap<number, bigint>,
  root: bigint,
): { readonly peaks: ReadonlyMap<number, bigint>; readonly height: number } {
  const peaks = new Map(before);
  let height = 0;
  let peak = root;
  for (let sibling = peaks.get(0); sibling !== undefined; sibling = peaks.get(height)) {
    peaks.delete(height);
    peak = nodeHash(sibling, peak);
    height += 1;
  }
  peaks.set(height, peak);
  return { peaks: new Map([...peaks].sort(([a], [b]) => a - b)), height };
}

function register(state: ProxyState, arrival: Arrival, body: Of<'ownerProxyRegister'>): Transition<ProxyState> {
  const { stake, forward } = body;
  const { held, value, prices } = arrival;
  const { terms } = state;
  endOf(body);
  refuseUnless(stake >= state.stake, 'stakeFalls');
  const spent = forward + registerMinimum(prices);
  refuseUnless(value >= spent, 'lowValue');
  refuseUnless(held + value - spent >= stake + ProxyContract.RESERVE, 'notEnough');
  const request: Body = { op: 'proxyRootRegister', stake, owner: terms.owner, withdrawDelay: terms.withdrawDelay, index: terms.index };
  const sends = [{ to: terms.root, amount: forward, rest: false, bounce: true, body: request }];
  return { state: { ...state, stake, isListed: true, withdrawal: null }, sends, kept: null };
}

function complete(state: ProxyState, arrival: Arrival): Transition<ProxyState> {
  const { withdrawal, terms } = state;
  endOf(arrival.body);
  refuseUnless(withdrawal !== null, 'notAnnounced');
  const now = BigInt(arrival.now);
  refuseUnless(now >= withdrawal.readyAt, 'tooEarly');
  refuseUnless(now <= withdrawal.readyAt + BigInt(terms.withdrawDelay), 'lapsed');
  const fromStake = least(withdrawal.stake, state.stake);
  const stake = state.stake - fromStake;
  const kept = stake === 0n && withdrawal.income === EVERYTHING ? 0n : stake + ProxyContract.RESERVE;
  const amount = least(fromStake + withdrawal.income, atLeastZero(arrival.held - kept));
  refuseUnless(amount > 0n, 'nothingToPay');
  requireValue(arrival, GAS.proxyComplete);
  return { state: { ...state, stake, withdrawal: null }, sends: [plain(terms.owner, amount, true)], kept: arrival.held - amount };
}

function order(state: ProxyState, arrival: Arrival, body: Of<'ownerProxyOrder'>): Transition<ProxyState> {
  endOf(body);
  refuseUnless(isBasechain(body.to), 'badAddress');
  refuseUnless(isForChannel(body.order), 'wrongOrder');
  refuseUnless(arrival.value >= orderMinimum(body, arrival.prices), 'lowValue');
  const sends = [{ to: body.to, amount: 0n, rest: true, bounce: true, body: body.order }];
  return { state, sends, kept: arrival.held };
}

/** By the first 24 bits of its tag. */
function isForChannel(body: Body): boolean {
  const slice = encode(body).beginParse();
  if (slice.remainingBits < 24) refuseUnless(false, 'malformed');
  const receiver = slice.loadUint(24);
  return receiver === 0xc0c003 || receiver === 0xc0c004;
}

function requireOperator(state: ProxyState, from: Address): void {
  refuseUnless(state.operator?.equals(from) === true, 'notAllowed');
}

const fundMinimum = (prices: PriceList) =>
  prices.compute(GAS.proxyFund) + prices.forward(WORKER_INIT.cells, WORKER_INIT.bits) + prices.forward(0, 0);

/** The root's part is on the way. */
const leaveMinimum = (prices: PriceList) => prices.minimum(GAS.proxyLeave) + prices.minimum(GAS.rootLeave);

/** With its head a registration is too long for one cell, so its body travels in another. */
const registerMinimum = (prices: PriceList) => prices.compute(GAS.proxyRegister) + prices.forward(1, REGISTRATION_BITS);
const REGISTRATION_BITS = 32 + 64 + 64 + 267 + 32 + 32;

/** An order pays for the dearest message that a channel takes: a settlement of five open numbers. */
const DEAREST_ORDERED = GAS.clientCharge + 5n * (GAS.clientSettleOne + GAS.clientSettleOpen);

function orderMinimum(body: Of<'ownerProxyOrder'>, prices: PriceList): bigint {
  const { cells, bits } = sizeOf(encode(body.order));
  const passing = prices.compute(GAS.proxyOrder + GAS.proxyOrderCell * BigInt(cells)) + prices.forward(cells, bits);
  return passing + prices.minimum(DEAREST_ORDERED);
}

/** The value from which on a message is not refused for its value, in nanoTON. */
export function proxyMinimum(state: ProxyState, body: ProxyBody, prices: PriceList): bigint {
  switch (body.op) {
    case 'operatorProxyFund':
      return fundMinimum(prices);
    case 'operatorProxyAnchor':
      return prices.minimum(GAS.proxyAnchor + BigInt(withAnchor(state.peaks, 0n).height) * GAS.proxyAnchorMerge);
    case 'ownerProxyConfigure':
      return prices.minimum(GAS.proxyConfigure);
    case 'ownerProxyRegister':
      return body.forward + registerMinimum(prices);
    case 'ownerProxyLeave':
      return leaveMinimum(prices);
    case 'ownerProxyRequestWithdrawal':
      return prices.minimum(GAS.proxyRequest);
    case 'ownerProxyCompleteWithdrawal':
      return prices.minimum(GAS.proxyComplete);
    case 'ownerProxyOrder':
      return orderMinimum(body, prices);
  }
}
