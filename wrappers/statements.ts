/**
 * Every signed statement of Cocoon: pack and parse (cells), encode and decode (bytes), hash, and cost.
 *
 * A statement is one cell, tag first; its signature is Ed25519 over the cell's hash. `schema.tlb` is the interface of record.
 * Off chain a statement travels as its fixed-size encoding: the same fields in the same order, big-endian, an address as the
 * 32 bytes of its hash (workchain 0 only), prices inline. Nothing here signs: whoever holds a key signs the hash of a statement
 * that it has built itself, never a hash that it was handed (rule R6).
 */
import { Address, beginCell, type Cell, Dictionary, type Slice } from '@ton/core';

/** What is wrong with a statement's bytes or cell. */
export class StatementError extends Error {
  constructor(
    readonly code: 'bad_tag' | 'bad_size' | 'bad_field' | 'bad_cell' | 'bad_open',
    message: string,
  ) {
    super(message);
    this.name = 'StatementError';
  }
}

/** First 32 bits of each statement; four ASCII letters, so that a hex dump can be read. */
export const STATEMENT_TAG = {
  order: 0x6f726472, // "ordr"
  authorisation: 0x61757468, // "auth"
  receipt: 0x72637074, // "rcpt"
  voucher: 0x76636872, // "vchr"
  workerVoucher: 0x77766368, // "wvch"
  challenge: 0x6368616c, // "chal"
  request: 0x72657173, // "reqs"
} as const;

/** Which request of which channel: shown to the proxy and to the contract only. `salt` hides the channel from whoever sees the hash. */
export interface Order {
  readonly channel: Address;
  readonly number: bigint;
  readonly salt: bigint;
}

/** NanoTON per 1,000,000 tokens, uint48 each. */
export interface Prices {
  readonly uncachedPrompt: bigint;
  readonly cachedPrompt: bigint;
  readonly answer: bigint;
  readonly reasoning: bigint;
}

/** Disjoint token counts, uint32 each, in the order of the prices. */
export interface Usage {
  readonly uncachedPrompt: number;
  readonly cachedPrompt: number;
  readonly answer: number;
  readonly reasoning: number;
}

/** What the client allows one attested guest to earn for one sealed prompt. Signed by the client's session key. */
export interface Authorisation {
  readonly orderHash: bigint;
  readonly receiptKey: bigint;
  /** SHA-256 of the encapsulation and counter of the sealed request. */
  readonly seal: bigint;
  readonly maxAmount: bigint;
  /** Unix seconds: the latest start. */
  readonly validUntil: number;
  readonly prices: Prices;
}

/** How a run ended. */
export const RECEIPT_STATUS = { complete: 0, capped: 1, stopped: 2, failed: 3 } as const;
export type ReceiptStatus = (typeof RECEIPT_STATUS)[keyof typeof RECEIPT_STATUS];

/** What was used for one authorised request. Signed by the guest's receipt key. */
export interface Receipt {
  readonly authorisationHash: bigint;
  /** SHA-256 of the response nonce and all sealed chunks before the final one. */
  readonly sealedHash: bigint;
  /** Commitment that only the caller can open. */
  readonly details: bigint;
  readonly usage: Usage;
  readonly status: ReceiptStatus;
  /** Unix seconds by the guest's clock, which is its host's. */
  readonly at: number;
}

/** What the client owes the proxy so far, and which requests that covers. Signed by the client's session key. */
export interface Voucher {
  readonly channel: Address;
  readonly total: bigint;
  /** Every number up to this one is covered, except those in the dictionary with hash `open`. */
  readonly upTo: bigint;
  /** Hash of the dictionary of open numbers; zero when there is none. */
  readonly open: bigint;
}

/** What the proxy owes the worker's owner so far. Signed by the proxy's payer key. */
export interface WorkerVoucher {
  readonly workerContract: Address;
  readonly total: bigint;
  readonly tokens: bigint;
}

