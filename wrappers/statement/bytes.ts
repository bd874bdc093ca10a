/** Statements as bytes of fixed size: how they travel off chain. */
import { Address } from '@ton/core';
import {
  type Authorisation,
  type Challenge,
  type ChannelRequest,
  type Order,
  type Receipt,
  STATEMENT_TAG,
  StatementError,
  toStatus,
  type Voucher,
  type WorkerVoucher,
} from './types';

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
