/** What a ClientContract does with a message, by contracts/schema.tlb and docs/audit.md: written from the interface, not from the contract's code. */
import type { Address } from '@ton/core';
import { ClientContract, type ClientState } from '../../wrappers/ClientContract';
import { GAS } from '../../wrappers/minimum-value';
import { openHash, packAuthorisation, packOrder, statementHash } from '../../wrappers/statements';
import { type Answered, type Body, receiverOf } from './bodies';
import { WEAK_KEYS } from './keys';
import {
  type Arrival,
  announceWithdrawal,
  completeWithdrawal,
  endOf,
  keepCoins,
  NOTHING,
  payAbove,
  payBack,
  refuseUnless,
  returnExcess,
  type Transition,
} from './transition';

const MOST_RECEIPTS = 5;
const LARGEST = (1n << 64n) - 1n;

export function receiveByClient(state: ClientState, arrival: Arrival): Transition<ClientState> {
  const { body, from } = arrival;
  switch (body.op) {
    case 'payment':
    case 'comment':
      return keepCoins(state, body);
    case 'operatorClientCharge':
    case 'operatorClientSettle':
    case 'operatorClientCollect':
      return collect(state, arrival);
    case 'operatorClientRelease':
      requirePayee(state, from);
      endOf(body);
      return { state, ...payBack(arrival, ClientContract.RESERVE, state.terms.owner, body.amount, GAS.clientRelease) };
    case 'ownerClientRequestWithdrawal':
      refuseUnless(from.equals(state.terms.owner), 'notAllowed');
      return announceWithdrawal(state, arrival, body.amount, GAS.clientRequest);
    case 'anyClientCompleteWithdrawal':
      return completeWithdrawal(state, arrival, ClientContract.RESERVE, state.terms.owner, GAS.clientComplete);
    default:
      return setKey(state, arrival);
  }
}

function collect(before: ClientState, arrival: Arrival): Transition<ClientState> {
  requirePayee(before, arrival.from);
  refuseUnless(before.sessionKey !== 0n, 'noKey');
  const { state, gas } = owe(before, arrival);
  const { amount, ...effects } = payAbove(arrival, ClientContract.RESERVE, state.terms.proxy, state.charged - state.paid, gas);
  refuseUnless(state.charged <= LARGEST, 'range');
  return { state: { ...state, paid: state.paid + amount }, ...effects };
}

/** What is owed after the message, before anything is paid. */
function owe(state: ClientState, { self, body, now }: Arrival): { readonly state: ClientState; readonly gas: bigint } {
  if (body.op === 'operatorClientCharge') {
    const { statement, signer } = body.voucher;
    const key = keyOf(state, body.byOldKey, now);
    refuseUnless(body.tail !== true && statement.channel.equals(self) && signer.publicKey === key, 'badSignature');
    refuseUnless(statement.total > state.charged, 'oldVoucher');
    const { total, upTo, open } = statement;
    return { state: { ...state, charged: total, settled: 0n, upTo, open }, gas: GAS.clientCharge };
  }
  if (body.op === 'operatorClientSettle') {
    let { charged, settled } = state;
    const isShown = openHash(body.open) === state.open;
    // The first receipt lies in the message itself, and with it what is there too much.
    body.receipts.forEach((answered, i) => {
      const { order, authorisation } = answered.settled;
      const key = keyOf(state, answered.byOldKey, now);
      refuseUnless(order.number > settled, 'notRising');
      settled = order.number;
      if (settled <= state.upTo) refuseUnless(body.open.length > 0 && isShown && body.open.includes(settled), 'covered');
      refuseUnless(isAuthorised(answered, self, key) && !(i === 0 && body.tail === true), 'badSignature');
      refuseUnless(authorisation.receiptKey !== 0n, 'noKey');
      refuseUnless(isAnswered(answered), 'badSignature');
      refuseUnless(authorisation.validUntil >= now - state.terms.withdrawDelay, 'expired');
      charged += answered.cost;
    });
    refuseUnless(body.receipts.length <= MOST_RECEIPTS, 'tooMany');
    return { state: { ...state, charged, settled }, gas: settleGas(body) };
  }
  endOf(body);
  return { state, gas: GAS.clientCharge };
}

