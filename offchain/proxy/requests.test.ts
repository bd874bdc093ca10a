import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Address } from '@ton/core';
import { z } from 'zod';
import { type Authorisation, openHash, packVoucher, packWorkerVoucher, RECEIPT_STATUS, statementHash } from '../../wrappers/statements';
import { hex, NOW, PRICES, USAGE } from '../client/guest.test-kit';
import { toBigEndian } from '../core/bytes';
import { Ledger } from '../ledger/ledger';
import type { SignedReceipt } from '../protocol/statements-json';
import { generateSigner, nodeCrypto } from '../runtime/node-crypto';
import type { SignedVoucher } from '../sealing/relay-body';
import { EMPTY_VIEW, OFFERED, PRICE } from './caller.test-kit';
import type { ChannelView } from './channels';
import { type RequestRecord, requestKey, requestSchema } from './request-record';
import { authorisationHashOf, RequestBook } from './requests';
import { EARNED } from './worker.test-kit';
import { WorkerDebts } from './worker-debts';

const session = generateSigner();
const payer = generateSigner();
const CHANNEL = Address.parseRaw(`0:${hex(0x41)}`);
const ID = CHANNEL.toRawString();
const WORKER = Address.parseRaw(`0:${hex(0x42)}`);
const WORKER_ID = WORKER.toRawString();
const LIMITS = { creditWindow: 10n ** 12n, workerCredit: 10n ** 12n, maxOnRecord: 100_000 };
const MAX_AMOUNT = 1000n;

let folder: string;
let ledger: Ledger;
let debts: WorkerDebts;
let book: RequestBook;
let view: ChannelView;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cocoon-book-'));
  view = { ...EMPTY_VIEW, owner: CHANNEL, sessionKey: session.publicKey, deposit: 10n ** 12n };
  open();
});

afterEach(async () => {
  await ledger.close();
  rmSync(folder, { recursive: true });
});

function open(name = 'ledger'): void {
  ledger = Ledger.open(join(folder, name));
  debts = new WorkerDebts(ledger, payer, nodeCrypto);
  book = new RequestBook(ledger, debts, nodeCrypto);
}

/** The process ends, and another begins on the same record. */
async function reopen(name = 'ledger'): Promise<void> {
  await ledger.close();
  open(name);
}

const channel = () => ({ id: ID, address: CHANNEL, view });
const standing = () => book.standing(ID);
const owed = () => debts.get(WORKER_ID).total;

function record(number: bigint, change: Partial<Authorisation> = {}): RequestRecord {
  const authorisation = {
    orderHash: number,
    receiptKey: 7n,
    seal: number,
    maxAmount: MAX_AMOUNT,
    validUntil: NOW + 300,
    prices: OFFERED,
    ...change,
  };
  return {
    order: { channel: CHANNEL, number, salt: 1n },
    authorisation,
    authorisationHash: authorisationHashOf(authorisation),
    signature: new Uint8Array(64),
    workerContract: WORKER_ID,
    workerPrices: PRICES,
    evidence: hex(0x43),
    receipt: null,
    isDelivered: false,
    isVoid: false,
    isSettling: false,
    at: NOW,
  };
}

const begin = (number: bigint, change: Partial<Authorisation> = {}) => book.begin(channel(), record(number, change), LIMITS);

function receiptOf({ authorisationHash }: RequestRecord): SignedReceipt {
  const receipt = {
    authorisationHash: BigInt(`0x${authorisationHash}`),
    sealedHash: 1n,
    details: 2n,
    usage: USAGE,
    status: RECEIPT_STATUS.complete,
    at: NOW,
  };
  return { receipt, signature: new Uint8Array(64) };
}

const complete = (number: bigint, isDelivered = true) => book.complete(receiptOf(record(number)), isDelivered, NOW);

async function serve(...numbers: readonly bigint[]): Promise<void> {
  for (const number of numbers) {
    expect(await begin(number)).toEqual({ admitted: true });
    expect(await complete(number)).toBe(true);
  }
}

async function voucher(total: bigint, upTo: bigint, openNumbers: readonly bigint[] = []): Promise<SignedVoucher> {
  const statement = { channel: CHANNEL, total, upTo, open: openHash(openNumbers) };
  return { voucher: statement, openNumbers, signature: await session.sign(toBigEndian(statementHash(packVoucher(statement)), 32)) };
}

const accept = async (...args: Parameters<typeof voucher>) => book.acceptVoucher(channel(), await voucher(...args));

