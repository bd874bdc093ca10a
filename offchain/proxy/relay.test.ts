import { Address, beginCell } from '@ton/core';
import { setChannel } from '../chain/plain-chain.test-kit';
import { hex, makeGuest, NOW } from '../client/guest.test-kit';
import { until } from '../core/until.test-kit';
import { CallError } from '../protocol/json';
import { generateSigner } from '../runtime/node-crypto';
import { readAll } from '../transport/exchange';
import { type OrderChange, PRICE, type Refusal, TestCaller } from './caller.test-kit';
import { Scene } from './scene.test-kit';
import { EARNED } from './worker.test-kit';

let scene: Scene;

beforeEach(async () => {
  scene = await Scene.open();
  await scene.attach();
});

afterEach(() => scene.end());

const ask = (change: OrderChange = {}) => scene.caller.ask(scene.connection, scene.world.guest, change);
const refused = (code: string, check?: string): Refusal => ({ code, check, missingNano: undefined });

describe('a request', () => {
  it('is answered, and its receipt counts for both sides', async () => {
    expect(await ask()).toBeNull();
    expect(scene.standing()).toMatchObject({ outstanding: PRICE, reserved: 0n });
    expect(scene.owed()).toBe(EARNED);
    await until(() => scene.worker.newest?.voucher.total === EARNED);
  });

  it('is refused under another order than the authorised one (order)', async () => {
    expect(await ask({ order: (order) => ({ ...order, number: 9n }) })).toEqual(refused('authorisation_refused', 'order'));
  });

  it('is refused for another receipt key than the one in evidence (receipt-key)', async () => {
    const authorisation = (honest: Parameters<NonNullable<OrderChange['authorisation']>>[0]) => ({ ...honest, receiptKey: 5n });
    expect(await ask({ authorisation })).toEqual(refused('authorisation_refused', 'receipt-key'));
  });

  it('is refused at prices that were not offered (prices)', async () => {
    const answer = {
      authorisation: (honest: Authorised) => ({ ...honest, prices: { ...honest.prices, answer: honest.prices.answer - 1n } }),
    };
    expect(await ask(answer)).toEqual(refused('authorisation_refused', 'prices'));
  });

  it('is refused at prices of an offer that has ended (prices)', async () => {
    scene.worker.info = { ...scene.worker.info, prices: { ...scene.worker.info.prices, answer: 5_000_000n } };
    scene.world.clock.advance(1);
    scene.proxy.workers.refreshAll();
    await until(() => scene.proxy.workers.offers(null)[0]?.prices.answer !== 4_444_445n);
    expect(await ask()).toBeNull();
    scene.world.clock.advance(121);
    expect(await ask()).toEqual(refused('authorisation_refused', 'prices'));
  });

  it('is refused once its authorisation has expired, or when that reaches too far ahead (validity)', async () => {
    const valid = (validUntil: number) => ask({ authorisation: (honest) => ({ ...honest, validUntil }) });
    expect(await valid(NOW - 1)).toEqual(refused('authorisation_refused', 'validity'));
    expect(await valid(NOW + 601)).toEqual(refused('authorisation_refused', 'validity'));
    expect(await valid(NOW + 600)).toBeNull();
    expect(await valid(NOW)).toBeNull();
  });

  it("is refused when another key than the channel's has signed it (signature)", async () => {
    expect(await ask({ signer: generateSigner() })).toEqual(refused('authorisation_refused', 'signature'));
  });

  it('is refused when its number is used, covered or zero (already_used)', async () => {
    expect(await ask({ number: 5n })).toBeNull();
    expect(await ask({ number: 5n })).toEqual(refused('already_used'));
    expect(await ask({ number: 0n })).toEqual(refused('already_used'));
    expect(await scene.caller.sendVoucher(scene.connection, await scene.caller.voucher({ total: PRICE, upTo: 7n }, [6n]))).toBeNull();
    expect(await ask({ number: 7n })).toEqual(refused('already_used'));
    expect(await ask({ number: 6n })).toBeNull();
  });

  it('is refused when its authorisation is used, also while the first runs (already_used)', async () => {
    const placed = await scene.caller.order(scene.world.guest);
    const both = await Promise.all([
      scene.caller.send(scene.connection, scene.world.guest, placed),
      scene.caller.send(scene.connection, scene.world.guest, placed),
    ]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
    for (const { body } of both) await readAll(body, 100_000);
    expect(scene.worker.countOf('POST /v1/relay')).toBe(1);
  });

  it('is refused when the deposit does not cover it, with what is missing (deposit_exhausted)', async () => {
    scene.caller.hold({ deposit: 15_000n });
    expect(await ask()).toBeNull();
    expect(await ask({ maxAmount: 15_000n })).toEqual({ code: 'deposit_exhausted', check: undefined, missingNano: String(PRICE) });
    expect(await ask({ maxAmount: 15_000n - PRICE })).toBeNull();
  });

  it('is not paid from what the owner has announced to take out (deposit_exhausted)', async () => {
    scene.caller.hold({ deposit: 15_000n, withdrawal: (1n << 64n) - 1n });
    expect(await ask()).toMatchObject({ code: 'deposit_exhausted', missingNano: '10000' });
  });

  it('looks at the chain before it refuses for want of deposit, but not at every request', async () => {
    scene.caller.hold({ deposit: 0n });
    expect(await ask()).toMatchObject({ code: 'deposit_exhausted' });
    const reads = scene.world.chain.reads;
    for (let i = 0; i < 5; i++) expect(await ask()).toMatchObject({ code: 'deposit_exhausted' });
    expect(scene.world.chain.reads).toBe(reads);
    scene.world.clock.advance(1);
    scene.caller.hold({ deposit: 1_000_000n });
    expect(await ask()).toBeNull();
  });

  it('is refused while too much is unsigned, with what is missing (credit_exhausted)', async () => {
    expect(await ask({ maxAmount: 100_000_000n })).toBeNull();
    expect(await ask({ maxAmount: 100_000_000n })).toEqual({ code: 'credit_exhausted', check: undefined, missingNano: String(PRICE) });
    expect(await ask({ maxAmount: 100_000_000n, voucher: await scene.caller.voucher({ total: PRICE, upTo: 1n }) })).toBeNull();
  });

  it('counts what is in flight: ten at once never get more than the window', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask({ maxAmount: 40_000_000n })));
    expect(answers.filter((answer) => answer?.code === 'credit_exhausted').length).toBeGreaterThanOrEqual(1);
    expect(scene.standing().reserved).toBe(0n);
  });

  it('is refused when there is no such channel (no_channel)', async () => {
    expect(await new TestCaller(scene.world, 0x51).ask(scene.connection, scene.world.guest)).toEqual(refused('no_channel'));
  });

  it('is refused by a contract that poses as a channel (no_channel)', async () => {
    const stranger = Address.parseRaw(`0:${hex(0x66)}`);
    const foreign = [
      // Other code with the data of a channel.
      new TestCaller(scene.world, 0x51, { at: stranger }),
      // Channels, but not ones that this proxy can charge, or not under its delay.
      new TestCaller(scene.world, 0x52, { terms: { operator: stranger } }),
      new TestCaller(scene.world, 0x53, { terms: { proxy: stranger } }),
      new TestCaller(scene.world, 0x54, { terms: { withdrawDelay: 60 } }),
    ];
    for (const other of foreign) {
      other.hold();
      expect(await other.ask(scene.connection, scene.world.guest)).toEqual(refused('no_channel'));
    }
    scene.world.chain.set(foreign[0]?.channel ?? stranger, 10n ** 9n, beginCell().storeUint(1, 8).endCell());
    expect(await foreign[0]?.ask(scene.connection, scene.world.guest)).toEqual(refused('no_channel'));
  });

  it('is refused while the channel is not open (no_channel)', async () => {
    const other = new TestCaller(scene.world, 0x55);
    setChannel(scene.world.chain, other.terms, 0n, { deposit: 10n ** 9n });
    expect(await other.ask(scene.connection, scene.world.guest)).toEqual(refused('no_channel'));
    other.hold();
    expect(await other.ask(scene.connection, scene.world.guest)).toBeNull();
  });

  it('is refused while the chain cannot be read, or stands still (not_ready)', async () => {
    scene.world.chain.isDown = true;
    expect(await ask()).toEqual(refused('not_ready'));
    scene.world.chain.isDown = false;
    expect(await ask()).toBeNull();
    scene.world.chain.standsAtSec = NOW;
    scene.world.clock.advance(119);
    expect(await ask()).toBeNull();
    scene.proxy.workers.refreshAll();
    scene.world.clock.advance(2);
    expect(await ask()).toEqual(refused('not_ready'));
  });

  it('is refused when no worker has this evidence (worker_gone)', async () => {
    expect(await scene.caller.ask(scene.connection, await makeGuest())).toEqual(refused('worker_gone'));
  });

  it('is refused when its bytes are malformed (bad_request)', async () => {
    const headers = { 'cocoon-worker': scene.world.guest.digest };
    const answer = await scene.connection.call({ method: 'POST', path: '/v1/relay', headers, body: new Uint8Array(300) });
    expect(answer.status).toBe(400);
    await readAll(answer.body, 10_000);
  });
});

