import { GAS, messagePrices, minimumValue } from '../../wrappers/minimum-value';
import { type ChannelMoney, setWorkerContract } from '../chain/plain-chain.test-kit';
import { fromBigEndian } from '../core/bytes';
import { until } from '../core/until.test-kit';
import { generateSigner } from '../runtime/node-crypto';
import type { SignedVoucher } from '../sealing/relay-body';
import type { Connection } from '../transport/exchange';
import { OFFERED, type OrderChange, PRICE, TestCaller } from './caller.test-kit';
import { type RunningProxy, WITHDRAW_DELAY, World } from './running-proxy.test-kit';
import { describeMessage } from './settlement-message.test-kit';
import { TestWorker } from './worker.test-kit';

const SETTINGS = {
  chargeAtNano: '1000000',
  minChargeNano: '100000',
  settleAfterSec: 600,
  minSettleNano: '45',
  creditWindowNano: '1000000',
  withdrawDelaySec: WITHDRAW_DELAY,
};

let world: World;
let proxy: RunningProxy;
let worker: TestWorker;
let connection: Connection;
let caller: TestCaller;
/** Messages of this proxy that a test has looked at. */
let seen = 0;

jest.setTimeout(30_000);

beforeEach(async () => {
  world = await World.make();
  worker = new TestWorker(world.guest);
  setWorkerContract(world.chain, world.workerContract(worker.owner), 1_000_000_000n);
  await start();
  caller = new TestCaller(world, 1);
  hold();
});

afterEach(async () => {
  await world.end();
  expect(proxy.failures).toEqual([]);
});

async function start(settings: Readonly<Record<string, unknown>> = {}): Promise<void> {
  proxy = await world.start({ ...SETTINGS, ...settings });
  seen = 0;
  connection = await proxy.connect();
  await proxy.attach(worker);
}

/** What a kill leaves is the record. */
async function restart(settings: Readonly<Record<string, unknown>> = {}): Promise<void> {
  await proxy.stop();
  await start(settings);
}

/** The channel as it is on chain from now on. */
function hold(money: Partial<ChannelMoney> = {}): void {
  caller.hold(money);
  world.chain.look();
}

async function ask(times = 1, change: OrderChange = {}): Promise<void> {
  proxy.workers.refreshAll();
  await until(() => (proxy.workers.find(world.guest.digest)?.workerPricesFor(OFFERED) ?? null) !== null);
  for (let i = 0; i < times; i++) expect(await caller.ask(connection, world.guest, change)).toBeNull();
}

const send = async (voucher: SignedVoucher) => caller.sendVoucher(connection, voucher);

/** What the round has sent to the channel, in words. */
async function round(): Promise<readonly string[]> {
  await proxy.settlement.round();
  const sent = proxy.wallet.batches.flat().slice(seen);
  seen += sent.length;
  return sent.filter(({ to }) => to.equals(caller.channel)).map(({ body }) => describeMessage(body ?? null));
}

const wait = (sec: number) => {
  world.clock.advance(sec);
  world.chain.look();
};

