import { Address, beginCell, type Cell } from '@ton/core';
import * as statements from '../wrappers/statements';
import {
  cost,
  isCovered,
  MAX_OPEN,
  openHash,
  packOpen,
  STATEMENT_SIZE,
  StatementError,
  statementHash,
  totalTokens,
} from '../wrappers/statements';
import { withoutLastBit, withTrailingBit, withTrailingReference } from './refusal';
import costs from './vectors/cost.json';
import vectors from './vectors/statements.json';

/** One kind of statement: vector fields to a value, and the four ways between value, cell and bytes. */
interface Kind {
  /** The cell and the bytes of the statement that these fields describe. */
  readonly of: (fields: Fields) => { readonly cell: Cell; readonly bytes: Uint8Array };
  /** What a cell means, packed again. */
  readonly throughCell: (cell: Cell) => Cell;
  /** What bytes mean, encoded again. */
  readonly throughBytes: (bytes: Uint8Array) => Uint8Array;
}

type Fields = (typeof vectors.good)[number]['fields'];

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the vector lacks a field');
  return value;
}
const big = (text: string | undefined) => BigInt(present(text));
const address = (text: string | undefined) => Address.parseRaw(present(text));

function kind<T>(
  read: (fields: Fields) => T,
  pack: (value: T) => Cell,
  parse: (cell: Cell) => T,
  encode: (value: T) => Uint8Array,
  decode: (bytes: Uint8Array) => T,
): Kind {
  return {
    of: (fields) => ({ cell: pack(read(fields)), bytes: encode(read(fields)) }),
    throughCell: (cell) => pack(parse(cell)),
    throughBytes: (bytes) => encode(decode(bytes)),
  };
}

function pricesOf(prices: Fields['prices']) {
  const { uncachedPrompt, cachedPrompt, answer, reasoning } = present(prices);
  return {
    uncachedPrompt: BigInt(uncachedPrompt),
    cachedPrompt: BigInt(cachedPrompt),
    answer: BigInt(answer),
    reasoning: BigInt(reasoning),
  };
}

function statusOf(value: number | undefined): statements.ReceiptStatus {
  return present(Object.values(statements.RECEIPT_STATUS).find((status) => status === value));
}

const KINDS: Readonly<Record<string, Kind>> = {
  order: kind(
    (f) => ({ channel: address(f.channel), number: big(f.number), salt: big(f.salt) }),
    statements.packOrder,
    statements.parseOrder,
    statements.encodeOrder,
    statements.decodeOrder,
  ),
  authorisation: kind(
    (f) => ({
      orderHash: big(f.orderHash),
      receiptKey: big(f.receiptKey),
      seal: big(f.seal),
      maxAmount: big(f.maxAmount),
      validUntil: present(f.validUntil),
      prices: pricesOf(f.prices),
    }),
    statements.packAuthorisation,
    statements.parseAuthorisation,
    statements.encodeAuthorisation,
    statements.decodeAuthorisation,
  ),
  receipt: kind(
    (f) => ({
      authorisationHash: big(f.authorisationHash),
      sealedHash: big(f.sealedHash),
      details: big(f.details),
      usage: present(f.usage),
      status: statusOf(f.status),
      at: present(f.at),
    }),
    statements.packReceipt,
    statements.parseReceipt,
    statements.encodeReceipt,
    statements.decodeReceipt,
  ),
  voucher: kind(
    (f) => ({ channel: address(f.channel), total: big(f.total), upTo: big(f.upTo), open: big(f.open) }),
    statements.packVoucher,
    statements.parseVoucher,
    statements.encodeVoucher,
    statements.decodeVoucher,
  ),
  workerVoucher: kind(
    (f) => ({ workerContract: address(f.workerContract), total: big(f.total), tokens: big(f.tokens) }),
    statements.packWorkerVoucher,
    statements.parseWorkerVoucher,
    statements.encodeWorkerVoucher,
    statements.decodeWorkerVoucher,
  ),
  challenge: kind(
    (f) => ({ proxy: address(f.proxy), nonce: big(f.nonce), at: present(f.at) }),
    statements.packChallenge,
    // A challenge and a request are never shown to a contract: they travel as bytes only.
    (cell) => statements.decodeChallenge(bytesOfFlatCell(cell)),
    statements.encodeChallenge,
    statements.decodeChallenge,
  ),
  request: kind(
    (f) => ({ channel: address(f.channel), callHash: big(f.callHash), nonce: big(f.nonce), at: present(f.at) }),
    statements.packRequest,
    (cell) => statements.decodeRequest(bytesOfFlatCell(cell)),
    statements.encodeRequest,
    statements.decodeRequest,
  ),
};

