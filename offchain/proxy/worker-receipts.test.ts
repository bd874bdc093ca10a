import { Address } from '@ton/core';
import { packReceipt, packWorkerVoucher, statementHash } from '../../wrappers/statements';
import { hex, NOW } from '../client/guest.test-kit';
import { toBigEndian } from '../core/bytes';
import { until } from '../core/until.test-kit';
import { generateSigner } from '../runtime/node-crypto';
import { PRICE } from './caller.test-kit';
import { Scene } from './scene.test-kit';
import { EARNED, type TestWorker } from './worker.test-kit';

let scene: Scene;

jest.setTimeout(30_000);

beforeEach(async () => {
  scene = await Scene.open();
});

afterEach(() => scene.end());

/** A request whose answer is lost on its way, while its receipt is not. */
async function loseAnswer(maxAmount = 10_000n): Promise<void> {
  scene.worker.alter = (pieces) => [...pieces.slice(0, 1), new Error('gone')];
  await expect(scene.caller.ask(scene.connection, scene.world.guest, { maxAmount })).rejects.toThrow();
  scene.worker.alter = (pieces) => pieces;
  const receipt = scene.worker.signed.at(-1);
  if (receipt !== undefined) scene.worker.receipts.set(BigInt(scene.worker.signed.length), receipt);
}

describe('receipts that come without their answers', () => {
  it('count for both sides, once however often they are shown', async () => {
    await scene.attach();
    await loseAnswer();
    scene.worker.show = (after) => {
      const receipt = scene.worker.signed[0];
      // Always the same one, under a new number.
      return receipt === undefined ? [] : [{ sequence: after + 1n, receipt }];
    };
    await scene.round();
    await until(() => scene.standing().outstanding === PRICE);
    await scene.round();
    expect(scene.standing()).toMatchObject({ outstanding: PRICE, reserved: 0n });
    expect(scene.owed()).toBe(EARNED);
  });

  it('are asked for in pages, and only so many in one round', async () => {
    await scene.attach();
    await loseAnswer();
    const receipt = scene.worker.signed[0];
    if (receipt === undefined) throw new Error('no receipt');
    const before = scene.worker.countOf('GET /v1/receipts');
    // A worker that never comes to an end.
    scene.worker.show = (after) => [{ sequence: after + 1n, receipt }];
    const vouchers = scene.worker.countOf('POST /v1/vouchers');
    scene.proxy.workers.refreshAll();
    await until(() => scene.worker.countOf('POST /v1/vouchers') > vouchers);
    expect(scene.worker.countOf('GET /v1/receipts') - before).toBe(10);
  });

  it('are acknowledged by asking for those behind them', async () => {
    await scene.attach();
    await loseAnswer();
    await scene.round();
    await until(() => scene.standing().outstanding === PRICE);
    await scene.round();
    expect(scene.worker.calls.filter((call) => call.startsWith('GET /v1/receipts')).at(-1)).toBe('GET /v1/receipts?after=1');
  });

  it.each([
    ['with a bad signature', (of: TestWorker) => of.signed.map(({ receipt }) => ({ receipt, signature: new Uint8Array(64) }))],
    [
      'with altered counts',
      (of: TestWorker) =>
        of.signed.map(({ receipt, signature }) => ({ receipt: { ...receipt, usage: { ...receipt.usage, answer: 21 } }, signature })),
    ],
  ])('%s count nothing, and end the connection', async (_what, forge) => {
    await scene.attach();
    await loseAnswer();
    const forged = forge(scene.worker);
    scene.worker.show = (after) => (after === 0n ? forged.map((receipt, at) => ({ sequence: BigInt(at + 1), receipt })) : []);
    scene.proxy.workers.refreshAll();
    await scene.dropped();
    expect(scene.standing()).toMatchObject({ outstanding: 0n, reserved: 10_000n });
    expect(scene.owed()).toBe(0n);
  });

  it('signed by the key of another guest count nothing', async () => {
    await scene.attach();
    await loseAnswer();
    const { receipt } = scene.worker.signed[0] ?? { receipt: undefined };
    if (receipt === undefined) throw new Error('no receipt');
    const signature = await generateSigner().sign(toBigEndian(statementHash(packReceipt(receipt)), 32));
    scene.worker.show = (after) => (after === 0n ? [{ sequence: 1n, receipt: { receipt, signature } }] : []);
    scene.proxy.workers.refreshAll();
    await scene.dropped();
    expect(scene.owed()).toBe(0n);
  });

  it('out of order end the connection', async () => {
    await scene.attach();
    await loseAnswer();
    const receipt = scene.worker.signed[0];
    if (receipt === undefined) throw new Error('no receipt');
    scene.worker.show = () => [{ sequence: 0n, receipt }];
    scene.proxy.workers.refreshAll();
    await scene.dropped();
  });

  it('drop the worker when they are worth too much, until clients sign for them', async () => {
    await scene.end();
    scene = await Scene.open({ maxUndeliveredNano: String(2n * PRICE) });
    await scene.attach();
    for (let i = 0; i < 3; i++) await loseAnswer();
    scene.proxy.workers.refreshAll();
    await scene.dropped();
    expect(scene.standing().outstanding).toBe(3n * PRICE);

    await scene.proxy.dial(scene.worker);
    await until(() => scene.proxy.workers.size === 1);
    await scene.dropped();

    expect(await scene.caller.sendVoucher(scene.connection, await scene.caller.voucher({ total: PRICE, upTo: 3n }, [2n, 3n]))).toBeNull();
    await scene.attach();
    expect(await scene.caller.ask(scene.connection, scene.world.guest)).toBeNull();
  });

  it('are forgiven after a day', async () => {
    await scene.attach();
    await loseAnswer();
    await scene.round();
    await until(() => scene.standing().outstanding === PRICE);
    const id = scene.contract.address.toRawString();
    expect(scene.proxy.requests.undelivered(id, NOW)).toBe(PRICE);
    expect(scene.proxy.requests.undelivered(id, NOW + 86_401)).toBe(0n);
  });

  it('do not count against a worker whose answer arrives a moment later', async () => {
    await scene.attach();
    let release = () => {};
    scene.worker.alter = (pieces) => {
      const receipt = scene.worker.signed.at(-1);
      if (receipt !== undefined) scene.worker.receipts.set(1n, receipt);
      return pieces;
    };
    scene.worker.hold = new Promise((resolve) => {
      release = resolve;
    });
    const running = scene.caller.ask(scene.connection, scene.world.guest);
    await until(() => scene.standing().reserved > 0n);
    release();
    await running;
    await scene.round();
    expect(scene.proxy.requests.undelivered(scene.contract.address.toRawString(), NOW)).toBe(0n);
    expect(scene.owed()).toBe(EARNED);
  });

  it('and what is in flight are limited for each worker (not_ready)', async () => {
    await scene.end();
    scene = await Scene.open({ workerCreditNano: '25000' });
    await scene.attach();
    await loseAnswer();
    await loseAnswer();
    expect(await scene.caller.ask(scene.connection, scene.world.guest)).toEqual({
      code: 'not_ready',
      check: 'worker-credit',
      missingNano: undefined,
    });
    expect(await scene.caller.ask(scene.connection, scene.world.guest, { maxAmount: 5000n })).toBeNull();
  });
});