describe('receipts that a client does not sign for', () => {
  it('are settled once their time has come, in rising order, five at a time, and once only while the chain lags', async () => {
    await ask(7);
    wait(599);
    expect(await round()).toEqual([]);
    wait(1);
    expect(await round()).toEqual(['settle 1 2 3 4 5']);
    for (let i = 0; i < 3; i++) expect(await round()).toEqual([]);
    hold({ charged: 5n * PRICE, settled: 5n });
    expect(await round()).toEqual(['settle 6 7']);
    hold({ charged: 7n * PRICE, settled: 7n });
    expect(await round()).toEqual([]);
  });

  it('take no more coins along than one payment can pass on', async () => {
    await ask(2);
    wait(600);
    await round();
    const minimum = minimumValue(GAS.clientCharge + 2n * GAS.clientSettleOne, messagePrices(await world.chain.config()));
    const value = proxy.wallet.batches.at(-1)?.[0]?.value ?? 0n;
    expect(value).toBeGreaterThan(minimum);
    expect(value).toBeLessThan(2n * minimum);
  });

  it('are left alone when a voucher covers them in time', async () => {
    await ask(2);
    wait(599);
    expect(await send(await caller.voucher({ total: 2n * PRICE, upTo: 2n }))).toBeNull();
    wait(100);
    expect(await round()).toEqual([]);
  });

  it('follow the newest voucher, which is charged first whatever it is worth', async () => {
    await ask(2);
    await send(await caller.voucher({ total: PRICE, upTo: 2n }, [2n]));
    await ask();
    wait(600);
    expect(await round()).toEqual([`charge ${PRICE}`]);
    expect(await round()).toEqual([]);
    hold({ charged: PRICE, upTo: 2n, open: (await caller.voucher({ upTo: 2n }, [2n])).voucher.open });
    expect(await round()).toEqual(['settle 2 3, open 2']);
  });

  it('show the open numbers only when one of them is settled', async () => {
    await ask(1);
    await send(await caller.voucher({ total: 0n, upTo: 1n }, [1n]));
    await send(await caller.voucher({ total: PRICE, upTo: 1n }));
    hold({ charged: PRICE, upTo: 1n });
    await ask();
    wait(600);
    expect(await round()).toEqual(['settle 2']);
  });

  it('are asked for again, ever more rarely, as long as the chain shows none of it', async () => {
    await ask();
    wait(600);
    const rounds: number[] = [];
    for (let sec = 0; sec <= 600; sec += 10) {
      if ((await round()).length > 0) rounds.push(sec);
      wait(10);
    }
    expect(rounds).toEqual([0, 60, 180, 420]);
  });

  it('are given up when the chain would take them no more', async () => {
    await ask();
    wait(300 + WITHDRAW_DELAY - 29);
    expect(await round()).toEqual([]);
  });

  it('are settled at the last while that is possible, also when nothing else would', async () => {
    await restart({ settleAfterSec: 86_400 });
    await ask();
    wait(300 + WITHDRAW_DELAY / 2 - 30);
    expect(await round()).toEqual([]);
    wait(1);
    expect(await round()).toEqual(['settle 1']);
  });

  it('are not settled when that costs more than it brings', async () => {
    await ask(3, { maxAmount: 44n });
    await ask();
    hold({ deposit: 89n });
    wait(600);
    expect(await round()).toEqual([]);
    hold({ deposit: 90n });
    expect(await round()).toEqual(['settle 4']);
  });

  it('are not held up by one that is not worth showing all open numbers for', async () => {
    await ask();
    const open = Array.from({ length: 300 }, (_, at) => BigInt(at + 1));
    const voucher = await caller.voucher({ total: PRICE, upTo: 300n }, open);
    await send(voucher);
    hold({ charged: PRICE, upTo: 300n, open: voucher.voucher.open });
    wait(600);
    expect(await round()).toEqual([]);
    for (const number of [301n, 302n]) await ask(1, { number });
    wait(600);
    expect(await round()).toEqual(['settle 301 302']);
    for (const number of [303n, 304n]) await ask(1, { number });
    wait(600);
    hold({ charged: 3n * PRICE, upTo: 300n, open: voucher.voucher.open, settled: 302n });
    expect(await round()).toEqual(['settle 303 304']);
  });

  it('show all open numbers when enough of them are settled together, each worth its part of that', async () => {
    await ask(5, { maxAmount: 50n });
    await ask(5);
    const open = Array.from({ length: 300 }, (_, at) => BigInt(at + 1));
    const voucher = await caller.voucher({ total: PRICE, upTo: 300n }, open);
    await send(voucher);
    hold({ charged: PRICE, upTo: 300n, open: voucher.voucher.open });
    wait(600);
    expect((await round()).map((text) => text.split(',')[0])).toEqual(['settle 6 7 8 9 10']);
  });

  it('wait for a lower number that still runs, until time is short', async () => {
    await holdOne();
    await ask();
    wait(1200);
    expect(await round()).toEqual([]);
    wait(WITHDRAW_DELAY / 2 - 900);
    expect(await round()).toEqual(['settle 2']);
  });
});