describe('the record', () => {
  it('carries 10,000 unsettled requests of one channel, reads none of them for the next, and takes one voucher over all', async () => {
    // As 9,800 requests have left it; one write for all, since the disk is not what is looked at here.
    const requests = ledger.table('requests', requestSchema);
    const byAuthorisation = ledger.table('by-authorisation', z.string());
    await ledger.change(() => {
      for (let number = 1n; number <= 9_800n; number++) {
        const served = { ...record(number), receipt: receiptOf(record(number)), isDelivered: true };
        requests.put(requestKey(ID, number), served);
        byAuthorisation.put(served.authorisationHash, requestKey(ID, number));
      }
      ledger.table('open-channels', z.literal('')).put(ID, '');
      debts.add(WORKER_ID, 9_800n * EARNED, 0n);
    });
    await reopen();
    const rest = Array.from({ length: 200 }, (_, at) => BigInt(9_801 + at));
    for (const number of rest) expect(await begin(number)).toEqual({ admitted: true });
    expect(standing()).toMatchObject({ outstanding: 9_800n * PRICE, reserved: 200n * MAX_AMOUNT });
    for (const number of rest) expect(await complete(number)).toBe(true);
    expect(standing()).toMatchObject({ outstanding: 10_000n * PRICE, reserved: 0n });
    expect(owed()).toBe(10_000n * EARNED);

    await expect(accept(10_000n * PRICE - 1n, 10_000n)).rejects.toMatchObject({ code: 'voucher_too_low' });
    await accept(10_000n * PRICE, 10_000n);
    expect(standing()).toMatchObject({ outstanding: 0n, reserved: 0n });
    expect(standing().coveredNumbers.size).toBe(10_000);

    view = { ...view, charged: 10_000n * PRICE, paid: 10_000n * PRICE, upTo: 10_000n };
    while (standing().coveredNumbers.size > 0) await book.prune(channel());
    await reopen();
    expect(standing()).toMatchObject({ outstanding: 0n, reserved: 0n, coverage: { total: 10_000n * PRICE } });
    expect(await begin(10_000n)).toMatchObject({ reason: 'already_used' });
    expect(await begin(10_001n)).toEqual({ admitted: true });
  }, 60_000);

  it('says the same after the process has ended, whatever the requests came to', async () => {
    await serve(1n, 2n, 3n);
    await accept(PRICE, 3n, [2n, 3n]);
    await begin(4n);
    await begin(5n, { validUntil: NOW - 1000 });
    await book.voidExpired(NOW, 900);
    await begin(6n);
    await complete(6n, false);
    const before = summary();
    expect(before).toMatchObject({
      outstanding: 3n * PRICE,
      reserved: MAX_AMOUNT,
      unpaid: [2n, 3n, 6n],
      inFlight: [4n],
      undelivered: PRICE,
    });
    await reopen();
    expect(summary()).toEqual(before);
  });

  function summary() {
    const { coverage, outstanding, reserved, unpaid, inFlight, coveredNumbers } = standing();
    return {
      coverage,
      outstanding,
      reserved,
      unpaid: [...unpaid.keys()],
      inFlight: [...inFlight.keys()],
      covered: [...coveredNumbers],
      undelivered: book.undelivered(WORKER_ID, NOW),
      owed: owed(),
      channels: book.channels(),
    };
  }

  it('has a number again once its worker has refused before anything ran', async () => {
    await begin(1n);
    await book.withdraw(record(1n));
    expect(standing()).toMatchObject({ outstanding: 0n, reserved: 0n });
    expect(await begin(1n)).toEqual({ admitted: true });
  });

  it('counts a receipt once, however often it comes', async () => {
    await begin(1n);
    expect(await Promise.all([complete(1n), complete(1n, false), complete(1n)])).toEqual([true, false, false]);
    expect(standing().outstanding).toBe(PRICE);
    expect(owed()).toBe(EARNED);
    await accept(PRICE, 1n);
    expect(await complete(1n)).toBe(false);
    view = { ...view, charged: PRICE, paid: PRICE };
    await book.prune(channel());
    expect(await complete(1n)).toBe(false);
    expect(owed()).toBe(EARNED);
  });

  it('holds a receipt against its worker only until its answer has come, too', async () => {
    await begin(1n);
    await complete(1n, false);
    expect(book.undelivered(WORKER_ID, NOW)).toBe(PRICE);
    expect(await complete(1n, true)).toBe(false);
    expect(book.undelivered(WORKER_ID, NOW)).toBe(0n);
    await reopen();
    expect(book.undelivered(WORKER_ID, NOW)).toBe(0n);
  });

  it('counts no receipt of a request that it does not know', async () => {
    expect(await complete(1n)).toBe(false);
    expect(owed()).toBe(0n);
  });

  it('frees what an expired request reserved; a receipt that comes after all is still paid', async () => {
    await begin(1n);
    await book.voidExpired(NOW + 300 + 900, 900);
    expect(standing().reserved).toBe(MAX_AMOUNT);
    await book.voidExpired(NOW + 300 + 901, 900);
    expect(standing().reserved).toBe(0n);
    expect(await complete(1n)).toBe(true);
    expect(standing().outstanding).toBe(PRICE);
    await expect(accept(PRICE - 1n, 1n)).rejects.toMatchObject({ code: 'voucher_too_low' });
  });

  it('pays no worker for a receipt that it held back until the client had covered its number at no cost', async () => {
    await begin(1n);
    await book.voidExpired(NOW + 300 + 901, 900);
    await accept(0n, 1n);
    expect(await complete(1n)).toBe(false);
    expect(standing().outstanding).toBe(0n);
    expect(owed()).toBe(0n);
  });

  it('is bounded for each channel, also for requests that cost nothing', async () => {
    const limits = { ...LIMITS, maxOnRecord: 2 };
    expect(await book.begin(channel(), record(1n, { maxAmount: 0n }), limits)).toEqual({ admitted: true });
    expect(await book.begin(channel(), record(2n, { maxAmount: 0n }), limits)).toEqual({ admitted: true });
    expect(await book.begin(channel(), record(3n, { maxAmount: 0n }), limits)).toEqual({ admitted: false, reason: 'channel_full' });
  });

  it('keeps receipts until a voucher that covers them is charged on chain', async () => {
    await serve(1n);
    await accept(PRICE, 1n);
    await book.prune(channel());
    expect(book.byHash(BigInt(`0x${record(1n).authorisationHash}`))?.receipt).not.toBeNull();
    view = { ...view, charged: PRICE, paid: 0n };
    await book.prune(channel());
    expect(book.byHash(BigInt(`0x${record(1n).authorisationHash}`))).toBeUndefined();
  });

  it('lets go of a channel without losing what is on disk', async () => {
    await serve(1n, 2n);
    await accept(PRICE, 2n, [2n]);
    await book.forget(ID);
    expect(book.channels()).toEqual([]);
    expect(book.undelivered(WORKER_ID, NOW)).toBe(0n);
    expect(standing()).toMatchObject({ outstanding: PRICE, coverage: { total: PRICE, upTo: 2n } });
    await accept(2n * PRICE, 2n);
    expect(book.channels()).toEqual([ID]);
  });

  it('knows what a channel is watched for', async () => {
    const dust = 50n;
    expect(book.activity(channel(), dust)).toBe('settled');
    await begin(1n);
    expect(book.activity(channel(), dust)).toBe('busy');
    await complete(1n);
    expect(book.activity(channel(), dust)).toBe('unsigned');
    await accept(PRICE, 1n);
    expect(book.activity(channel(), dust)).toBe('busy');
    view = { ...view, deposit: dust - 1n };
    expect(book.activity(channel(), dust)).toBe('settled');
    view = { ...view, deposit: 1000n, charged: PRICE };
    expect(book.activity(channel(), dust)).toBe('busy');
    view = { ...view, paid: PRICE };
    expect(book.activity(channel(), dust)).toBe('settled');
  });
});