describe('a proxy whose record is an old backup', () => {
  const voucherOf = async (total: bigint, workerContract = scene.contract.address, signer = scene.world.payer) => {
    const voucher = { workerContract, total, tokens: 7n };
    return { voucher, signature: await signer.sign(toBigEndian(statementHash(packWorkerVoucher(voucher)), 32)) };
  };

  it('takes the newer voucher that a worker shows, and goes on from there', async () => {
    scene.worker.newest = await voucherOf(5000n);
    await scene.attach();
    expect(scene.owed()).toBe(5000n);
    await scene.caller.ask(scene.connection, scene.world.guest);
    await until(() => scene.worker.newest?.voucher.total === 5000n + EARNED);
  });

  it('does not pay again for what was in flight in the backup', async () => {
    await scene.attach();
    await loseAnswer();
    // The receipt was counted and is in the voucher, which the backup does not know; it is held back, then shown again.
    const receipts = [...scene.worker.receipts];
    scene.worker.receipts.clear();
    scene.worker.newest = await voucherOf(EARNED);
    scene.worker.cut();
    await scene.dropped();
    await scene.attach();
    expect(scene.owed()).toBe(EARNED);
    for (const [sequence, receipt] of receipts) scene.worker.receipts.set(sequence, receipt);
    await scene.round();
    await until(() => scene.standing().outstanding === PRICE);
    expect(scene.owed()).toBe(EARNED);
  });

  it.each([
    ['another contract', () => voucherOf(5000n, Address.parseRaw(`0:${hex(0x24)}`))],
    ['another key', () => voucherOf(5000n, scene.contract.address, generateSigner())],
  ])('takes no voucher of %s', async (_what, make) => {
    scene.worker.newest = await make();
    await scene.attach();
    expect(scene.owed()).toBe(0n);
  });
});
