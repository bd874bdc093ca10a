import { ChainError } from '../chain/chain-error';
import { setWorkerContract } from '../chain/plain-chain.test-kit';
import { makeGuest } from '../client/guest.test-kit';
import { until } from '../core/until.test-kit';
import type { Connection } from '../transport/exchange';
import { PRICE, TestCaller } from './caller.test-kit';
import { IDLE_SEC } from './channels';
import { type RunningProxy, World } from './running-proxy.test-kit';
import { EARNED, TestWorker } from './worker.test-kit';

const PROXY_SETTINGS = { chargeAtNano: '1000', minChargeNano: '100', workerDepositNano: '500000', workerRefillAtNano: '250000' };

let world: World;
let proxy: RunningProxy;
let worker: TestWorker;
let connection: Connection;

jest.setTimeout(30_000);

beforeEach(async () => {
  world = await World.make();
  worker = new TestWorker(world.guest);
  proxy = await world.start(PROXY_SETTINGS);
  connection = await proxy.connect();
  fund(1_000_000_000n);
  await proxy.attach(worker);
});

afterEach(async () => {
  await world.end();
  expect(proxy.failures).toEqual([]);
});

const contractOf = (of: TestWorker) => world.workerContract(of.owner);
const fund = (deposit: bigint, paid = 0n) => setWorkerContract(world.chain, contractOf(worker), deposit, paid);
const receivers = () => proxy.wallet.receivers;

/** A channel with one receipt, signed for: `total` is what the client says. */
async function signedChannel(owner: number, total = 5000n): Promise<TestCaller> {
  const caller = new TestCaller(world, owner);
  caller.hold();
  expect(await caller.ask(connection, world.guest)).toBeNull();
  expect(await caller.sendVoucher(connection, await caller.voucher({ total, upTo: 1n }))).toBeNull();
  return caller;
}

describe('a channel', () => {
  it('is charged once a voucher is worth it, and once only while the chain lags', async () => {
    const caller = await signedChannel(1, 999n);
    expect(await proxy.settlement.round()).toBe(0n);
    await caller.sendVoucher(connection, await caller.voucher({ total: 1000n, upTo: 1n }));
    expect(await proxy.settlement.round()).toBe(1000n);
    for (let i = 0; i < 5; i++) {
      world.chain.look();
      expect(await proxy.settlement.round()).toBe(0n);
    }
    expect(receivers()).toEqual([caller.id]);
    caller.hold({ charged: 1000n, upTo: 1n });
    world.chain.look();
    expect(await proxy.settlement.round()).toBe(0n);
    expect(receivers()).toEqual([caller.id]);
  });

  it('is charged again when the charge was lost, ever more rarely when it is refused', async () => {
    await signedChannel(1);
    const rounds: number[] = [];
    for (let sec = 0; sec <= 600; sec += 10) {
      if ((await proxy.settlement.round()) > 0n) rounds.push(sec);
      world.clock.advance(10);
      world.chain.look();
    }
    expect(rounds).toEqual([0, 60, 180, 420]);
  });

  it('that refuses holds up no other', async () => {
    const refusing = await signedChannel(1);
    await proxy.settlement.round();
    const honest = await signedChannel(2);
    await proxy.settlement.round();
    expect(receivers()).toEqual([refusing.id, honest.id]);
  });

  it('is charged for no more than it holds, and not at all when it is empty', async () => {
    const caller = await signedChannel(1, 1n << 60n);
    caller.hold({ deposit: 0n });
    world.chain.look();
    expect(await proxy.settlement.chargeAll()).toBe(0n);
    caller.hold({ deposit: 3000n });
    world.chain.look();
    expect(await proxy.settlement.round()).toBe(3000n);
  });

  it('pays later what it could not pay when it was charged', async () => {
    const caller = await signedChannel(1);
    caller.hold({ deposit: 0n, charged: 5000n, paid: 1000n, upTo: 1n });
    world.chain.look();
    expect(await proxy.settlement.chargeAll()).toBe(0n);
    caller.hold({ deposit: 9000n, charged: 5000n, paid: 1000n, upTo: 1n });
    world.chain.look();
    expect(await proxy.settlement.chargeAll()).toBe(4000n);
  });

  it('whose owner leaves is charged for little, but not for less than a charge costs', async () => {
    const caller = await signedChannel(1, PRICE);
    expect(await proxy.settlement.round()).toBe(0n);
    caller.hold({ withdrawal: 1n });
    world.chain.look();
    expect(await proxy.settlement.round()).toBe(PRICE);

    const other = await signedChannel(2, PRICE);
    other.hold({ charged: PRICE - 99n, withdrawal: 1n });
    world.chain.look();
    expect(await proxy.settlement.round()).toBe(0n);
    expect(receivers()).toEqual([caller.id]);
  });

  it('that nobody uses any more is charged for little, and then let go', async () => {
    const caller = await signedChannel(1, PRICE);
    world.clock.advance(IDLE_SEC + 1);
    world.chain.look();
    expect(await proxy.settlement.round()).toBe(PRICE);
    caller.hold({ charged: PRICE, upTo: 1n });
    world.chain.look();
    await proxy.settlement.round();
    await proxy.settlement.round();
    expect(world.chain.watched).not.toContain(caller.id);
    expect(proxy.requests.channels()).toEqual([]);
  });

  it('that an earlier run has left is taken up again, once the chain can be read', async () => {
    const caller = await signedChannel(1);
    await proxy.stop();
    proxy = await world.start(PROXY_SETTINGS);
    world.chain.isDown = true;
    expect(await proxy.settlement.round()).toBe(0n);
    world.chain.isDown = false;
    expect(await proxy.settlement.round()).toBe(0n);
    world.clock.advance(60);
    expect(await proxy.settlement.round()).toBe(5000n);
    expect(receivers()).toEqual([caller.id]);
  });
});

