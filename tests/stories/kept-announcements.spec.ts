import { toNano } from '@ton/core';
import { ClientContract } from '../../wrappers/ClientContract';
import { ProxyContract } from '../../wrappers/ProxyContract';
import { WorkerContract } from '../../wrappers/WorkerContract';
import { EVERYTHING } from '../../wrappers/withdrawal';
import { ALL_PRICES, DELAY, FEE, STAKE, signedVoucher, signedWorkerVoucher, YEAR } from '../world';
import { Start } from './start';
import type { Story } from './story';

const ALL = { amount: EVERYTHING };

describe.each(ALL_PRICES)('an announcement that is kept for later at %s prices (INV-R5)', (which) => {
  let start: Start;
  let story: Story;

  beforeAll(async () => {
    start = await Start.at(which);
  });

  beforeEach(async () => {
    story = await start.story();
  });

  const charge = (total: bigint) =>
    story.send(
      'operator',
      start.channel,
      ClientContract.chargeBody(signedVoucher({ channel: start.channel, total, upTo: total, open: 0n })),
    );
  const claim = (total: bigint) =>
    story.send(
      'workerOwner',
      start.worker,
      WorkerContract.claimBody(signedWorkerVoucher({ workerContract: start.worker, total, tokens: 1n })),
    );

  test("a client's never lapses: from its day on the proxy can rely on what it has charged, and on nothing else", async () => {
    await story.send('client', start.channel, ClientContract.requestWithdrawalBody(ALL));
    const readyAt = BigInt(start.world.now + DELAY);
    start.world.wait(DELAY);
    await charge(toNano('1'));
    start.world.wait(YEAR);
    // Anybody can see it, all the time.
    expect((await start.world.clientChannel.getState()).withdrawal).toEqual({ amount: EVERYTHING, readyAt });
    await charge(toNano('3'));
    await story.send('client', start.channel, ClientContract.completeWithdrawalBody());
    await charge(toNano('4'));
    expect(await start.world.clientChannel.getState()).toMatchObject({ withdrawal: null, charged: toNano('4'), paid: toNano('3') });
    const taken = story.costs('Client');
    // It is used up: a new deposit is bound for a whole delay again, and pays first what is still owed.
    await story.send('client', start.channel, undefined, { value: toNano('2') });
    await story.refused('notAnnounced', 'client', start.channel, ClientContract.completeWithdrawalBody());
    await story.send('operator', start.channel, ClientContract.collectBody());
    expect(story.table()).toEqual({
      client: start.deposit - toNano('3') - taken - toNano('2'),
      Client: -start.deposit + taken + toNano('1'),
      Proxy: toNano('4'),
    });
  });

  test("a client's of a part leaves the rest where it is, as often as it is announced anew", async () => {
    for (const amount of [toNano('1'), toNano('2')]) {
      await story.send('client', start.channel, ClientContract.requestWithdrawalBody({ amount }));
      start.world.wait(DELAY + YEAR);
      await story.send('stranger', start.channel, ClientContract.completeWithdrawalBody());
    }
    await charge(toNano('4'));
    expect(story.table()).toEqual({ client: toNano('3'), Client: -toNano('7'), Proxy: toNano('4') });
  });

  test("a proxy's from a worker's channel never lapses: from its day on the worker can rely on what it has claimed, and on nothing else", async () => {
    await story.order(start.worker, WorkerContract.requestWithdrawalBody(ALL));
    const readyAt = BigInt(start.world.now + DELAY);
    start.world.wait(DELAY);
    await claim(toNano('1'));
    start.world.wait(YEAR);
    expect((await start.world.workerChannel.getState()).withdrawal).toEqual({ amount: EVERYTHING, readyAt });
    await claim(toNano('3'));
    await story.send('stranger', start.worker, WorkerContract.completeWithdrawalBody());
    const late = WorkerContract.claimBody(signedWorkerVoucher({ workerContract: start.worker, total: toNano('4'), tokens: 1n }));
    await story.refused('nothingToPay', 'workerOwner', start.worker, late);
    expect(story.table()).toEqual({
      workerOwner: toNano('3'),
      Worker: -start.funding + story.costs('Worker'),
      Proxy: start.funding - toNano('3') - story.costs('Worker') + story.change,
      proxyOwner: -story.change,
    });
  });

  test("a proxy's of stake and income lapses one delay after its day: what it leaves to rely on stays until it is announced anew", async () => {
    const announce = ProxyContract.requestWithdrawalBody({ income: EVERYTHING, stake: EVERYTHING });
    const complete = ProxyContract.completeWithdrawalBody();
    await story.refused('stillListed', 'proxyOwner', start.proxy, announce);
    await story.send('proxyOwner', start.proxy, ProxyContract.leaveBody());
    await story.send('proxyOwner', start.proxy, announce);
    start.world.wait(DELAY - 1);
    await story.refused('tooEarly', 'proxyOwner', start.proxy, complete);
    start.world.wait(DELAY + 2);
    await story.refused('lapsed', 'proxyOwner', start.proxy, complete);
    expect(story.table()).toEqual({});
    const free = start.estate - STAKE - ProxyContract.RESERVE;
    await story.send(
      'operator',
      start.proxy,
      ProxyContract.fundBody({ workerOwner: start.world.party('workerOwner').address, amount: toNano('2') }),
    );
    await claim(toNano('6'));

    await story.send('proxyOwner', start.proxy, announce);
    start.world.wait(2 * DELAY);
    await story.send('proxyOwner', start.proxy, complete);
    expect(free).toBeGreaterThan(toNano('2'));
    expect(story.table()).toEqual({
      proxyOwner: start.estate - toNano('2') - story.costs('Proxy'),
      Proxy: -start.estate + story.costs('Proxy'),
      workerOwner: toNano('6'),
      Worker: toNano('2') - toNano('6'),
    });
  });

  test("a proxy's is taken back by registering anew: the stake is bound again, and a matured announcement pays nothing", async () => {
    await story.send('proxyOwner', start.proxy, ProxyContract.leaveBody());
    await story.send('proxyOwner', start.proxy, ProxyContract.requestWithdrawalBody({ income: EVERYTHING, stake: EVERYTHING }));
    start.world.wait(DELAY);
    const forward = FEE + toNano('0.2');
    await story.send('proxyOwner', start.proxy, ProxyContract.registerBody({ stake: STAKE, forward }), { value: forward + toNano('1') });
    await story.refused('notAnnounced', 'proxyOwner', start.proxy, ProxyContract.completeWithdrawalBody());
    await story.refused('stillListed', 'proxyOwner', start.proxy, ProxyContract.requestWithdrawalBody({ income: 0n, stake: STAKE }));
    expect(story.table()).toEqual({ proxyOwner: -FEE - toNano('1'), Root: FEE, Proxy: toNano('1') });
  });
});
