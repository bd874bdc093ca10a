/**
 * ton-blockchain's multisig v2, as far as a root can be owned by one: who signs, and orders with one message each.
 * Source: github.com/ton-blockchain/multisig-contract-v2, contracts/{multisig,order,op-codes}.func at 9a4b13df.
 */
import { type Address, beginCell, Cell, contractAddress, Dictionary, internal, type Slice, storeMessageRelaxed } from '@ton/core';

/** Hash of the published code of the multisig (tests/fixtures/multisig-v2). */
export const MULTISIG_V2_CODE_HASH = 'd3d14da9a627f0ec3533341829762af92b9540b21bf03665fac09c2b46eabbac';

/** Hash of the published code of its orders, which lies in a library of the masterchain. */
const ORDER_CODE_HASH = '6305a8061c856c2ccf05dcb0df5815c71475870567cab5f049e340bcf59251f3';

const OPCODE = { newOrder: 0xf718510f, approve: 0xa762230f, sendMessage: 0xf1381e5b } as const;

/** Mode of a message in an order: the multisig pays its forward fee. */
const PAY_FEES_SEPARATELY = 1;

/** Account data of a multisig. */
export interface MultisigState {
  /** Number of the next order; null when orders may have any number. */
  readonly nextOrder: bigint | null;
  /** Approvals that an order needs. */
  readonly threshold: number;
  readonly signers: readonly Address[];
  /** Hash of the dictionary of signers: an order made under other signers does not count. */
  readonly signersHash: string;
  /** Who may make orders, and not approve them. */
  readonly proposers: readonly Address[];
}

/** Account data of an order. */
export interface OrderState {
  readonly threshold: number;
  readonly isExecuted: boolean;
  readonly signersHash: string;
  /** Bit i: the signer with index i has approved. */
  readonly approvals: bigint;
  readonly approvalCount: number;
  /** Unix seconds. */
  readonly expiresAt: number;
  /** The actions. */
  readonly actions: Cell;
}

/** @throws when the cell has another form */
export function parseMultisig(data: Cell): MultisigState {
  const slice = data.beginParse();
  const nextOrder = slice.loadUintBig(256);
  const threshold = slice.loadUint(8);
  const signersCell = slice.loadRef();
  slice.loadUint(8);
  const proposers = addressesOf(slice.loadDict(INDEX, Dictionary.Values.Address()));
  const isArbitrary = slice.loadBit();
  slice.endParse();
  const signers = addressesOf(Dictionary.loadDirect(INDEX, Dictionary.Values.Address(), signersCell));
  return { nextOrder: isArbitrary ? null : nextOrder, threshold, signers, signersHash: signersCell.hash().toString('hex'), proposers };
}

/** Null for an order that is deployed and not yet made. @throws when the cell has another form */
export function parseOrder(data: Cell): OrderState | null {
  const slice: Slice = data.beginParse();
  slice.loadAddress();
  slice.loadUintBig(256);
  if (slice.remainingBits === 0) return null;
  const threshold = slice.loadUint(8);
  const isExecuted = slice.loadBit();
  const signersHash = slice.loadRef().hash().toString('hex');
  const approvals = slice.loadUintBig(256);
  const approvalCount = slice.loadUint(8);
  const expiresAt = slice.loadUint(48);
  const actions = slice.loadRef();
  slice.endParse();
  return { threshold, isExecuted, signersHash, approvals, approvalCount, expiresAt, actions };
}

/** Account data of a fresh multisig, whose orders have numbers in sequence. */
export function multisigData(threshold: number, signers: readonly Address[]): Cell {
  const indexed = Dictionary.empty(INDEX, Dictionary.Values.Address());
  signers.forEach((signer, index) => {
    indexed.set(index, signer);
  });
  return beginCell()
    .storeUint(0, 256)
    .storeUint(threshold, 8)
    .storeRef(beginCell().storeDictDirect(indexed).endCell())
    .storeUint(signers.length, 8)
    .storeBit(false)
    .storeBit(false)
    .endCell();
}

/** The actions of an order that sends one message. */
export function packActions(to: Address, value: bigint, body: Cell): Cell {
  const message = beginCell()
    .store(storeMessageRelaxed(internal({ to, value, bounce: true, body })))
    .endCell();
  const actions = Dictionary.empty(INDEX, Dictionary.Values.Cell());
  actions.set(0, beginCell().storeUint(OPCODE.sendMessage, 32).storeUint(PAY_FEES_SEPARATELY, 8).storeRef(message).endCell());
  return beginCell().storeDictDirect(actions).endCell();
}

/** From a signer (whose approval it is, too) or a proposer, who has this index among its kind. */
export function newOrderBody(order: {
  readonly number: bigint;
  readonly isSigner: boolean;
  readonly index: number;
  readonly expiresAt: number;
  readonly actions: Cell;
}): Cell {
  return beginCell()
    .storeUint(OPCODE.newOrder, 32)
    .storeUint(0, 64)
    .storeUint(order.number, 256)
    .storeBit(order.isSigner)
    .storeUint(order.index, 8)
    .storeUint(order.expiresAt, 48)
    .storeRef(order.actions)
    .endCell();
}

/** To an order, from the signer with this index. */
export function approveBody(index: number): Cell {
  return beginCell().storeUint(OPCODE.approve, 32).storeUint(0, 64).storeUint(index, 8).endCell();
}

/** Where the order with this number is. Its code is a reference to a library: tag 2 and the hash of the code. */
export function orderAddress(multisig: Address, number: bigint): Address {
  const library = beginCell().storeUint(2, 8).storeBuffer(Buffer.from(ORDER_CODE_HASH, 'hex')).endCell();
  const code = new Cell({ exotic: true, bits: library.bits });
  const data = beginCell().storeAddress(multisig).storeUint(number, 256).endCell();
  return contractAddress(0, { code, data });
}

const INDEX = Dictionary.Keys.Uint(8);

/** By index, without gaps. */
function addressesOf(dictionary: Dictionary<number, Address>): readonly Address[] {
  return [...dictionary].sort(([a], [b]) => a - b).map(([, address]) => address);
}