type Authorised = Parameters<NonNullable<OrderChange['authorisation']>>[0];

describe('a voucher', () => {
  const send = async (voucher: Parameters<TestCaller['voucher']>[0], open: readonly bigint[] = [], signer = scene.caller.session) =>
    scene.caller.sendVoucher(scene.connection, await scene.caller.voucher(voucher, open, signer));

  beforeEach(async () => {
    await ask();
    await ask();
  });

  it('is taken when it pays for what it covers, and once more when it comes again', async () => {
    expect(await send({ total: 2n * PRICE, upTo: 2n })).toBeNull();
    expect(await send({ total: 2n * PRICE, upTo: 2n })).toBeNull();
    expect(scene.standing()).toMatchObject({ outstanding: 0n, coverage: { total: 2n * PRICE, upTo: 2n } });
  });

  it('is refused when it is of another channel', async () => {
    const channel = Address.parseRaw(`0:${hex(0x31)}`);
    expect(await send({ total: 2n * PRICE, upTo: 2n, channel })).toEqual(refused('no_channel'));
    const carried = await scene.caller.voucher({ total: 2n * PRICE, upTo: 2n, channel });
    expect(await ask({ voucher: carried })).toEqual(refused('voucher_refused', 'voucher_bad_signature'));
  });

  it('is refused with a signature of another key', async () => {
    expect(await send({ total: 2n * PRICE, upTo: 2n }, [], generateSigner())).toEqual(refused('voucher_refused', 'voucher_bad_signature'));
  });

  it('is refused when the open numbers are not those that it names', async () => {
    const voucher = await scene.caller.voucher({ total: PRICE, upTo: 2n }, [2n]);
    expect(await scene.caller.sendVoucher(scene.connection, { ...voucher, openNumbers: [] })).toEqual(
      refused('voucher_refused', 'voucher_bad_open'),
    );
    expect(await send({ total: PRICE, upTo: 2n }, [3n])).toEqual(refused('voucher_refused', 'voucher_bad_open'));
  });

  it('is refused when it falls back', async () => {
    await send({ total: 2n * PRICE, upTo: 2n });
    expect(await send({ total: 2n * PRICE, upTo: 1n })).toEqual(refused('voucher_refused', 'voucher_falls_back'));
    expect(await send({ total: 2n * PRICE, upTo: 2n }, [1n])).toEqual(refused('voucher_refused', 'voucher_falls_back'));
  });

  it('is refused when it pays less than it covers', async () => {
    expect(await send({ total: 2n * PRICE - 1n, upTo: 2n })).toEqual(refused('voucher_refused', 'voucher_too_low'));
    expect(await send({ total: PRICE, upTo: 2n }, [1n])).toBeNull();
  });

  it('is refused when it covers a number that is in flight, and taken once that has ended', async () => {
    let release = () => {};
    scene.worker.hold = new Promise((resolve) => {
      release = resolve;
    });
    const running = await scene.caller.send(scene.connection, scene.world.guest, await scene.caller.order(scene.world.guest));
    expect(await send({ total: 3n * PRICE, upTo: 3n })).toEqual(refused('voucher_refused', 'voucher_covers_in_flight'));
    expect(await send({ total: 2n * PRICE, upTo: 3n }, [3n])).toBeNull();
    release();
    await readAll(running.body, 100_000);
    expect(await send({ total: 3n * PRICE, upTo: 3n })).toBeNull();
  });
});

