import { type Address, type Cell, toNano } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import '@ton/test-utils';
import { ClientContract, type SettledReceipt } from '../wrappers/ClientContract';
import type { ExitCodeName } from '../wrappers/errors';
import { ProxyContract } from '../wrappers/ProxyContract';
import { cost, MAX_OPEN, openHash } from '../wrappers/statements';
import { EVERYTHING } from '../wrappers/withdrawal';
import { expectRefused } from './refusal';
import { COST, settled, settledAll, USAGE } from './settling';
import vectors from './vectors/cost.json';
import { DELAY, known, START, signedVoucher, World } from './world';

const LAST_TIME = 0xffffffff;

describe('settlement by receipt', () => {
  let world: World;
  let inUse: BlockchainSnapshot;
  let channel: Address;

  beforeAll(async () => {
    world = await World.inUse();
    inUse = world.snapshot();
    channel = world.clientChannel.address;
  });

  beforeEach(async () => {
    await world.restore(inUse);
  });

  const operator = (body: Cell) => world.send({ from: world.party('operator'), to: channel, body });
  const bodyOf = (receipts: readonly SettledReceipt[], open?: readonly bigint[]) => ClientContract.settleBody({ receipts, open });
  const settle = (numbers: readonly bigint[], open?: readonly bigint[]) => operator(bodyOf(settledAll(channel, numbers), open));
  const refused = (body: Cell, code: ExitCodeName | number) =>
    expectRefused(world, { from: world.party('operator'), to: channel, body }, code);
  const charge = (total: bigint, upTo: bigint, open: readonly bigint[] = []) =>
    operator(ClientContract.chargeBody(signedVoucher({ channel, total, upTo, open: openHash(open) })));
  const state = () => world.clientChannel.getState();

  test('pays what the request cost to the proxy, exactly, and returns the rest of the gas to the operator (INV-R2, INV-R3)', async () => {
    const sent = await settle([1n]);
    expect(sent.trace).toEqual(['operator > Client: operatorClientSettle', 'Client > Proxy: payment', 'Client > operator: payment']);
    const receiving = known(sent.transactions[2]).totalFees.coins;
    expect(sent.moved).toEqual({ Client: -COST, Proxy: COST - receiving, operator: receiving - sent.fees });
    expect(await state()).toMatchObject({ charged: COST, paid: COST, settled: 1n, upTo: 0n, open: 0n });
  });

  test.each([1, 2, 3, 4, 5])('settles %d in one message (INV-R2)', async (count) => {
    const numbers = Array.from({ length: count }, (_, i) => BigInt(3 * i + 1));
    const sent = await settle(numbers);
    expect(sent.moved.Client).toBe(-BigInt(count) * COST);
    expect(await state()).toMatchObject({ charged: BigInt(count) * COST, paid: BigInt(count) * COST, settled: numbers.at(-1) });
  });

  test.each([6, 7, 12])('refuses %d in one message, and settles none of them (INV-R8)', async (count) => {
    await refused(
      bodyOf(
        settledAll(
          channel,
          Array.from({ length: count }, (_, i) => BigInt(i + 1)),
        ),
      ),
      'tooMany',
    );
  });

  test("comes from the ProxyContract too, on its owner's order", async () => {
    const order = bodyOf(settledAll(channel, [1n, 2n, 3n, 4n, 5n]));
    const body = ProxyContract.orderBody({ to: channel, order });
    const sent = await world.send({ from: world.party('proxyOwner'), to: world.proxy.address, body });
    expect(sent.trace.slice(0, 3)).toEqual([
      'proxyOwner > Proxy: ownerProxyOrder',
      'Proxy > Client: operatorClientSettle',
      'Client > Proxy: payment',
    ]);
    expect(sent.moved.Client).toBe(-5n * COST);
  });

  test.each(vectors)('costs what the shared vectors say: $name (INV-R2)', async (vector) => {
    const prices = {
      uncachedPrompt: BigInt(vector.prices.uncachedPrompt),
      cachedPrompt: BigInt(vector.prices.cachedPrompt),
      answer: BigInt(vector.prices.answer),
      reasoning: BigInt(vector.prices.reasoning),
    };
    const maxAmount = BigInt(vector.maxAmount);
    expect(cost(vector.usage, prices, maxAmount)).toBe(BigInt(vector.cost));
    await operator(bodyOf([settled({ channel, number: 1n, usage: vector.usage, prices, maxAmount })]));
    expect(await state()).toMatchObject({ charged: BigInt(vector.cost), settled: 1n });
  });

  test('never costs more than the client allowed (INV-R3)', async () => {
    await operator(bodyOf([settled({ channel, number: 1n, maxAmount: COST - 1n }), settled({ channel, number: 2n, maxAmount: 0n })]));
    expect(await state()).toMatchObject({ charged: COST - 1n, settled: 2n });
  });

  describe('of a number that the last voucher speaks of', () => {
    const OPEN = [3n, 5n, 9n];

    beforeEach(async () => {
      await charge(toNano('1'), 9n, OPEN);
    });

    test.each<[string, bigint[], bigint[] | undefined]>([
      ['above the last covered number, without the dictionary', [10n], undefined],
      ['open, with the dictionary', [3n], OPEN],
      ['open, the last covered number itself', [9n], OPEN],
      ['open and above, together', [5n, 9n, 10n, 11n], OPEN],
      ['above, with a dictionary that nobody needs', [10n], [1n]],
    ])('is taken: %s', async (_what, numbers, open) => {
      const sent = await settle(numbers, open);
      expect(sent.moved.Client).toBe(-BigInt(numbers.length) * COST);
      expect(await state()).toMatchObject({ settled: numbers.at(-1), upTo: 9n, open: openHash(OPEN) });
    });

    test.each<[string, bigint[], bigint[] | undefined]>([
      ['covered, without the dictionary', [4n], undefined],
      ['the last covered number, without the dictionary', [9n], undefined],
      ['covered, with the dictionary', [4n], OPEN],
      ['open, with a dictionary that has one number less', [3n], [3n, 5n]],
      ['covered, with a dictionary that has one number more', [4n], [...OPEN, 4n]],
      ['open and covered, together', [3n, 4n], OPEN],
    ])('is refused: %s (INV-R6)', async (_what, numbers, open) => {
      await refused(bodyOf(settledAll(channel, numbers), open), 'covered');
    });

    test('is covered when the voucher left none open, whatever is shown (INV-R6)', async () => {
      await charge(toNano('2'), 12n);
      for (const open of [undefined, [11n], OPEN]) await refused(bodyOf(settledAll(channel, [11n]), open), 'covered');
      await settle([13n]);
      expect((await state()).settled).toBe(13n);
    });
  });

  describe('in rising order', () => {
    test.each<[string, bigint[]]>([
      ['the same twice', [2n, 2n]],
      ['a lower one later', [2n, 1n]],
      ['a lower one at the end', [1n, 2n, 3n, 4n, 1n]],
      ['number zero, which is never above', [0n]],
    ])('refuses %s in one message (INV-R6)', async (_what, numbers) => {
      await refused(bodyOf(settledAll(channel, numbers)), 'notRising');
    });

    test('refuses what was settled before, and what is below it (INV-R6)', async () => {
      await settle([4n, 6n]);
      for (const number of [6n, 4n, 5n, 1n]) await refused(bodyOf(settledAll(channel, [number])), 'notRising');
      await settle([7n]);
      expect(await state()).toMatchObject({ charged: 3n * COST, settled: 7n });
    });

    test('a client that authorises one number twice pays for one of them (INV-R6)', async () => {
      const one = settled({ channel, number: 1n });
      const other = settled({ channel, number: 1n, authorisation: { seal: 99n }, receipt: { details: 99n } });
      await operator(bodyOf([one]));
      await refused(bodyOf([other]), 'notRising');
      await refused(bodyOf([one]), 'notRising');
      expect((await state()).charged).toBe(COST);
    });

    test('the largest number can be settled, and none after it until a voucher (INV-R8)', async () => {
      await settle([EVERYTHING]);
      await refused(bodyOf(settledAll(channel, [EVERYTHING])), 'notRising');
      await charge(2n * COST, EVERYTHING, [4n]);
      await settle([4n], [4n]);
      expect(await state()).toMatchObject({ charged: 3n * COST, settled: 4n });
    });

    test('a voucher begins a new round: it contains what was settled, or leaves it open to be settled again (INV-R2)', async () => {
      await settle([4n, 6n]);
      await charge(2n * COST + 5n, 6n, [5n]);
      expect(await state()).toMatchObject({ charged: 2n * COST + 5n, settled: 0n });
      await refused(bodyOf(settledAll(channel, [4n]), [5n]), 'covered');
      await settle([5n], [5n]);
      expect(await state()).toMatchObject({ charged: 3n * COST + 5n, paid: 3n * COST + 5n, settled: 5n });
    });

    test('a proxy that charges an old voucher after settling gains nothing by it (INV-R2, INV-R6)', async () => {
      await settle([1n, 2n]);
      const old = ClientContract.chargeBody(signedVoucher({ channel, total: COST, upTo: 1n, open: 0n }));
      await refused(old, 'oldVoucher');
      const same = ClientContract.chargeBody(signedVoucher({ channel, total: 2n * COST, upTo: 2n, open: 0n }));
      await refused(same, 'oldVoucher');
      expect(await state()).toMatchObject({ charged: 2n * COST, paid: 2n * COST });
    });
  });

  test('counts until the delay after the authorisation ran out, inclusive (INV-R6)', async () => {
    world.wait(60 + DELAY);
    const last = world.snapshot();
    await settle([1n]);
    expect((await state()).charged).toBe(COST);
    await world.restore(last);
    world.wait(1);
    await refused(bodyOf(settledAll(channel, [1n])), 'expired');
    await refused(bodyOf([settled({ channel, number: 1n, validUntil: LAST_TIME }), settled({ channel, number: 2n })]), 'expired');
  });

  test.each<[string, number, number]>([
    ['authorised until the end of time', 1, LAST_TIME],
    ['authorised in 1970, in a channel with the longest delay', LAST_TIME, 0],
    ['authorised until this second, in a channel without delay', 0, START],
  ])('takes what was %s (INV-R8)', async (_what, withdrawDelay, validUntil) => {
    const { address, init } = ClientContract.create({ ...world.clientTerms, withdrawDelay });
    world.name(address, 'Other');
    const { sessionKey } = await state();
    await world.send({ from: world.party('client'), to: address, init, body: ClientContract.openBody({ sessionKey }) });
    const body = bodyOf([settled({ channel: address, number: 1n, validUntil })]);
    await world.send({ from: world.party('operator'), to: address, body });
    expect(ClientContract.parseState(await world.data(address)).charged).toBe(COST);
  });

  test('pays a part when the deposit is smaller; the rest stays owed, and is collected after a top-up (INV-R2)', async () => {
    const { deposit } = await state();
    const usage = { ...USAGE, answer: 4_000_000_000 };
    const request = settled({ channel, number: 1n, usage, maxAmount: toNano('25') });
    const sent = await operator(bodyOf([request]));
    expect(sent.moved.Client).toBe(-deposit);
    expect(await state()).toMatchObject({ charged: toNano('25'), paid: deposit, settled: 1n, deposit: 0n });
    await world.send({ from: world.party('stranger'), to: channel, value: toNano('50') });
    const collected = await operator(ClientContract.collectBody());
    expect(collected.moved.Client).toBe(deposit - toNano('25'));
    await refused(bodyOf([request]), 'notRising');
  });

  test('is recorded when there is no deposit at all, and stays owed (INV-R2)', async () => {
    await operator(ClientContract.releaseBody({ amount: EVERYTHING }));
    const sent = await settle([1n]);
    expect(sent.moved.Client).toBeUndefined();
    expect(await state()).toMatchObject({ charged: COST, paid: 0n, settled: 1n });
  });

  describe('at the largest counts and prices', () => {
    const usage = { uncachedPrompt: 0xffffffff, cachedPrompt: 0xffffffff, answer: 0xffffffff, reasoning: 0xffffffff };
    const most = 2n ** 48n - 1n;
    const prices = { uncachedPrompt: most, cachedPrompt: most, answer: most, reasoning: most };
    const costly = (number: bigint) => settled({ channel, number, usage, prices, maxAmount: EVERYTHING });
    const each = cost(usage, prices, EVERYTHING);

    test('three receipts are owed, the deposit is paid, and the client can still leave (INV-R8)', async () => {
      const { deposit } = await state();
      const sent = await operator(bodyOf([costly(1n), costly(2n), costly(3n)]));
      expect(sent.moved.Client).toBe(-deposit);
      expect((await state()).charged).toBe(3n * each);
      const released = await operator(ClientContract.releaseBody({ amount: EVERYTHING }));
      expect(released.moved.Client).toBe(-ClientContract.RESERVE);
    });

    test('what would pass 2^64 is refused, and everything else goes on (INV-R8)', async () => {
      expect(4n * each).toBeGreaterThan(EVERYTHING);
      await refused(bodyOf([costly(1n), costly(2n), costly(3n), costly(4n)]), 5);
      await charge(EVERYTHING, 0n);
      await refused(bodyOf([settled({ channel, number: 1n })]), 5);
      await operator(bodyOf([settled({ channel, number: 1n, maxAmount: 0n })]));
      expect(await state()).toMatchObject({ charged: EVERYTHING, settled: 1n });
    });
  });

  test('one voucher settles ten thousand requests, 1,024 of them stay open, and five of those are settled by receipt (INV-R2)', async () => {
    const count = 10_000n;
    const open = Array.from({ length: MAX_OPEN }, (_, i) => BigInt(i * 9 + 7));
    const each = toNano('0.0005');
    const covered = count - BigInt(MAX_OPEN);
    const charged = await charge(covered * each, count, open);
    expect(charged.moved.Client).toBe(-covered * each);

    const [first, second] = [known(open[0]), known(open[1])];
    const numbers = [first, second, known(open[500]), known(open[1_022]), known(open[1_023])];
    const sent = await settle(numbers, open);
    expect(sent.moved.Client).toBe(-5n * COST);
    expect(await state()).toMatchObject({ charged: covered * each + 5n * COST, settled: numbers.at(-1) });
    await refused(bodyOf(settledAll(channel, [second]), open), 'notRising');
    await refused(bodyOf(settledAll(channel, [count]), open), 'covered');
  });
});
