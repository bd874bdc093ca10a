/** Statements as cells, tag first: what is hashed and signed, and what contracts read. */
import { type Address, beginCell, type Cell, type Slice } from '@ton/core';
import {
  type Authorisation,
  type Challenge,
  type ChannelRequest,
  type Order,
  type Prices,
  type Receipt,
  STATEMENT_TAG,
  StatementError,
  toStatus,
  type Voucher,
  type WorkerVoucher,
} from './types';

/** Stores prices as one cell, 192 bits. */
export function packPrices(prices: Prices): Cell {
  return beginCell()
    .storeUint(prices.uncachedPrompt, 48)
    .storeUint(prices.cachedPrompt, 48)
    .storeUint(prices.answer, 48)
    .storeUint(prices.reasoning, 48)
    .endCell();
}

export function packOrder(order: Order): Cell {
  return beginCell()
    .storeUint(STATEMENT_TAG.order, 32)
    .storeAddress(order.channel)
    .storeUint(order.number, 64)
    .storeUint(order.salt, 256)
    .endCell();
}

export function packAuthorisation(authorisation: Authorisation): Cell {
  return beginCell()
    .storeUint(STATEMENT_TAG.authorisation, 32)
    .storeUint(authorisation.orderHash, 256)
    .storeUint(authorisation.receiptKey, 256)
    .storeUint(authorisation.seal, 256)
    .storeUint(authorisation.maxAmount, 64)
    .storeUint(authorisation.validUntil, 32)
    .storeRef(packPrices(authorisation.prices))
    .endCell();
}

export function packReceipt(receipt: Receipt): Cell {
  return beginCell()
    .storeUint(STATEMENT_TAG.receipt, 32)
    .storeUint(receipt.authorisationHash, 256)
    .storeUint(receipt.sealedHash, 256)
    .storeUint(receipt.details, 256)
    .storeUint(receipt.usage.uncachedPrompt, 32)
    .storeUint(receipt.usage.cachedPrompt, 32)
    .storeUint(receipt.usage.answer, 32)
    .storeUint(receipt.usage.reasoning, 32)
    .storeUint(receipt.status, 8)
    .storeUint(receipt.at, 32)
    .endCell();
}

export function packVoucher(voucher: Voucher): Cell {
  return beginCell()
    .storeUint(STATEMENT_TAG.voucher, 32)
    .storeAddress(voucher.channel)
    .storeUint(voucher.total, 64)
    .storeUint(voucher.upTo, 64)
    .storeUint(voucher.open, 256)
    .endCell();
}

export function packWorkerVoucher(voucher: WorkerVoucher): Cell {
  return beginCell()
    .storeUint(STATEMENT_TAG.workerVoucher, 32)
    .storeAddress(voucher.workerContract)
    .storeUint(voucher.total, 64)
    .storeUint(voucher.tokens, 64)
    .endCell();
}

export function packChallenge(challenge: Challenge): Cell {
  return beginCell()
    .storeUint(STATEMENT_TAG.challenge, 32)
    .storeAddress(challenge.proxy)
    .storeUint(challenge.nonce, 256)
    .storeUint(challenge.at, 32)
    .endCell();
}

export function packRequest(request: ChannelRequest): Cell {
  return beginCell()
    .storeUint(STATEMENT_TAG.request, 32)
    .storeAddress(request.channel)
    .storeUint(request.callHash, 256)
    .storeUint(request.nonce, 256)
    .storeUint(request.at, 32)
    .endCell();
}

/** Reads one statement cell to its end, in canonical form. @throws StatementError */
function parse<T>(cell: Cell, tag: number, read: (slice: Slice) => T, pack: (value: T) => Cell): T {
  let value: T;
  try {
    const slice = cell.beginParse();
    if (slice.loadUint(32) !== tag) throw new StatementError('bad_tag', `not a statement with tag 0x${tag.toString(16)}`);
    value = read(slice);
    slice.endParse();
  } catch (error) {
    if (error instanceof StatementError) throw error;
    throw new StatementError('bad_cell', 'statement cell is malformed');
  }
  if (!pack(value).hash().equals(cell.hash())) throw new StatementError('bad_cell', 'statement cell is not in canonical form');
  return value;
}

/** @throws StatementError */
export function parsePrices(slice: Slice): Prices {
  return {
    uncachedPrompt: slice.loadUintBig(48),
    cachedPrompt: slice.loadUintBig(48),
    answer: slice.loadUintBig(48),
    reasoning: slice.loadUintBig(48),
  };
}

/** @throws StatementError */
export function parseOrder(cell: Cell): Order {
  return parse(
    cell,
    STATEMENT_TAG.order,
    (slice) => ({ channel: loadBasechain(slice), number: slice.loadUintBig(64), salt: slice.loadUintBig(256) }),
    packOrder,
  );
}

/** @throws StatementError */
export function parseAuthorisation(cell: Cell): Authorisation {
  return parse(
    cell,
    STATEMENT_TAG.authorisation,
    (slice) => ({
      orderHash: slice.loadUintBig(256),
      receiptKey: slice.loadUintBig(256),
      seal: slice.loadUintBig(256),
      maxAmount: slice.loadUintBig(64),
      validUntil: slice.loadUint(32),
      prices: parsePrices(slice.loadRef().beginParse()),
    }),
    packAuthorisation,
  );
}

/** @throws StatementError */
export function parseReceipt(cell: Cell): Receipt {
  return parse(
    cell,
    STATEMENT_TAG.receipt,
    (slice) => ({
      authorisationHash: slice.loadUintBig(256),
      sealedHash: slice.loadUintBig(256),
      details: slice.loadUintBig(256),
      usage: {
        uncachedPrompt: slice.loadUint(32),
        cachedPrompt: slice.loadUint(32),
        answer: slice.loadUint(32),
        reasoning: slice.loadUint(32),
      },
      status: toStatus(slice.loadUint(8)),
      at: slice.loadUint(32),
    }),
    packReceipt,
  );
}

/** @throws StatementError */
export function parseVoucher(cell: Cell): Voucher {
  return parse(
    cell,
    STATEMENT_TAG.voucher,
    (slice) => ({
      channel: loadBasechain(slice),
      total: slice.loadUintBig(64),
      upTo: slice.loadUintBig(64),
      open: slice.loadUintBig(256),
    }),
    packVoucher,
  );
}

/** @throws StatementError */
export function parseWorkerVoucher(cell: Cell): WorkerVoucher {
  return parse(
    cell,
    STATEMENT_TAG.workerVoucher,
    (slice) => ({ workerContract: loadBasechain(slice), total: slice.loadUintBig(64), tokens: slice.loadUintBig(64) }),
    packWorkerVoucher,
  );
}

function loadBasechain(slice: Slice): Address {
  const address = slice.loadAddress();
  if (address.workChain !== 0) throw new StatementError('bad_field', `workchain ${address.workChain}, expected 0`);
  return address;
}