describe('an answer', () => {
  it('that breaks off is an error at the caller; its number stays used and its amount reserved', async () => {
    scene.worker.alter = (pieces) => [...pieces.slice(0, 1), new Error('gone')];
    await expect(ask()).rejects.toMatchObject({ code: expect.stringMatching(/cut|connection_lost/) });
    expect(scene.standing()).toMatchObject({ outstanding: 0n, reserved: 10_000n });
    expect(scene.owed()).toBe(0n);
    expect(await ask({ number: 1n })).toEqual(refused('already_used'));
  });

  it('with a receipt that another key has signed counts nothing, and is cut', async () => {
    scene.worker.alter = (pieces) => pieces.map((piece, at) => (at === pieces.length - 1 ? flipLast(piece) : piece));
    await expect(ask()).rejects.toThrow();
    expect(scene.standing()).toMatchObject({ outstanding: 0n, reserved: 10_000n });
    expect(scene.owed()).toBe(0n);
    expect(scene.proxy.workers.offers(null)[0]?.successRate).toBe(0);
  });

  it('with the receipt of another answer counts nothing, and is cut', async () => {
    let first: readonly Uint8Array[] = [];
    scene.worker.alter = (pieces) => {
      first = pieces;
      return pieces;
    };
    await ask();
    scene.worker.alter = () => first;
    await expect(ask()).rejects.toThrow();
    expect(scene.standing()).toMatchObject({ outstanding: PRICE, reserved: 10_000n });
  });

  it('is read to its receipt when the caller has left, and stopped', async () => {
    scene.worker.hold = new Promise(() => {});
    const running = await scene.caller.send(scene.connection, scene.world.guest, await scene.caller.order(scene.world.guest));
    expect(running.status).toBe(200);
    scene.connection.close();
    await until(() => scene.standing().outstanding === PRICE);
    expect(scene.worker.countOf('POST /v1/stop/')).toBe(1);
  });

  it('ends with its receipt when the caller asks for it', async () => {
    scene.worker.hold = new Promise(() => {});
    const placed = await scene.caller.order(scene.world.guest);
    const running = await scene.caller.send(scene.connection, scene.world.guest, placed);
    const path = `/v1/stop/${placed.hash.toString(16).padStart(64, '0')}`;
    expect((await scene.connection.call({ method: 'POST', path })).status).toBe(204);
    await readAll(running.body, 100_000);
    expect(scene.standing().outstanding).toBe(PRICE);
  });
});

