/**
 * Messages to a root that only its owner or guardian may send: from the wallet itself, or, where the party is a multisig v2, as an order
 * that this wallet proposes or approves. The same command of several signers meets in one order, since equal messages make equal orders.
 */
import { type Address, beginCell, type Cell, toNano } from '@ton/core';
import type { RootState } from '../RootContract';
import { carryOut, forFees } from './carry-out';
import type { Account, Desk } from './desk';
import type { Found } from './found';
import {
  approveBody,
  MULTISIG_V2_CODE_HASH,
  type MultisigState,
  newOrderBody,
  type OrderState,
  orderAddress,
  packActions,
  parseMultisig,
  parseOrder,
} from './multisig-v2';
import { Refusal } from './refusal';
import { counted, date, ton } from './words';

/** How long an order may be approved. */
const ORDER_LIFE_SEC = 7 * 86_400;

/** How many of the latest orders are searched for an equal one. */
const RECENT_ORDERS = 20n;

/** On top of what the multisig estimates for an order, and with an approval. */
const ORDER_GAS = toNano('0.05');

/** Somebody who may send a message. */
export interface Party {
  /** `owner`, `guardian`, `new owner`. */
  readonly role: string;
  readonly address: Address;
}

export interface Act {
  readonly root: Found<RootState>;
  readonly says: readonly string[];
  readonly value: bigint;
  readonly body: Cell;
  /** As of a Plan. */
  readonly effect: () => Promise<readonly string[] | null>;
}

/** A multisig with its account. */
interface Multisig {
  readonly account: Account;
  readonly state: MultisigState;
}

/** A signer or a proposer, by its index among its kind. */
interface Member {
  readonly isSigner: boolean;
  readonly index: number;
}

/** An order that does the same, as far as it has come. */
interface Order {
  readonly number: bigint;
  readonly address: Address;
  /** Null: still to be made. */
  readonly state: OrderState | null;
}

/** @throws Refusal when this wallet is none of the parties, and no signer or proposer of one */
export async function act(desk: Desk, parties: readonly Party[], what: Act): Promise<void> {
  const wallet = await desk.wallet();
  if (parties.some(({ address }) => address.equals(wallet))) {
    const { root, says, value, body, effect } = what;
    return carryOut(desk, { says: [...says, forFees(value)], to: root.address, value, body, effect });
  }
  for (const { address } of parties) {
    const multisig = await multisigAt(desk, address);
    const member = multisig === null ? null : memberOf(multisig.state, wallet);
    if (multisig !== null && member !== null) return actAsMember(desk, multisig, member, what);
  }
  const allowed = parties.map(({ role, address }) => `the ${role} ${address}`).join(' or ');
  throw new Refusal(`only ${allowed} may do this, and the wallet is ${wallet}`);
}

/** The multisig v2 at an address; null when there is something else or nothing. */
export async function multisigAt(desk: Desk, address: Address): Promise<Multisig | null> {
  const account = await desk.account(address);
  if (account.code?.hash().toString('hex') !== MULTISIG_V2_CODE_HASH || account.data === null) return null;
  return { account, state: parseMultisig(account.data) };
}

