import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import {
  type Authorisation,
  cost,
  isCovered,
  openHash,
  packAuthorisation,
  packVoucher,
  RECEIPT_STATUS,
  statementHash,
  type Usage,
} from '../../wrappers/statements';
import { toBigEndian } from '../core/bytes';
import { Ledger } from '../ledger/ledger';
import type { SignedReceipt } from '../protocol/statements-json';
import { generateSigner, nodeCrypto } from '../runtime/node-crypto';
import { encodeSignedVoucher, type SignedVoucher } from '../sealing/relay-body';
import { type BookChange, type BookStore, ChannelBook, type OrderRecord } from './channel-book';
import { LedgerBookStore } from './channel-store';
import { CHANNEL, MemoryStore, NOW, PRICES, USAGE, USAGE_COST } from './client.test-kit';

const signer = generateSigner();
const LONGEST_RUN_SEC = 900;

function bookOn(store: BookStore): ChannelBook {
  return new ChannelBook(store, CHANNEL, signer);
}

function authorisation(number: bigint, maxAmount = 1000n): Authorisation {
  return { orderHash: number, receiptKey: 7n, seal: number, maxAmount, validUntil: NOW + 300, prices: PRICES };
}

function place(book: ChannelBook): Promise<OrderRecord> {
  return book.place((number) => ({ salt: number, authorisation: authorisation(number) }));
}

function receiptFor(order: OrderRecord, usage: Usage = USAGE): SignedReceipt {
  const authorisationHash = order.authorisation === null ? 0n : statementHash(packAuthorisation(order.authorisation));
  const receipt = { authorisationHash, sealedHash: 1n, details: 2n, usage, status: RECEIPT_STATUS.complete, at: NOW };
  return { receipt, signature: new Uint8Array(64) };
}

/** Places a request that ends in a receipt. */
async function serve(book: ChannelBook): Promise<OrderRecord> {
  const order = await place(book);
  await book.addReceipt(order.number, receiptFor(order));
  book.end(order.number);
  return order;
}

function coveredBy(signed: SignedVoucher, number: bigint): boolean {
  return isCovered(signed.voucher, new Set(signed.openNumbers), number);
}

test('signs a voucher over the receipts, and leaves numbers without one open', async () => {
  const book = bookOn(new MemoryStore());
  await serve(book);
  const open = await place(book);
  await serve(book);
  const signed = await book.makeVoucher();
  expect(signed.voucher).toEqual({ channel: CHANNEL, total: 2n * USAGE_COST, upTo: 3n, open: openHash([open.number]) });
  expect(signed.openNumbers).toEqual([2n]);
  const message = toBigEndian(statementHash(packVoucher(signed.voucher)), 32);
  expect(await nodeCrypto.verifyEd25519(signer.publicKey, message, signed.signature)).toBe(true);
  expect(book.isVoucherDue).toBe(false);
  expect(book.outstanding).toBe(0n);
});

test('counts a receipt once, however often it comes', async () => {
  const book = bookOn(new MemoryStore());
  const order = await place(book);
  await Promise.all([book.addReceipt(1n, receiptFor(order)), book.addReceipt(1n, receiptFor(order))]);
  expect((await book.makeVoucher()).voucher.total).toBe(USAGE_COST);
  await book.addReceipt(1n, receiptFor(order));
  expect(book.isVoucherDue).toBe(false);
  expect((await book.makeVoucher()).voucher.total).toBe(USAGE_COST);
});

test('a receipt that comes twice at once, around a voucher, is paid once', async () => {
  const base = new MemoryStore();
  const order = await place(bookOn(base));
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let receipts = 0;
  // The second write of a receipt is slow.
  const save = (change: BookChange) => (change.head === undefined && receipts++ > 0 ? held : Promise.resolve());
  const book = bookOn({ load: () => base.load(), save });
  const [first, second] = [book.addReceipt(1n, receiptFor(order)), book.addReceipt(1n, receiptFor(order))];
  await first;
  expect((await book.makeVoucher()).voucher.total).toBe(USAGE_COST);
  release();
  await second;
  expect(book.isVoucherDue).toBe(false);
  expect(book.outstanding).toBe(0n);
});