function setKey(state: ClientState, arrival: Arrival): Transition<ClientState> {
  const { body, from, now } = arrival;
  // A tag below the first of these is taken for a payee's, whoever's it is.
  if (receiverOf(body) === 'root' || receiverOf(body) === 'proxy') {
    requirePayee(state, from);
    refuseUnless(state.sessionKey !== 0n, 'noKey');
    refuseUnless(false, 'unknownMessage');
  }
  refuseUnless(from.equals(state.terms.owner), 'notAllowed');
  switch (body.op) {
    case 'ownerClientOpen':
      endOf(body);
      refuseUnless(!WEAK_KEYS.includes(body.sessionKey), 'badKey');
      refuseUnless(state.sessionKey === 0n, 'alreadyOpen');
      return { state: { ...state, sessionKey: body.sessionKey }, ...NOTHING };
    case 'ownerClientRotateKey': {
      endOf(body);
      refuseUnless(!WEAK_KEYS.includes(body.sessionKey), 'badKey');
      refuseUnless(state.sessionKey !== 0n, 'noKey');
      refuseUnless(body.sessionKey !== state.sessionKey, 'badKey');
      refuseUnless(now > (state.oldKey?.until ?? 0), 'tooEarly');
      const oldKey = { key: state.sessionKey, until: now + state.terms.withdrawDelay };
      return { state: { ...state, sessionKey: body.sessionKey, oldKey }, ...returnExcess(arrival, GAS.clientRotate) };
    }
    default:
      // What has no key of 256 bits in its place is malformed before it is unknown.
      refuseUnless(body.op === 'unknown', 'malformed');
      endOf(body);
      refuseUnless(false, 'unknownMessage');
  }
}

function requirePayee({ terms }: ClientState, from: Address): void {
  refuseUnless(from.equals(terms.operator) || from.equals(terms.proxy), 'notAllowed');
}

/** The key that should have signed. */
function keyOf(state: ClientState, byOldKey: boolean, now: number): bigint {
  if (!byOldKey) return state.sessionKey;
  refuseUnless(state.oldKey !== null && now <= state.oldKey.until, 'keyEnded');
  return state.oldKey.key;
}

function isAuthorised({ settled: { order, authorisation }, authorisedBy }: Answered, self: Address, key: bigint): boolean {
  return order.channel.equals(self) && authorisation.orderHash === statementHash(packOrder(order)) && authorisedBy.publicKey === key;
}

function isAnswered({ settled: { authorisation, receipt }, answeredBy }: Answered): boolean {
  const isLinked = receipt.authorisationHash === statementHash(packAuthorisation(authorisation));
  return isLinked && answeredBy.publicKey === authorisation.receiptKey;
}

/** Looking a number up costs most in the deepest dictionary; with one shown, that is paid for five. */
function settleGas({ receipts, open }: Extract<Body, { readonly op: 'operatorClientSettle' }>): bigint {
  const lookups = open.length > 0 ? BigInt(MOST_RECEIPTS) * GAS.clientSettleOpen : 0n;
  return GAS.clientCharge + BigInt(receipts.length) * GAS.clientSettleOne + lookups;
}

/** Gas that sets a message's minimum value; undefined where there is no minimum. */
export function clientGas(body: Body): bigint | undefined {
  switch (body.op) {
    case 'operatorClientCharge':
    case 'operatorClientCollect':
      return GAS.clientCharge;
    case 'operatorClientSettle':
      return settleGas(body);
    case 'operatorClientRelease':
      return GAS.clientRelease;
    case 'ownerClientRequestWithdrawal':
      return GAS.clientRequest;
    case 'ownerClientRotateKey':
      return GAS.clientRotate;
    case 'anyClientCompleteWithdrawal':
      return GAS.clientComplete;
    default:
      return undefined;
  }
}
