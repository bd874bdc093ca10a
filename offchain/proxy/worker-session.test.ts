import { Address } from '@ton/core';
import { packReceipt, packWorkerVoucher, statementHash } from '../../wrappers/statements';
import { documentFor, policyOf } from '../attestation/gpu/gpu.test-kit';
import { MAX_GPU_DOCUMENT_SIZE } from '../attestation/gpu/gpu-document';
import { hex, makeGuest, NOW } from '../client/guest.test-kit';
import { toBigEndian, toHex } from '../core/bytes';
import { CallError } from '../protocol/json';
import { generateSigner } from '../runtime/node-crypto';
import { type Connection, readAll } from '../transport/exchange';
import { PRICE, TestCaller } from './caller.test-kit';
import { type RunningProxy, until, World } from './running-proxy.test-kit';
import { EARNED, TestWorker } from './worker.test-kit';

let world: World;
let proxy: RunningProxy;
let worker: TestWorker;
let caller: TestCaller;
let connection: Connection;

jest.setTimeout(30_000);

beforeEach(async () => {
  world = await World.make();
  worker = new TestWorker(world.guest);
  caller = new TestCaller(world);
  caller.hold();
  proxy = await world.start();
  connection = await proxy.connect();
});

afterEach(async () => {
  await world.end();
  expect(proxy.failures).toEqual([]);
});

const offers = () => proxy.workers.offers(null);
const contract = () => world.workerContract(worker.owner).address;
const owed = () => proxy.debts.get(contract().toRawString()).total;
const standing = () => proxy.requests.standing(caller.id);
const dropped = () => until(() => proxy.workers.size === 0);

/** A round that is over for this worker: another has begun. */
async function round(of: TestWorker = worker): Promise<void> {
  for (let rounds = 0; rounds < 2; rounds++) {
    const before = of.countOf('GET /v1/worker');
    await until(() => {
      proxy.workers.refreshAll();
      return of.countOf('GET /v1/worker') > before;
    });
  }
}

/** A request whose answer is lost on its way, while its receipt is not. */
async function loseAnswer(maxAmount = 10_000n): Promise<void> {
  worker.alter = (pieces) => [...pieces.slice(0, 1), new Error('gone')];
  await expect(caller.ask(connection, world.guest, { maxAmount })).rejects.toThrow();
  worker.alter = (pieces) => pieces;
  const receipt = worker.signed.at(-1);
  if (receipt !== undefined) worker.receipts.set(BigInt(worker.signed.length), receipt);
}

