import { type Address, toNano } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import { ClientContract } from '../../wrappers/ClientContract';
import { ProxyContract } from '../../wrappers/ProxyContract';
import { WorkerContract } from '../../wrappers/WorkerContract';
import { EVERYTHING } from '../../wrappers/withdrawal';
import { ALL_PRICES, DELAY, FEE, STAKE, signedVoucher, signedWorkerVoucher, World, YEAR } from '../world';
import { Story } from './story';

const ALL = { amount: EVERYTHING };

describe.each(ALL_PRICES)('an announcement that is kept for later at %s prices', (which) => {
  let world: World;
  let inUse: BlockchainSnapshot;
  let story: Story;
  let channel: Address;
  let proxy: Address;
  let worker: Address;
  /** What lies in the client's channel, the proxy and the worker's channel when a story begins. */
  let deposit: bigint;
  let estate: bigint;
  let funding: bigint;

  beforeAll(async () => {
    world = await World.inUse(which);
    inUse = world.snapshot();
    channel = world.clientChannel.address;
    proxy = world.proxy.address;
    worker = world.workerChannel.address;
    deposit = await world.balance(channel);
    estate = await world.balance(proxy);
    funding = await world.balance(worker);
  });

  beforeEach(async () => {
    await world.restore(inUse);
    story = new Story(world);
  });

  const charge = (total: bigint) =>
    story.send('operator', channel, ClientContract.chargeBody(signedVoucher({ channel, total, upTo: total, open: 0n })));
  const claim = (total: bigint) =>
    story.send('workerOwner', worker, WorkerContract.claimBody(signedWorkerVoucher({ workerContract: worker, total, tokens: 1n })));

  test("a client's never lapses: from its day on the proxy can rely on what it has charged, and on nothing else", async () => {
    await story.send('client', channel, ClientContract.requestWithdrawalBody(ALL));
    const readyAt = BigInt(world.now + DELAY);
    world.wait(DELAY);
    await charge(toNano('1'));
    world.wait(YEAR);
    // Anybody can see it, all the time.
    expect((await world.clientChannel.getState()).withdrawal).toEqual({ amount: EVERYTHING, readyAt });
    await charge(toNano('3'));
    await story.send('client', channel, ClientContract.completeWithdrawalBody());
    await charge(toNano('4'));
    expect(await world.clientChannel.getState()).toMatchObject({ withdrawal: null, charged: toNano('4'), paid: toNano('3') });
    const taken = story.costs('Client');
    // It is used up: a new deposit is bound for a whole delay again, and pays first what is still owed.
    await story.send('client', channel, undefined, { value: toNano('2') });
    await story.refused('notAnnounced', 'client', channel, ClientContract.completeWithdrawalBody());
    await story.send('operator', channel, ClientContract.collectBody());
    expect(story.table()).toEqual({
      client: deposit - toNano('3') - taken - toNano('2'),
      Client: -deposit + taken + toNano('1'),
      Proxy: toNano('4'),
    });
  });

  test("a client's of a part leaves the rest where it is, as often as it is announced anew", async () => {
    for (const amount of [toNano('1'), toNano('2')]) {
      await story.send('client', channel, ClientContract.requestWithdrawalBody({ amount }));
      world.wait(DELAY + YEAR);
      await story.send('stranger', channel, ClientContract.completeWithdrawalBody());
    }
    await charge(toNano('4'));
    expect(story.table()).toEqual({ client: toNano('3'), Client: -toNano('7'), Proxy: toNano('4') });
  });

  test("a proxy's from a worker's channel never lapses: from its day on the worker can rely on what it has claimed, and on nothing else", async () => {
    await story.order(worker, WorkerContract.requestWithdrawalBody(ALL));
    const readyAt = BigInt(world.now + DELAY);
    world.wait(DELAY);
    await claim(toNano('1'));
    world.wait(YEAR);
    expect((await world.workerChannel.getState()).withdrawal).toEqual({ amount: EVERYTHING, readyAt });
    await claim(toNano('3'));
    await story.send('stranger', worker, WorkerContract.completeWithdrawalBody());
    const late = WorkerContract.claimBody(signedWorkerVoucher({ workerContract: worker, total: toNano('4'), tokens: 1n }));
    await story.refused('nothingToPay', 'workerOwner', worker, late);
    expect(story.table()).toEqual({
      workerOwner: toNano('3'),
      Worker: -funding + story.costs('Worker'),
      Proxy: funding - toNano('3') - story.costs('Worker') + story.change,
      proxyOwner: -story.change,
    });
  });

  test("a proxy's of stake and income lapses one delay after its day: what it leaves to rely on stays until it is announced anew", async () => {
    const announce = ProxyContract.requestWithdrawalBody({ income: EVERYTHING, stake: EVERYTHING });
    const complete = ProxyContract.completeWithdrawalBody();
    await story.refused('stillListed', 'proxyOwner', proxy, announce);
    await story.send('proxyOwner', proxy, ProxyContract.leaveBody());
    await story.send('proxyOwner', proxy, announce);
    world.wait(DELAY - 1);
    await story.refused('tooEarly', 'proxyOwner', proxy, complete);
    world.wait(DELAY + 2);
    await story.refused('lapsed', 'proxyOwner', proxy, complete);
    expect(story.table()).toEqual({});
    const free = estate - STAKE - ProxyContract.RESERVE;
    await story.send('operator', proxy, ProxyContract.fundBody({ workerOwner: world.party('workerOwner').address, amount: toNano('2') }));
    await claim(toNano('6'));

    await story.send('proxyOwner', proxy, announce);
    world.wait(2 * DELAY);
    await story.send('proxyOwner', proxy, complete);
    expect(free).toBeGreaterThan(toNano('2'));
    expect(story.table()).toEqual({
      proxyOwner: estate - toNano('2') - story.costs('Proxy'),
      Proxy: -estate + story.costs('Proxy'),
      workerOwner: toNano('6'),
      Worker: toNano('2') - toNano('6'),
    });
  });

  test("a proxy's is taken back by registering anew: the stake is bound again, and a matured announcement pays nothing", async () => {
    await story.send('proxyOwner', proxy, ProxyContract.leaveBody());
    await story.send('proxyOwner', proxy, ProxyContract.requestWithdrawalBody({ income: EVERYTHING, stake: EVERYTHING }));
    world.wait(DELAY);
    const forward = FEE + toNano('0.2');
    await story.send('proxyOwner', proxy, ProxyContract.registerBody({ stake: STAKE, forward }), { value: forward + toNano('1') });
    await story.refused('notAnnounced', 'proxyOwner', proxy, ProxyContract.completeWithdrawalBody());
    await story.refused('stillListed', 'proxyOwner', proxy, ProxyContract.requestWithdrawalBody({ income: 0n, stake: STAKE }));
    expect(story.table()).toEqual({ proxyOwner: -FEE - toNano('1'), Root: FEE, Proxy: toNano('1') });
  });
});