/** A guest's answer to a proxy that it connects to. Signed by the guest's receipt key. */
export interface Challenge {
  readonly proxy: Address;
  readonly nonce: bigint;
  readonly at: number;
}

/** A client's call about its channel. Signed by the client's session key. */
export interface ChannelRequest {
  readonly channel: Address;
  /** SHA-256 of "METHOD path\n" and the body. */
  readonly callHash: bigint;
  readonly nonce: bigint;
  readonly at: number;
}

/** Most numbers that may be open in one voucher. */
export const MAX_OPEN = 1024;

// Cells

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

// Bytes

/** Sizes of the fixed encodings, in bytes. */
export const STATEMENT_SIZE = {
  order: 4 + 32 + 8 + 32,
  authorisation: 4 + 32 + 32 + 32 + 8 + 4 + 24,
  receipt: 4 + 32 + 32 + 32 + 16 + 1 + 4,
  voucher: 4 + 32 + 8 + 8 + 32,
  workerVoucher: 4 + 32 + 8 + 8,
  challenge: 4 + 32 + 32 + 4,
  request: 4 + 32 + 32 + 32 + 4,
} as const;

/** Bytes of an Ed25519 signature. */
export const SIGNATURE_SIZE = 64;

class Writer {
  private readonly bytes: Uint8Array;
  private at = 0;

  constructor(size: number, tag: number) {
    this.bytes = new Uint8Array(size);
    this.uint(BigInt(tag), 4);
  }

  uint(value: bigint, size: number): this {
    if (value < 0n || value >> BigInt(8 * size) !== 0n) throw new StatementError('bad_field', `value does not fit ${size} bytes`);
    let rest = value;
    for (let i = size - 1; i >= 0; i--) {
      this.bytes[this.at + i] = Number(rest & 255n);
      rest >>= 8n;
    }
    this.at += size;
    return this;
  }

  address(address: Address): this {
    if (address.workChain !== 0) throw new StatementError('bad_field', `workchain ${address.workChain}, expected 0`);
    this.bytes.set(address.hash, this.at);
    this.at += 32;
    return this;
  }

  done(): Uint8Array {
    if (this.at !== this.bytes.length) throw new StatementError('bad_size', `wrote ${this.at} of ${this.bytes.length} bytes`);
    return this.bytes;
  }
}

class Reader {
  private at = 0;

  constructor(
    private readonly bytes: Uint8Array,
    size: number,
    tag: number,
  ) {
    if (bytes.length !== size) throw new StatementError('bad_size', `statement of ${bytes.length} bytes, expected ${size}`);
    if (this.uint(4) !== BigInt(tag)) throw new StatementError('bad_tag', `not a statement with tag 0x${tag.toString(16)}`);
  }

  uint(size: number): bigint {
    let value = 0n;
    for (const byte of this.bytes.subarray(this.at, this.at + size)) value = (value << 8n) | BigInt(byte);
    this.at += size;
    return value;
  }

  number(size: number): number {
    return Number(this.uint(size));
  }

  address(): Address {
    this.at += 32;
    return new Address(0, Buffer.from(this.bytes.subarray(this.at - 32, this.at)));
  }
}

export function encodeOrder(order: Order): Uint8Array {
  return new Writer(STATEMENT_SIZE.order, STATEMENT_TAG.order).address(order.channel).uint(order.number, 8).uint(order.salt, 32).done();
}

/** @throws StatementError */
export function decodeOrder(bytes: Uint8Array): Order {
  const reader = new Reader(bytes, STATEMENT_SIZE.order, STATEMENT_TAG.order);
  return { channel: reader.address(), number: reader.uint(8), salt: reader.uint(32) };
}