async function actAsMember(desk: Desk, multisig: Multisig, member: Member, what: Act): Promise<void> {
  const { account, state } = multisig;
  const now = await desk.now();
  const actions = packActions(what.root.address, what.value, what.body);
  const order = await findOrder(desk, multisig, actions, now);
  const says = [...what.says, `  as an order of the multisig ${account.address}, which needs ${counted(state.threshold, 'approval')}`];
  const effect = () => effectOf(desk, order, what);
  const watch = [order.address, what.root.address];

  if (order.state === null) {
    const expiresAt = now + ORDER_LIFE_SEC;
    const value = (await estimate(desk, account.address, actions, expiresAt)) + what.value + ORDER_GAS;
    const body = newOrderBody({ number: order.number, ...member, expiresAt, actions });
    const money = `  ${ton(value)} go along for the order and for the message itself; what is left stays in the multisig`;
    const made = `  makes order ${order.address}, open until ${date(expiresAt)}${member.isSigner ? ', and approves it' : ''}`;
    return carryOut(desk, { says: [...says, made, money], to: account.address, value, body, watch, effect });
  }
  if (!member.isSigner) throw new Refusal(`order ${order.address} is there already; a proposer cannot approve it`);
  if (((order.state.approvals >> BigInt(member.index)) & 1n) === 1n)
    throw new Refusal(`this wallet has approved order ${order.address} already; ${standing(order.state)}`);
  const approved = [...says, `  approves order ${order.address}; ${standing(order.state)} so far`, forFees(ORDER_GAS)];
  const before = order.state.approvalCount;
  const arrived = async () => {
    const latest = await orderAt(desk, order.address);
    return latest !== null && latest.approvalCount > before ? effect() : null;
  };
  return carryOut(desk, {
    says: approved,
    to: order.address,
    value: ORDER_GAS,
    body: approveBody(member.index),
    watch: [account.address, what.root.address],
    effect: arrived,
  });
}

/** Where the order stands; once executed, what the message did. */
async function effectOf(desk: Desk, order: Order, what: Act): Promise<readonly string[] | null> {
  const state = await orderAt(desk, order.address);
  if (state === null) return null;
  if (!state.isExecuted) return [`Order ${order.address}: ${standing(state)}. The other signers run the same command to approve it.`];
  const done = await what.effect();
  return done === null ? null : [`Order ${order.address} is executed.`, ...done];
}

function standing({ approvalCount, threshold }: OrderState): string {
  return `${approvalCount} of ${counted(threshold, 'approval')}`;
}

/** The open order with these actions, or the place for a new one. */
async function findOrder(desk: Desk, { account, state }: Multisig, actions: Cell, now: number): Promise<Order> {
  const next = state.nextOrder;
  for (let back = 0n; back < RECENT_ORDERS; back++) {
    // Numbers in sequence are searched from the latest backwards; where any number goes, it follows from the actions and the attempt.
    const number = next === null ? arbitraryNumber(actions, back) : next - 1n - back;
    if (number < 0n) break;
    const address = orderAddress(account.address, number);
    const order = await orderAt(desk, address);
    if (order === null) {
      if (next === null) return { number, address, state: null };
      continue;
    }
    const isOpen = !order.isExecuted && order.expiresAt >= now && order.signersHash === state.signersHash;
    if (isOpen && order.actions.equals(actions)) return { number, address, state: order };
  }
  if (next === null) throw new Refusal(`the last ${RECENT_ORDERS} orders of this kind are executed or expired`);
  return { number: next, address: orderAddress(account.address, next), state: null };
}

function arbitraryNumber(actions: Cell, attempt: bigint): bigint {
  const hash = beginCell().storeBuffer(actions.hash()).storeUint(attempt, 64).endCell().hash();
  return BigInt(`0x${hash.toString('hex')}`);
}

async function orderAt(desk: Desk, address: Address): Promise<OrderState | null> {
  const { data } = await desk.account(address);
  return data === null ? null : parseOrder(data);
}

function memberOf(state: MultisigState, wallet: Address): Member | null {
  const signer = state.signers.findIndex((address) => address.equals(wallet));
  if (signer >= 0) return { isSigner: true, index: signer };
  const proposer = state.proposers.findIndex((address) => address.equals(wallet));
  return proposer >= 0 ? { isSigner: false, index: proposer } : null;
}

/** What an order with these actions costs until it is executed, in nanoTON, as the multisig reckons it. */
async function estimate(desk: Desk, multisig: Address, actions: Cell, expiresAt: number): Promise<bigint> {
  const { stack } = await desk.provider.provider(multisig).get('get_order_estimate', [
    { type: 'cell', cell: actions },
    { type: 'int', value: BigInt(expiresAt) },
  ]);
  return stack.readBigNumber();
}