describe('a worker that refuses', () => {
  const refuseWith = (error: CallError) => {
    scene.worker.before = async (call) => {
      if (call.path === '/v1/relay') throw error;
    };
  };

  it('before it runs frees the number, and is put in our words', async () => {
    const words = 'the text of a stranger';
    const cases = [
      ['key_expired', 'key_expired', undefined],
      ['not_ready', 'not_ready', undefined],
      ['authorisation_refused', 'authorisation_refused', 'guest'],
      ['bad_request', 'authorisation_refused', 'guest'],
      ['already_used', 'already_used', undefined],
    ] as const;
    for (const [said, shown, check] of cases) {
      refuseWith(new CallError(said, words));
      expect(await ask({ number: 1n })).toEqual(refused(shown, check));
    }
    expect(scene.standing().reserved).toBe(0n);
    scene.worker.before = async () => {};
    expect(await ask({ number: 1n })).toBeNull();
  });

  it('in any other way may have run: the number stays used', async () => {
    refuseWith(new CallError('worker_failed', 'lost'));
    expect(await ask({ number: 1n })).toEqual(refused('worker_failed'));
    refuseWith(new CallError('timeout', 'lost'));
    expect(await ask({ number: 2n })).toEqual(refused('worker_failed'));
    expect(scene.standing().reserved).toBe(20_000n);
    expect(await ask({ number: 1n })).toEqual(refused('already_used'));
  });

  it('by not answering at all is given up, and may have run', async () => {
    await scene.restart({}, 200);
    await scene.attach();
    scene.worker.before = (call) => (call.path === '/v1/relay' ? new Promise(() => {}) : Promise.resolve());
    expect(await ask()).toEqual(refused('worker_gone'));
    expect(scene.standing()).toMatchObject({ outstanding: 0n, reserved: 10_000n });
  });

  it('by being gone is reported, and nothing is charged', async () => {
    scene.worker.before = async (call) => {
      if (call.path === '/v1/relay') scene.worker.cut();
    };
    expect(await ask()).toEqual(refused('worker_gone'));
    expect(scene.standing()).toMatchObject({ outstanding: 0n, reserved: 10_000n });
  });
});

function flipLast(bytes: Uint8Array): Uint8Array {
  const flipped = new Uint8Array(bytes);
  flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1;
  return flipped;
}