describe('a worker', () => {
  it('is offered once its evidence is verified and accounts are agreed', async () => {
    await proxy.attach(worker);
    expect(offers()).toMatchObject([
      { owner: worker.info.owner, keys: { evidence: world.guest.digest }, load: { running: 0, capacity: 4 } },
    ]);
    expect(worker.newest?.voucher).toMatchObject({ total: 0n, tokens: 0n });
  });

  it('is not offered while its image is not active', async () => {
    world.images.set(world.guest.imageHash, { roles: ['worker'], activeFromSec: NOW + 10 });
    await proxy.dial(worker);
    await until(() => worker.newest !== null);
    await round();
    expect(offers()).toEqual([]);
    world.clock.advance(10);
    proxy.workers.refreshAll();
    await until(() => offers().length === 1);
  });

  it.each([
    ['image was removed', (of: World) => of.images.clear()],
    ['model was removed', (of: World) => of.models.clear()],
    [
      'image was listed anew and is not active yet',
      (of: World) => of.images.set(of.guest.imageHash, { roles: ['worker'], activeFromSec: NOW + 5 }),
    ],
    [
      'model is listed as another kind',
      (of: World) => of.models.set(of.guest.offer.model.hash, { kind: 'verity', activeFromSec: NOW - 100 }),
    ],
    ['image may no longer be a worker', (of: World) => of.images.set(of.guest.imageHash, { roles: ['proxy'], activeFromSec: NOW - 5 })],
  ])('is no longer offered once its %s', async (_what, change) => {
    await proxy.attach(worker);
    change(world);
    await round();
    await until(() => offers().length === 0);
    expect(await caller.ask(connection, world.guest)).toMatchObject({ code: 'worker_gone' });
  });

  it('is no longer offered once its image was removed, though it answers nothing any more', async () => {
    await proxy.attach(worker);
    worker.before = () => new Promise(() => {});
    proxy.workers.refreshAll();
    world.images.clear();
    proxy.workers.refreshAll();
    await until(() => offers().length === 0);
    expect(proxy.workers.size).toBe(1);
  });

  it('whose evidence was refused is asked for it again after ten seconds, not with every round', async () => {
    world.images.clear();
    await proxy.dial(worker);
    await until(() => worker.newest !== null);
    for (let rounds = 0; rounds < 3; rounds++) await round();
    expect(worker.countOf('GET /v1/evidence')).toBe(1);
    world.clock.advance(10);
    await round();
    expect(worker.countOf('GET /v1/evidence')).toBe(2);
  });

  it('that shows the evidence of another guest is dropped', async () => {
    await proxy.dial(new TestWorker(world.guest, generateSigner()));
    await until(() => proxy.workers.size === 1);
    await dropped();
  });

  it('is offered with the keys that were verified, whatever it says later', async () => {
    await proxy.attach(worker);
    const { guest } = worker.info;
    if (guest === null) throw new Error('no guest');
    worker.info = {
      ...worker.info,
      guest: { ...guest, keys: { ...guest.keys, receipt: hex(0x99) }, model: { ...guest.model, name: 'other' } },
    };
    await round();
    expect(offers()).toMatchObject([{ keys: { receipt: world.guest.offer.keys.receipt }, model: { name: world.guest.offer.model.name } }]);
  });

  it.each([
    ['names another owner', (of: TestWorker) => ({ ...of.info, owner: `0:${hex(0x23)}` })],
    ['asks prices that no statement can carry', (of: TestWorker) => ({ ...of.info, prices: { ...of.info.prices, answer: 1n << 48n } })],
  ])('that %s is dropped, and the offers of others stand', async (_what, change) => {
    const other = new TestWorker(await makeGuest());
    world.list(other.guest);
    await proxy.attach(worker);
    await proxy.attach(other);
    worker.info = change(worker);
    proxy.workers.refreshAll();
    await until(() => proxy.workers.size === 1);
    expect(offers().map(({ keys }) => keys.evidence)).toEqual([other.guest.digest]);
  });

  it('that does not answer keeps no other waiting', async () => {
    await proxy.attach(worker);
    worker.before = () => new Promise(() => {});
    proxy.workers.refreshAll();
    const other = new TestWorker(await makeGuest());
    world.list(other.guest);
    await proxy.attach(other);
    await round(other);
    await round(other);
    expect(proxy.workers.size).toBe(2);
  });

  it('with a GPU is offered where its GPU is believed, and clients get its GPU evidence as it came', async () => {
    const strict = await policyOf();
    world.gpu = strict;
    await proxy.stop();
    proxy = await world.start();
    const withGpu = new TestWorker(await makeGuest(undefined, undefined, {}, documentFor));
    world.list(withGpu.guest);
    await proxy.attach(withGpu);
    const { digest, gpuEvidence } = withGpu.guest;
    expect(withGpu.countOf(`GET /v1/gpu-evidence/${digest}`)).toBe(1);
    connection = await proxy.connect();
    const served = await connection.call({ method: 'GET', path: `/v1/gpu-evidence/${digest}` });
    expect(served.status).toBe(200);
    expect(toHex(await readAll(served.body, MAX_GPU_DOCUMENT_SIZE))).toBe(toHex(gpuEvidence ?? new Uint8Array(0)));
    const none = await connection.call({ method: 'GET', path: `/v1/gpu-evidence/${world.guest.digest}` });
    expect(none.status).toBe(404);
  });

  it.each([
    ['whose GPU nobody lists', async () => makeGuest(undefined, undefined, {}, documentFor), async () => ({})],
    ['that shows no GPU where one is required', async () => makeGuest(), policyOf],
    [
      "that shows another worker's GPU",
      async () => makeGuest(undefined, undefined, {}, async () => documentFor({ sealing: [], receipt: hex(0x44) })),
      policyOf,
    ],
  ])('%s is not offered', async (_what, make, gpu) => {
    world.gpu = { ...world.gpu, ...(await gpu()) };
    await proxy.stop();
    proxy = await world.start();
    const refused = new TestWorker(await make());
    world.list(refused.guest);
    await proxy.dial(refused);
    await until(() => refused.newest !== null);
    await round(refused);
    expect(offers()).toEqual([]);
  });

  it('that takes no vouchers gets no work', async () => {
    worker.before = async (call) => {
      if (call.path === '/v1/vouchers') throw new CallError('voucher_refused', 'no');
    };
    await proxy.dial(worker);
    await until(() => worker.countOf('POST /v1/vouchers') > 0);
    await round();
    expect(offers()).toEqual([]);
    worker.before = async () => {};
    proxy.workers.refreshAll();
    await until(() => offers().length === 1);
  });

  it('that raises its prices behind an offer is paid by the offer', async () => {
    await proxy.attach(worker);
    const doubled = Object.entries(worker.info.prices).map(([name, price]) => [name, price * 2n] as const);
    const prices = { uncachedPrompt: 0n, cachedPrompt: 0n, answer: 0n, reasoning: 0n, ...Object.fromEntries(doubled) };
    worker.info = { ...worker.info, prices };
    await round();
    expect(await caller.ask(connection, world.guest)).toBeNull();
    expect(standing().outstanding).toBe(PRICE);
    expect(owed()).toBe(EARNED);
  });

  it('serves its evidence from what was verified', async () => {
    await proxy.attach(worker);
    const asked = worker.countOf('GET /v1/evidence');
    const path = `/v1/evidence/${world.guest.digest}`;
    for (let i = 0; i < 3; i++) expect((await connection.call({ method: 'GET', path })).status).toBe(200);
    expect(worker.countOf('GET /v1/evidence')).toBe(asked);
    expect((await connection.call({ method: 'GET', path: `/v1/evidence/${hex(1)}` })).status).toBe(404);
  });
});