export function encodeAuthorisation(authorisation: Authorisation): Uint8Array {
  return new Writer(STATEMENT_SIZE.authorisation, STATEMENT_TAG.authorisation)
    .uint(authorisation.orderHash, 32)
    .uint(authorisation.receiptKey, 32)
    .uint(authorisation.seal, 32)
    .uint(authorisation.maxAmount, 8)
    .uint(BigInt(authorisation.validUntil), 4)
    .uint(authorisation.prices.uncachedPrompt, 6)
    .uint(authorisation.prices.cachedPrompt, 6)
    .uint(authorisation.prices.answer, 6)
    .uint(authorisation.prices.reasoning, 6)
    .done();
}

/** @throws StatementError */
export function decodeAuthorisation(bytes: Uint8Array): Authorisation {
  const reader = new Reader(bytes, STATEMENT_SIZE.authorisation, STATEMENT_TAG.authorisation);
  return {
    orderHash: reader.uint(32),
    receiptKey: reader.uint(32),
    seal: reader.uint(32),
    maxAmount: reader.uint(8),
    validUntil: reader.number(4),
    prices: {
      uncachedPrompt: reader.uint(6),
      cachedPrompt: reader.uint(6),
      answer: reader.uint(6),
      reasoning: reader.uint(6),
    },
  };
}

export function encodeReceipt(receipt: Receipt): Uint8Array {
  return new Writer(STATEMENT_SIZE.receipt, STATEMENT_TAG.receipt)
    .uint(receipt.authorisationHash, 32)
    .uint(receipt.sealedHash, 32)
    .uint(receipt.details, 32)
    .uint(BigInt(receipt.usage.uncachedPrompt), 4)
    .uint(BigInt(receipt.usage.cachedPrompt), 4)
    .uint(BigInt(receipt.usage.answer), 4)
    .uint(BigInt(receipt.usage.reasoning), 4)
    .uint(BigInt(receipt.status), 1)
    .uint(BigInt(receipt.at), 4)
    .done();
}

/** @throws StatementError */
export function decodeReceipt(bytes: Uint8Array): Receipt {
  const reader = new Reader(bytes, STATEMENT_SIZE.receipt, STATEMENT_TAG.receipt);
  return {
    authorisationHash: reader.uint(32),
    sealedHash: reader.uint(32),
    details: reader.uint(32),
    usage: {
      uncachedPrompt: reader.number(4),
      cachedPrompt: reader.number(4),
      answer: reader.number(4),
      reasoning: reader.number(4),
    },
    status: toStatus(reader.number(1)),
    at: reader.number(4),
  };
}

export function encodeVoucher(voucher: Voucher): Uint8Array {
  return new Writer(STATEMENT_SIZE.voucher, STATEMENT_TAG.voucher)
    .address(voucher.channel)
    .uint(voucher.total, 8)
    .uint(voucher.upTo, 8)
    .uint(voucher.open, 32)
    .done();
}

/** @throws StatementError */
export function decodeVoucher(bytes: Uint8Array): Voucher {
  const reader = new Reader(bytes, STATEMENT_SIZE.voucher, STATEMENT_TAG.voucher);
  return { channel: reader.address(), total: reader.uint(8), upTo: reader.uint(8), open: reader.uint(32) };
}

export function encodeWorkerVoucher(voucher: WorkerVoucher): Uint8Array {
  return new Writer(STATEMENT_SIZE.workerVoucher, STATEMENT_TAG.workerVoucher)
    .address(voucher.workerContract)
    .uint(voucher.total, 8)
    .uint(voucher.tokens, 8)
    .done();
}

/** @throws StatementError */
export function decodeWorkerVoucher(bytes: Uint8Array): WorkerVoucher {
  const reader = new Reader(bytes, STATEMENT_SIZE.workerVoucher, STATEMENT_TAG.workerVoucher);
  return { workerContract: reader.address(), total: reader.uint(8), tokens: reader.uint(8) };
}

export function encodeChallenge(challenge: Challenge): Uint8Array {
  return new Writer(STATEMENT_SIZE.challenge, STATEMENT_TAG.challenge)
    .address(challenge.proxy)
    .uint(challenge.nonce, 32)
    .uint(BigInt(challenge.at), 4)
    .done();
}