/** The next request runs until the test ends. */
async function holdOne(): Promise<void> {
  worker.hold = new Promise(() => {});
  const held = await caller.send(connection, world.guest, await caller.order(world.guest));
  await held.body[Symbol.asyncIterator]().next();
  worker.hold = null;
}

describe('a client that leaves', () => {
  it('is settled with at once when too little would stay, with a moment for its voucher', async () => {
    await ask();
    hold({ deposit: 1000n, withdrawal: 1000n });
    expect(await round()).toEqual([]);
    wait(15);
    expect(await round()).toEqual(['settle 1']);
  });

  it('is given the usual time when enough stays', async () => {
    await ask();
    hold({ deposit: 1000n, withdrawal: 1000n - PRICE });
    wait(599);
    expect(await round()).toEqual([]);
    wait(1);
    expect(await round()).toEqual(['settle 1']);
  });

  it('cannot hold a settlement up with a request that runs: there is no waiting when its coins can soon be gone', async () => {
    await holdOne();
    await ask();
    const withdrawalAt = world.clock.nowSec() + WITHDRAW_DELAY;
    hold({ deposit: 20_000n, withdrawal: 20_000n, withdrawalAt });
    wait(WITHDRAW_DELAY / 2 - 30);
    expect(await round()).toEqual([]);
    wait(1);
    expect(await round()).toEqual(['settle 2']);
  });

  it('keeps its channel watched until its receipts are settled', async () => {
    await ask();
    expect(proxy.requests.activity(channel(), 1000n)).toBe('unsigned');
    wait(700);
    await round();
    expect(world.chain.watched).toContain(caller.id);
    hold({ charged: PRICE, settled: 1n });
    await round();
    wait(700);
    await round();
    expect(world.chain.watched).not.toContain(caller.id);
  });
});

function channel() {
  const found = proxy.channels.get(caller.id);
  if (found === undefined) throw new Error('the channel is not watched');
  return found;
}