test('a number without a receipt costs nothing, but only once it has expired and was released', async () => {
  const book = bookOn(new MemoryStore());
  await place(book);
  const over = NOW + 300 + LONGEST_RUN_SEC + 1;
  expect(book.expired(over, LONGEST_RUN_SEC)).toEqual([]);
  book.end(1n);
  expect(book.expired(over - 1, LONGEST_RUN_SEC)).toEqual([]);
  expect(book.expired(over, LONGEST_RUN_SEC)).toEqual([1n]);
  expect(book.isVoucherDue).toBe(false);
  book.release([1n]);
  const signed = await book.makeVoucher();
  expect(signed.voucher).toMatchObject({ total: 0n, upTo: 1n, open: 0n });
});

test('a released number whose receipt comes after all is paid', async () => {
  const book = bookOn(new MemoryStore());
  const order = await place(book);
  book.end(1n);
  book.release([1n]);
  await book.addReceipt(1n, receiptFor(order));
  expect((await book.makeVoucher()).voucher.total).toBe(USAGE_COST);
});

test('refuses to open more numbers than a voucher can carry (too_many_open)', async () => {
  const book = bookOn(new MemoryStore());
  for (let i = 0; i < 1000; i++) await place(book);
  await expect(place(book)).rejects.toMatchObject({ code: 'too_many_open' });
  await book.addReceipt(1n, receiptFor({ number: 1n, salt: 1n, authorisation: authorisation(1n), validUntil: 0, receipt: null }));
  expect((await place(book)).number).toBe(1001n);
});

describe('adopting what the proxy shows', () => {
  test('a newer voucher of our own moves an older copy of the record forward', async () => {
    const store = new MemoryStore();
    const book = bookOn(store);
    await serve(book);
    const old = store.copy();
    await serve(book);
    await place(book);
    const newest = await book.makeVoucher();

    const restored = bookOn(old);
    await restored.adopt(newest, [], NOW);
    expect(restored.total).toBe(2n * USAGE_COST);
    expect(restored.outstanding).toBe(0n);
    expect((await place(restored)).number).toBe(4n);
    // The open number 3 was forgotten: it stays open, since nothing here can tell what is owed for it.
    expect((await restored.makeVoucher()).openNumbers).toEqual([3n, 4n]);
  });

  test('an older voucher changes nothing', async () => {
    const book = bookOn(new MemoryStore());
    await serve(book);
    const older = await book.makeVoucher();
    await serve(book);
    const newest = await book.makeVoucher();
    await book.adopt(older, [], NOW);
    expect(book.voucher).toBe(newest);
  });

  test('a number that was forgotten is never used again, and never paid blindly', async () => {
    const book = bookOn(new MemoryStore());
    await serve(book);
    await book.adopt(null, [1n, 5n], NOW);
    await book.addReceipt(5n, receiptFor({ number: 5n, salt: 0n, authorisation: authorisation(5n), validUntil: NOW, receipt: null }));
    expect(book.outstanding).toBe(USAGE_COST);
    expect((await place(book)).number).toBe(6n);
    expect((await book.makeVoucher()).openNumbers).toEqual([5n, 6n]);
  });

  test('a number that was forgotten is paid once what was signed for it is recalled', async () => {
    const store = new MemoryStore();
    const book = bookOn(store);
    await book.adopt(null, [5n], NOW);
    await book.recall(5n, 55n, authorisation(5n));
    await book.recall(5n, 56n, authorisation(6n));
    await book.recall(4n, 44n, authorisation(4n));
    expect(bookOn(store).order(5n)).toEqual({
      number: 5n,
      salt: 55n,
      authorisation: authorisation(5n),
      validUntil: NOW + 300,
      receipt: null,
    });
    expect(book.order(4n)).toBeUndefined();
    await book.addReceipt(5n, receiptFor({ number: 5n, salt: 0n, authorisation: authorisation(5n), validUntil: NOW, receipt: null }));
    expect((await book.makeVoucher()).voucher).toMatchObject({ total: USAGE_COST, upTo: 5n, open: 0n });
  });
});

/** What happens to a channel, in any order. */
type Step = 'place' | 'receipt' | 'voucher' | 'expire' | 'reopen';
const steps = fc.array(fc.constantFrom<Step>('place', 'place', 'receipt', 'receipt', 'voucher', 'expire', 'reopen'), { maxLength: 60 });
const usage = fc.record({
  uncachedPrompt: fc.nat(1000),
  cachedPrompt: fc.nat(1000),
  answer: fc.nat(1000),
  reasoning: fc.nat(1000),
});

/** The other side's memory: what was promised to it survives whatever happens here. */
class Witness {
  readonly placed: bigint[] = [];
  readonly receipts = new Map<bigint, bigint>();
  readonly shown: SignedVoucher[] = [];