/** @throws StatementError */
export function decodeChallenge(bytes: Uint8Array): Challenge {
  const reader = new Reader(bytes, STATEMENT_SIZE.challenge, STATEMENT_TAG.challenge);
  return { proxy: reader.address(), nonce: reader.uint(32), at: reader.number(4) };
}

export function encodeRequest(request: ChannelRequest): Uint8Array {
  return new Writer(STATEMENT_SIZE.request, STATEMENT_TAG.request)
    .address(request.channel)
    .uint(request.callHash, 32)
    .uint(request.nonce, 32)
    .uint(BigInt(request.at), 4)
    .done();
}

/** @throws StatementError */
export function decodeRequest(bytes: Uint8Array): ChannelRequest {
  const reader = new Reader(bytes, STATEMENT_SIZE.request, STATEMENT_TAG.request);
  return { channel: reader.address(), callHash: reader.uint(32), nonce: reader.uint(32), at: reader.number(4) };
}

// Rules

/** The representation hash of a statement's cell as an integer: what is signed, and what other statements name. */
export function statementHash(cell: Cell): bigint {
  return BigInt(`0x${cell.hash().toString('hex')}`);
}

/**
 * What a request costs: min(maxAmount, ceil(sum(usage * prices) / 1,000,000)), the arithmetic of ClientContract.
 * Pinned by tests/vectors/cost.json on both sides.
 */
export function cost(usage: Usage, prices: Prices, maxAmount: bigint): bigint {
  const micro =
    BigInt(usage.uncachedPrompt) * prices.uncachedPrompt +
    BigInt(usage.cachedPrompt) * prices.cachedPrompt +
    BigInt(usage.answer) * prices.answer +
    BigInt(usage.reasoning) * prices.reasoning;
  const full = (micro + 999_999n) / 1_000_000n;
  return full < maxAmount ? full : maxAmount;
}

/** The dictionary of open numbers: HashmapE 64, empty values. @throws StatementError bad_open when there are too many or one repeats. */
export function packOpen(numbers: readonly bigint[]): Cell | null {
  if (numbers.length > MAX_OPEN) throw new StatementError('bad_open', `${numbers.length} open numbers, limit ${MAX_OPEN}`);
  const open = Dictionary.empty(Dictionary.Keys.BigUint(64), { serialize: () => undefined, parse: () => true });
  for (const number of numbers) open.set(number, true);
  if (open.size !== numbers.length) throw new StatementError('bad_open', 'an open number is repeated');
  if (open.size === 0) return null;
  return beginCell().storeDictDirect(open).endCell();
}

/** The `open` field of a voucher: the hash of that dictionary's root cell, zero when it is empty. @throws StatementError */
export function openHash(numbers: readonly bigint[]): bigint {
  const cell = packOpen(numbers);
  return cell === null ? 0n : statementHash(cell);
}

/** Whether a voucher covers a request: its number is at most `upTo` and not among the open ones. */
export function isCovered(voucher: Pick<Voucher, 'upTo'>, open: ReadonlySet<bigint>, number: bigint): boolean {
  return number <= voucher.upTo && !open.has(number);
}

/** Tokens of all four classes. */
export function totalTokens(usage: Usage): bigint {
  return BigInt(usage.uncachedPrompt) + BigInt(usage.cachedPrompt) + BigInt(usage.answer) + BigInt(usage.reasoning);
}

function toStatus(value: number): ReceiptStatus {
  for (const status of Object.values(RECEIPT_STATUS)) if (status === value) return status;
  throw new StatementError('bad_field', `receipt status ${value} is unknown`);
}

function loadBasechain(slice: Slice): Address {
  const address = slice.loadAddress();
  if (address.workChain !== 0) throw new StatementError('bad_field', `workchain ${address.workChain}, expected 0`);
  return address;
}