describe('the operator', () => {
  it('sends at most a hundred messages at once, the rest with the next round', async () => {
    const callers = await manyChannels(130);
    await proxy.settlement.round();
    expect(proxy.wallet.batches.map(({ length }) => length)).toEqual([100]);
    await proxy.settlement.round();
    expect(proxy.wallet.batches.map(({ length }) => length)).toEqual([100, 30]);
    expect(new Set(receivers())).toEqual(new Set(callers));
  });

  it('charges all of them when it is told to', async () => {
    await manyChannels(130);
    expect(await proxy.settlement.chargeAll()).toBe(130n * 5000n);
    expect(proxy.wallet.batches.map(({ length }) => length)).toEqual([100, 30]);
  });

  it('sends what its wallet can pay for, the most worthy first', async () => {
    const poor = await signedChannel(1, 2000n);
    const rich = await signedChannel(2, 9000n);
    proxy.wallet.coins = 14_000_000n;
    expect(await proxy.settlement.round()).toBe(9000n);
    expect(receivers()).toEqual([rich.id]);
    proxy.wallet.coins = 100_000_000n;
    await proxy.settlement.round();
    expect(receivers()).toEqual([rich.id, poor.id]);
  });

  it('tries again at once when nothing was sent', async () => {
    const caller = await signedChannel(1);
    proxy.wallet.failure = new ChainError('wallet_expired', 'too late');
    await expect(proxy.settlement.round()).rejects.toMatchObject({ code: 'wallet_expired' });
    proxy.wallet.failure = null;
    expect(await proxy.settlement.round()).toBe(5000n);
    expect(receivers()).toEqual([caller.id]);
  });

  it('waits when it is not known what was sent', async () => {
    await signedChannel(1);
    proxy.wallet.failure = new ChainError('wallet_incomplete', 'some were left out');
    await expect(proxy.settlement.round()).rejects.toMatchObject({ code: 'wallet_incomplete' });
    proxy.wallet.failure = null;
    expect(await proxy.settlement.round()).toBe(0n);
    world.clock.advance(60);
    expect(await proxy.settlement.round()).toBe(5000n);
  });

  /** Channels with a voucher each and no request: a client may pay in advance. */
  async function manyChannels(count: number): Promise<string[]> {
    const ids: string[] = [];
    for (let owner = 1; owner <= count; owner++) {
      const caller = new TestCaller(world, owner);
      caller.hold();
      expect(await caller.sendVoucher(connection, await caller.voucher({ total: 5000n }))).toBeNull();
      ids.push(caller.id);
    }
    return ids;
  }
});

describe('a worker', () => {
  const toProxy = () => receivers().filter((to) => to === world.contract.address.toRawString()).length;

  it('is funded when its contract holds too little, once while the chain lags', async () => {
    fund(249_999n);
    await proxy.settlement.round();
    for (let i = 0; i < 5; i++) {
      world.chain.look();
      await proxy.settlement.round();
    }
    expect(toProxy()).toBe(1);
    fund(749_999n);
    world.chain.look();
    await proxy.settlement.round();
    expect(toProxy()).toBe(1);
    fund(200_000n, 549_999n);
    world.chain.look();
    await proxy.settlement.round();
    expect(toProxy()).toBe(2);
  });

  it('is funded again when that failed, and not because a stranger sent it a coin', async () => {
    fund(1000n);
    await proxy.settlement.round();
    fund(1001n);
    world.chain.look();
    await proxy.settlement.round();
    expect(toProxy()).toBe(1);
    world.clock.advance(60);
    await proxy.settlement.round();
    expect(toProxy()).toBe(2);
  });

  it('is funded for what it has earned and not claimed yet', async () => {
    fund(250_000n);
    await proxy.settlement.round();
    expect(toProxy()).toBe(0);
    await signedChannel(1);
    await until(() => worker.newest?.voucher.total === EARNED);
    await proxy.settlement.round();
    expect(toProxy()).toBe(1);
  });

  it('is not funded before its evidence is verified', async () => {
    const other = new TestWorker({ ...(await makeGuest()), offer: { ...world.guest.offer, owner: `0:${'23'.repeat(32)}` } });
    await proxy.dial(other);
    await until(() => other.newest !== null);
    await proxy.settlement.round();
    expect(toProxy()).toBe(0);
  });

  it('is funded from free income only, of which nothing is promised twice', async () => {
    fund(0n);
    world.chain.set(world.contract.address, 50_000_000n + 499_999n, world.contract.init?.data ?? null);
    await proxy.settlement.round();
    expect(toProxy()).toBe(0);
    world.chain.set(world.contract.address, 50_000_000n + 500_000n, world.contract.init?.data ?? null);
    await proxy.settlement.round();
    expect(toProxy()).toBe(1);
  });

  it('that is gone is no longer watched', async () => {
    await proxy.settlement.round();
    const id = contractOf(worker).address.toRawString();
    expect(world.chain.watched).toContain(id);
    worker.cut();
    await until(() => proxy.workers.size === 0);
    await proxy.settlement.round();
    expect(world.chain.watched).not.toContain(id);
  });
});