describe('receipts that come without their answers', () => {
  it('count for both sides, once however often they are shown', async () => {
    await proxy.attach(worker);
    await loseAnswer();
    worker.show = (after) => {
      const receipt = worker.signed[0];
      // Always the same one, under a new number.
      return receipt === undefined ? [] : [{ sequence: after + 1n, receipt }];
    };
    await round();
    await until(() => standing().outstanding === PRICE);
    await round();
    expect(standing()).toMatchObject({ outstanding: PRICE, reserved: 0n });
    expect(owed()).toBe(EARNED);
  });

  it('are asked for in pages, and only so many in one round', async () => {
    await proxy.attach(worker);
    await loseAnswer();
    const receipt = worker.signed[0];
    if (receipt === undefined) throw new Error('no receipt');
    const before = worker.countOf('GET /v1/receipts');
    // A worker that never comes to an end.
    worker.show = (after) => [{ sequence: after + 1n, receipt }];
    const vouchers = worker.countOf('POST /v1/vouchers');
    proxy.workers.refreshAll();
    await until(() => worker.countOf('POST /v1/vouchers') > vouchers);
    expect(worker.countOf('GET /v1/receipts') - before).toBe(10);
  });

  it('are acknowledged by asking for those behind them', async () => {
    await proxy.attach(worker);
    await loseAnswer();
    await round();
    await until(() => standing().outstanding === PRICE);
    await round();
    expect(worker.calls.filter((call) => call.startsWith('GET /v1/receipts')).at(-1)).toBe('GET /v1/receipts?after=1');
  });

  it.each([
    ['with a bad signature', (of: TestWorker) => of.signed.map(({ receipt }) => ({ receipt, signature: new Uint8Array(64) }))],
    [
      'with altered counts',
      (of: TestWorker) =>
        of.signed.map(({ receipt, signature }) => ({ receipt: { ...receipt, usage: { ...receipt.usage, answer: 21 } }, signature })),
    ],
  ])('%s count nothing, and end the connection', async (_what, forge) => {
    await proxy.attach(worker);
    await loseAnswer();
    const forged = forge(worker);
    worker.show = (after) => (after === 0n ? forged.map((receipt, at) => ({ sequence: BigInt(at + 1), receipt })) : []);
    proxy.workers.refreshAll();
    await dropped();
    expect(standing()).toMatchObject({ outstanding: 0n, reserved: 10_000n });
    expect(owed()).toBe(0n);
  });

  it('signed by the key of another guest count nothing', async () => {
    await proxy.attach(worker);
    await loseAnswer();
    const { receipt } = worker.signed[0] ?? { receipt: undefined };
    if (receipt === undefined) throw new Error('no receipt');
    const signature = await generateSigner().sign(toBigEndian(statementHash(packReceipt(receipt)), 32));
    worker.show = (after) => (after === 0n ? [{ sequence: 1n, receipt: { receipt, signature } }] : []);
    proxy.workers.refreshAll();
    await dropped();
    expect(owed()).toBe(0n);
  });

  it('out of order end the connection', async () => {
    await proxy.attach(worker);
    await loseAnswer();
    const receipt = worker.signed[0];
    if (receipt === undefined) throw new Error('no receipt');
    worker.show = () => [{ sequence: 0n, receipt }];
    proxy.workers.refreshAll();
    await dropped();
  });

  it('drop the worker when they are worth too much, until clients sign for them', async () => {
    await world.end();
    world = await World.make();
    worker = new TestWorker(world.guest);
    caller = new TestCaller(world);
    caller.hold();
    proxy = await world.start({ maxUndeliveredNano: String(2n * PRICE) });
    connection = await proxy.connect();
    await proxy.attach(worker);
    for (let i = 0; i < 3; i++) await loseAnswer();
    proxy.workers.refreshAll();
    await dropped();
    expect(standing().outstanding).toBe(3n * PRICE);

    await proxy.dial(worker);
    await until(() => proxy.workers.size === 1);
    await dropped();

    expect(await caller.sendVoucher(connection, await caller.voucher({ total: PRICE, upTo: 3n }, [2n, 3n]))).toBeNull();
    await proxy.attach(worker);
    expect(await caller.ask(connection, world.guest)).toBeNull();
  });

  it('are forgiven after a day', async () => {
    await proxy.attach(worker);
    await loseAnswer();
    await round();
    await until(() => standing().outstanding === PRICE);
    const id = contract().toRawString();
    expect(proxy.requests.undelivered(id, NOW)).toBe(PRICE);
    expect(proxy.requests.undelivered(id, NOW + 86_401)).toBe(0n);
  });

  it('do not count against a worker whose answer arrives a moment later', async () => {
    await proxy.attach(worker);
    let release = () => {};
    worker.alter = (pieces) => {
      const receipt = worker.signed.at(-1);
      if (receipt !== undefined) worker.receipts.set(1n, receipt);
      return pieces;
    };
    worker.hold = new Promise((resolve) => {
      release = resolve;
    });
    const running = caller.ask(connection, world.guest);
    await until(() => standing().reserved > 0n);
    release();
    await running;
    await round();
    expect(proxy.requests.undelivered(contract().toRawString(), NOW)).toBe(0n);
    expect(owed()).toBe(EARNED);
  });

  it('and what is in flight are limited for each worker (not_ready)', async () => {
    await world.end();
    world = await World.make();
    worker = new TestWorker(world.guest);
    caller = new TestCaller(world);
    caller.hold();
    proxy = await world.start({ workerCreditNano: '25000' });
    connection = await proxy.connect();
    await proxy.attach(worker);
    await loseAnswer();
    await loseAnswer();
    expect(await caller.ask(connection, world.guest)).toEqual({ code: 'not_ready', check: 'worker-credit', missingNano: undefined });
    expect(await caller.ask(connection, world.guest, { maxAmount: 5000n })).toBeNull();
  });
});