describe('after a settlement', () => {
  const unsigned = 9;
  /** The window is used up, and then settled. */
  async function settleAll(): Promise<void> {
    await restart({ creditWindowNano: '10900' });
    await ask(unsigned);
    expect(await caller.ask(connection, world.guest)).toMatchObject({ code: 'credit_exhausted' });
    wait(600);
    await round();
    hold({ charged: 5n * PRICE, settled: 5n });
    await round();
    hold({ charged: BigInt(unsigned) * PRICE, settled: BigInt(unsigned) });
  }

  it('what was settled counts as charged: the client is served again', async () => {
    await settleAll();
    expect(proxy.requests.unsecured(channel())).toBe(0n);
    await ask();
    expect(proxy.requests.unsecured(channel())).toBe(PRICE);
  });

  it('the client is shown its receipts, and a voucher over them that adds nothing to the chain is taken', async () => {
    await settleAll();
    const state = await caller.state(connection);
    expect(state).toMatchObject({ standing: { outstanding: 0n, voucherTotal: 0n } });
    expect('receipts' in state && state.receipts.map(({ order }) => order.number)).toHaveLength(unsigned);
    expect(await send(await caller.voucher({ total: 9n * PRICE, upTo: 10n }))).toBeNull();
    expect(await round()).toEqual([]);
    await ask(1, { number: 11n });
    expect(await send(await caller.voucher({ total: 10n * PRICE, upTo: 11n }))).toBeNull();
    expect(await proxy.settlement.chargeAll()).toBe(PRICE);
  });

  it('a voucher that leaves it open is refused, so that no total is below what is charged', async () => {
    await settleAll();
    await ask(1, { number: 11n });
    const leaving = await caller.voucher({ total: 9n * PRICE, upTo: 11n }, [3n]);
    expect(await send(leaving)).toMatchObject({ code: 'voucher_refused', check: 'voucher_leaves_settled' });
  });

  it('a voucher that leaves open what is on its way to the chain is refused, also by a proxy that was killed meanwhile', async () => {
    await ask(2);
    wait(600);
    expect(await round()).toEqual(['settle 1 2']);
    await restart();
    const leaving = await caller.voucher({ total: PRICE, upTo: 2n }, [2n]);
    expect(await send(leaving)).toMatchObject({ code: 'voucher_refused', check: 'voucher_leaves_settled' });
    expect(await send(await caller.voucher({ total: 2n * PRICE, upTo: 2n }))).toBeNull();
  });

  it('a receipt that a voucher on chain left open is settled with its numbers, also behind a newer voucher that changed nothing there', async () => {
    await ask(3);
    const first = await caller.voucher({ total: PRICE, upTo: 3n }, [1n, 3n]);
    await send(first);
    hold({ charged: PRICE, upTo: 3n, open: first.voucher.open });
    await proxy.requests.markSettling(caller.id, [1n]);
    hold({ charged: 2n * PRICE, upTo: 3n, open: first.voucher.open, settled: 1n });
    expect(await send(await caller.voucher({ total: 2n * PRICE, upTo: 3n }, [3n]))).toBeNull();
    wait(600);
    expect(await round()).toEqual(['settle 3, open 1 3']);
    await restart();
    expect(await round()).toEqual(['settle 3, open 1 3']);
  });
});

describe('a proxy that was killed', () => {
  it('settles what its record has and the chain has not, and nothing that the chain has', async () => {
    await ask(7);
    wait(600);
    await round();
    hold({ charged: 5n * PRICE, settled: 5n });
    await restart();
    expect(await round()).toEqual(['settle 6 7']);
  });

  it('asks once more for what never arrived', async () => {
    await ask(2);
    wait(600);
    expect(await round()).toEqual(['settle 1 2']);
    await restart();
    expect(await round()).toEqual(['settle 1 2']);
  });
});

describe('a client that changed its key', () => {
  /** The session key is another from now on; the old one counts for so long. */
  function rotate(forSec: number): Pick<ChannelMoney, 'oldKey'> {
    const oldKey = { key: fromBigEndian(caller.session.publicKey), until: world.clock.nowSec() + forSec };
    caller.session = generateSigner();
    hold({ oldKey });
    return { oldKey };
  }

  it('has its vouchers and receipts charged as what the old key has signed, while that counts', async () => {
    await ask();
    await send(await caller.voucher({ total: 200_000n, upTo: 1n }));
    await ask();
    const rotated = rotate(WITHDRAW_DELAY);
    expect(await round()).toEqual(['charge old 200000']);
    hold({ charged: 200_000n, upTo: 1n, ...rotated });
    await ask();
    wait(600);
    expect(await round()).toEqual(['settle old2 3']);
  });

  it('has its receipts settled before the old key ends', async () => {
    await ask();
    rotate(WITHDRAW_DELAY / 2 + 30);
    expect(await round()).toEqual([]);
    wait(1);
    expect(await round()).toEqual(['settle old1']);
  });

  it('is not asked for what only a key has signed that counts no more: the rest is settled', async () => {
    await ask();
    await send(await caller.voucher({ total: 3n * PRICE, upTo: 1n }));
    await ask();
    const rotated = rotate(100);
    wait(71);
    await ask();
    wait(600);
    expect(await round()).toEqual(['settle 3']);
    expect(await proxy.settlement.chargeAll()).toBe(0n);
    hold({ charged: PRICE, settled: 3n, ...rotated });
    await ask();
    wait(600);
    expect(await round()).toEqual(['settle 4']);
  });
});