describe('after a restored backup', () => {
  /** Goes on with the record as it was when `backUp` was called. */
  async function backUp(): Promise<() => Promise<void>> {
    await ledger.durable();
    cpSync(join(folder, 'ledger'), join(folder, 'backup'), { recursive: true });
    return () => reopen('backup');
  }

  /** One and two are served and signed for; then the backup is made; three and four are served, signed for and charged. */
  async function chargeBehindBackup(): Promise<void> {
    await serve(1n, 2n);
    await accept(2n * PRICE, 2n);
    await begin(3n);
    await begin(4n);
    const restore = await backUp();
    await complete(3n);
    await complete(4n);
    await serve(5n);
    await accept(5n * PRICE, 5n);
    view = { ...view, charged: 5n * PRICE, paid: 5n * PRICE, upTo: 5n };
    await restore();
  }

  it('admits nothing in a channel that is charged for more than it knows, until the client shows its voucher', async () => {
    await chargeBehindBackup();
    expect(await begin(6n)).toEqual({ admitted: false, reason: 'credit_exhausted', missing: 3n * PRICE });
    await accept(5n * PRICE, 5n);
    expect(await begin(6n)).toEqual({ admitted: true });
    expect(standing()).toMatchObject({ outstanding: 0n, reserved: MAX_AMOUNT, coverage: { total: 5n * PRICE, upTo: 5n } });
  });

  it('takes no voucher below what is charged, and none that covers less', async () => {
    await chargeBehindBackup();
    await expect(accept(4n * PRICE, 5n)).rejects.toMatchObject({ code: 'voucher_too_low' });
    await expect(accept(5n * PRICE, 4n)).rejects.toMatchObject({ code: 'voucher_falls_back' });
  });

  it('charges nothing twice: what the charged voucher covered is paid, what came later is due', async () => {
    await chargeBehindBackup();
    await accept(5n * PRICE, 5n);
    await serve(6n);
    await expect(accept(6n * PRICE - 1n, 6n)).rejects.toMatchObject({ code: 'voucher_too_low' });
    await accept(6n * PRICE, 6n);
    // Receipts of the numbers that were in flight in the backup come again: they are paid, and no worker is owed for them twice.
    expect(await complete(3n)).toBe(false);
    expect(standing().outstanding).toBe(0n);
  });

  it('also when the record was lost altogether', async () => {
    await serve(1n, 2n);
    view = { ...view, charged: 2n * PRICE, paid: 2n * PRICE, upTo: 2n };
    await reopen('another');
    expect(await begin(3n)).toMatchObject({ reason: 'credit_exhausted' });
    await accept(2n * PRICE, 2n);
    expect(await begin(2n)).toMatchObject({ reason: 'already_used' });
    expect(await begin(3n)).toEqual({ admitted: true });
  });

  it('leaves open what the client leaves open, and has it paid', async () => {
    await serve(1n);
    await begin(2n);
    const restore = await backUp();
    await accept(PRICE, 2n, [2n]);
    view = { ...view, charged: PRICE, paid: PRICE, upTo: 2n };
    await restore();
    await accept(PRICE, 2n, [2n]);
    expect(await complete(2n)).toBe(true);
    await expect(accept(PRICE, 2n)).rejects.toMatchObject({ code: 'voucher_too_low' });
    await accept(2n * PRICE, 2n);
  });

  it('takes what was settled by receipt meanwhile as paid, and lets no voucher leave open what it knows of that', async () => {
    await serve(1n, 2n);
    await accept(PRICE, 1n);
    view = { ...view, charged: 3n * PRICE, paid: 3n * PRICE, upTo: 1n, settled: 3n };
    expect(await begin(4n)).toEqual({ admitted: false, reason: 'credit_exhausted', missing: PRICE });
    await expect(accept(3n * PRICE, 3n, [2n])).rejects.toMatchObject({ code: 'voucher_leaves_settled' });
    await accept(3n * PRICE, 3n);
    expect(standing()).toMatchObject({ outstanding: 0n, coverage: { total: 3n * PRICE, upTo: 3n } });
  });

  it('pays no worker twice: its newer voucher counts, and what was in flight in the backup is in it', async () => {
    await begin(1n);
    await begin(2n);
    const restore = await backUp();
    await complete(1n);
    const newest = await debts.voucher(WORKER_ID);
    await restore();
    await book.adoptWorkerVoucher(newest);
    expect(owed()).toBe(EARNED);
    expect(await complete(1n)).toBe(true);
    expect(await complete(2n)).toBe(true);
    expect(owed()).toBe(EARNED);
    expect(standing().outstanding).toBe(2n * PRICE);
    await begin(3n);
    await complete(3n);
    expect(owed()).toBe(2n * EARNED);
  });

  it('believes no worker voucher that it has not signed, or that is not above the record', async () => {
    await serve(1n);
    const statement = { workerContract: WORKER, total: 10n ** 9n, tokens: 0n };
    const signature = await generateSigner().sign(toBigEndian(statementHash(packWorkerVoucher(statement)), 32));
    await book.adoptWorkerVoucher({ voucher: statement, signature });
    expect(owed()).toBe(EARNED);
    const older = await debts.voucher(WORKER_ID);
    await serve(2n);
    await book.adoptWorkerVoucher(older);
    expect(owed()).toBe(2n * EARNED);
  });
});