describe('a proxy whose record is an old backup', () => {
  const voucherOf = async (total: bigint, workerContract = contract(), signer = world.payer) => {
    const voucher = { workerContract, total, tokens: 7n };
    return { voucher, signature: await signer.sign(toBigEndian(statementHash(packWorkerVoucher(voucher)), 32)) };
  };

  it('takes the newer voucher that a worker shows, and goes on from there', async () => {
    worker.newest = await voucherOf(5000n);
    await proxy.attach(worker);
    expect(owed()).toBe(5000n);
    await caller.ask(connection, world.guest);
    await until(() => worker.newest?.voucher.total === 5000n + EARNED);
  });

  it('does not pay again for what was in flight in the backup', async () => {
    await proxy.attach(worker);
    await loseAnswer();
    // The receipt was counted and is in the voucher, which the backup does not know; it is held back, then shown again.
    const receipts = [...worker.receipts];
    worker.receipts.clear();
    worker.newest = await voucherOf(EARNED);
    worker.cut();
    await dropped();
    await proxy.attach(worker);
    expect(owed()).toBe(EARNED);
    for (const [sequence, receipt] of receipts) worker.receipts.set(sequence, receipt);
    await round();
    await until(() => standing().outstanding === PRICE);
    expect(owed()).toBe(EARNED);
  });

  it.each([
    ['another contract', () => voucherOf(5000n, Address.parseRaw(`0:${hex(0x24)}`))],
    ['another key', () => voucherOf(5000n, contract(), generateSigner())],
  ])('takes no voucher of %s', async (_what, make) => {
    worker.newest = await make();
    await proxy.attach(worker);
    expect(owed()).toBe(0n);
  });
});