/** Tag, address and the rest of a cell as the bytes of the same statement. */
function bytesOfFlatCell(cell: Cell): Uint8Array {
  const slice = cell.beginParse();
  const tag = slice.loadBuffer(4);
  const { hash } = slice.loadAddress();
  return Buffer.concat([tag, hash, slice.loadBuffer(slice.remainingBits / 8)]);
}

const kindOf = (name: string) => present(KINDS[name]);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return error instanceof StatementError ? error.code : `another error: ${String(error)}`;
  }
  return 'nothing was thrown';
}

describe('statements', () => {
  test.each(vectors.good)('$name has the bytes and the hash of the vector', ({ statement, fields, bytes, hash }) => {
    const { cell, bytes: encoded } = kindOf(statement).of(fields);
    expect(hex(encoded)).toBe(bytes);
    expect(cell.hash().toString('hex')).toBe(hash);
    expect(statementHash(cell)).toBe(BigInt(`0x${hash}`));
    expect(kindOf(statement).throughCell(cell).hash().toString('hex')).toBe(hash);
    expect(hex(kindOf(statement).throughBytes(Buffer.from(bytes, 'hex')))).toBe(bytes);
  });

  test.each(vectors.bad)('refuses $name ($code)', ({ statement, bytes, code }) => {
    expect(codeOf(() => kindOf(statement).throughBytes(Buffer.from(bytes, 'hex')))).toBe(code);
  });

  test('have a vector of each kind, of the size that the format says', () => {
    const sizes = Object.fromEntries(vectors.good.map(({ statement, bytes }) => [statement, bytes.length / 2]));
    expect(sizes).toEqual(STATEMENT_SIZE);
  });

  const ON_CHAIN = vectors.good.filter(({ name, statement }) => /^an ordinary/.test(name) && !/challenge|request/.test(statement));
  test.each(ON_CHAIN)('refuses a changed cell of $name', ({ statement, fields }) => {
    const { cell } = kindOf(statement).of(fields);
    for (const change of [withTrailingBit, withTrailingReference, withoutLastBit]) {
      expect(codeOf(() => kindOf(statement).throughCell(change(cell)))).toBe('bad_cell');
    }
    expect(codeOf(() => kindOf(statement).throughCell(beginCell().storeUint(0, 32).endCell()))).toBe('bad_tag');
  });

  test('refuses a channel in another workchain, in cells and in bytes', () => {
    const elsewhere = new Address(-1, Buffer.alloc(32, 1));
    const voucher = { channel: elsewhere, total: 1n, upTo: 1n, open: 0n };
    expect(codeOf(() => statements.parseVoucher(statements.packVoucher(voucher)))).toBe('bad_field');
    expect(codeOf(() => statements.encodeVoucher(voucher))).toBe('bad_field');
  });
});

describe('cost', () => {
  test.each(costs)('$name', (row) => {
    const { usage, maxAmount } = row;
    const prices = {
      uncachedPrompt: BigInt(row.prices.uncachedPrompt),
      cachedPrompt: BigInt(row.prices.cachedPrompt),
      answer: BigInt(row.prices.answer),
      reasoning: BigInt(row.prices.reasoning),
    };
    expect(cost(usage, prices, BigInt(maxAmount))).toBe(BigInt(row.cost));
  });

  test('counts tokens of all four classes', () => {
    expect(totalTokens({ uncachedPrompt: 1, cachedPrompt: 20, answer: 300, reasoning: 4000 })).toBe(4321n);
  });
});

describe('open numbers', () => {
  test('hash to zero when there are none, and to the same value in any order', () => {
    expect(openHash([])).toBe(0n);
    expect(packOpen([])).toBeNull();
    expect(openHash([3n, 1n, 2n])).toBe(openHash([1n, 2n, 3n]));
    expect(openHash([1n, 2n, 3n])).not.toBe(openHash([1n, 2n]));
  });

  test('are pinned', () => {
    expect(openHash([1n]).toString(16)).toBe('a499d510cbd6fd0d58742bf6f3d797a6c3e5d9c838165ef0ffa51101eb263ed1');
    expect(openHash([7n, 9n, (1n << 64n) - 1n]).toString(16)).toBe('1d738594aeb6fdf235e7724bbb6b106c33c1504aa67b7a9a6507761e9187fc7f');
  });

  test('are at most 1,024, and each once', () => {
    const numbers = Array.from({ length: MAX_OPEN }, (_, i) => BigInt(i));
    expect(openHash(numbers)).not.toBe(0n);
    expect(codeOf(() => openHash([...numbers, 5000n]))).toBe('bad_open');
    expect(codeOf(() => openHash([1n, 1n]))).toBe('bad_open');
  });

  test('are what a voucher does not cover', () => {
    const open = new Set([3n]);
    expect([1n, 2n, 3n, 4n, 5n].filter((number) => isCovered({ upTo: 4n }, open, number))).toEqual([1n, 2n, 4n]);
  });
});