  /** P1: a voucher is worth exactly the receipts that it covers. P2: it never falls back. */
  check(signed: SignedVoucher): void {
    let due = 0n;
    for (const [number, price] of this.receipts) if (coveredBy(signed, number)) due += price;
    expect(signed.voucher.total).toBe(due);
    const last = this.shown.at(-1);
    if (last !== undefined) {
      expect(signed.voucher.total).toBeGreaterThanOrEqual(last.voucher.total);
      expect(signed.voucher.upTo).toBeGreaterThanOrEqual(last.voucher.upTo);
      for (const number of this.placed) if (coveredBy(last, number)) expect(coveredBy(signed, number)).toBe(true);
    }
    this.shown.push(signed);
  }
}

async function walk(store: MemoryStore, sequence: readonly Step[], usages: readonly Usage[], witness: Witness): Promise<MemoryStore> {
  let book = bookOn(store);
  const open: OrderRecord[] = [];
  for (const [index, step] of sequence.entries()) {
    switch (step) {
      case 'place': {
        const order = await place(book);
        expect(witness.placed).not.toContain(order.number);
        witness.placed.push(order.number);
        open.push(order);
        break;
      }
      case 'receipt': {
        const order = open.splice(index % Math.max(1, open.length), 1)[0];
        if (order?.authorisation === undefined || order.authorisation === null) break;
        const used = usages[index % usages.length] ?? USAGE;
        // The guest has signed it, so the other side has it whatever happens here.
        witness.receipts.set(order.number, cost(used, PRICES, order.authorisation.maxAmount));
        await book.addReceipt(order.number, receiptFor(order, used));
        book.end(order.number);
        break;
      }
      case 'voucher':
        if (book.isVoucherDue) witness.check(await book.makeVoucher());
        break;
      case 'expire': {
        const [order] = open.splice(0, 1);
        if (order === undefined) break;
        book.end(order.number);
        book.release([order.number]);
        break;
      }
      case 'reopen':
        book = bookOn(store);
        break;
    }
  }
  return store;
}

test('P1, P2: on any walk a voucher is worth exactly the receipts that it covers, and never falls back', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.array(usage, { minLength: 1, maxLength: 5 }), async (sequence, usages) => {
      await walk(new MemoryStore(), sequence, usages, new Witness());
    }),
    { numRuns: 200, seed: 7 },
  );
});

test('P3: killed before or after any write, it uses no number twice, pays nothing twice, and pays what is owed', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(40), fc.boolean(), async (sequence, at, isSaved) => {
      const store = new MemoryStore();
      store.crash = { at: at + 1, isSaved };
      const witness = new Witness();
      await walk(store, sequence, [USAGE], witness).catch((error: unknown) => expect(error).toMatchObject({ message: 'killed' }));

      const book = bookOn(store.copy());
      // What the guest signed and this side had not written comes back from the other side.
      for (const number of witness.receipts.keys()) {
        const order = book.order(number);
        if (order !== undefined) await book.addReceipt(number, receiptFor(order));
      }
      const next = await place(book);
      expect(witness.placed).not.toContain(next.number);
      await book.addReceipt(next.number, receiptFor(next));
      witness.placed.push(next.number);
      witness.receipts.set(next.number, USAGE_COST);
      witness.check(await book.makeVoucher());
      for (const number of witness.receipts.keys()) expect(coveredBy(book.voucher ?? fail(), number)).toBe(true);
    }),
    { numRuns: 300, seed: 11 },
  );
});

function fail(): never {
  throw new Error('there is no voucher');
}

describe('in the ledger', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-book-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test('everything is there again after the process has ended', async () => {
    const first = Ledger.open(folder);
    const book = bookOn(new LedgerBookStore(first, CHANNEL.toRawString()));
    await serve(book);
    const signed = await book.makeVoucher();
    const open = await place(book);
    const paid = await serve(book);
    await first.close();

    const second = Ledger.open(folder);
    const again = bookOn(new LedgerBookStore(second, CHANNEL.toRawString()));
    expect(again.voucher && encodeSignedVoucher(again.voucher)).toEqual(encodeSignedVoucher(signed));
    expect(again.lastNumber).toBe(3n);
    expect(again.order(open.number)).toEqual(open);
    expect(again.order(paid.number)?.receipt).toEqual(receiptFor(paid));
    expect(again.outstanding).toBe(USAGE_COST);
    expect(bookOn(new LedgerBookStore(second, '0:other')).lastNumber).toBe(0n);
    await second.close();
  });
});
