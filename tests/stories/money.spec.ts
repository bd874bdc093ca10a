import { type Address, toNano } from '@ton/core';
import { ClientContract } from '../../wrappers/ClientContract';
import { ProxyContract } from '../../wrappers/ProxyContract';
import { WorkerContract } from '../../wrappers/WorkerContract';
import { EVERYTHING } from '../../wrappers/withdrawal';
import { COST, settled } from '../settling';
import { ALL_PRICES, DELAY, DEPOSIT, publicKeyOf, SESSION, signedVoucher, signedWorkerVoucher, World, YEAR } from '../world';
import { Start } from './start';
import { Story } from './story';

const OPEN = ClientContract.openBody({ sessionKey: publicKeyOf(SESSION) });
const ANNOUNCE = ClientContract.requestWithdrawalBody({ amount: EVERYTHING });
const COMPLETE = ClientContract.completeWithdrawalBody();
const COLLECT = ClientContract.collectBody();
const PROXY_ANNOUNCE = ProxyContract.requestWithdrawalBody({ income: EVERYTHING, stake: EVERYTHING });
const PROXY_COMPLETE = ProxyContract.completeWithdrawalBody();

const chargeOf = (channel: Address, total: bigint, upTo = 1n) =>
  ClientContract.chargeBody(signedVoucher({ channel, total, upTo, open: 0n }));
const claimOf = (worker: Address, total: bigint) =>
  WorkerContract.claimBody(signedWorkerVoucher({ workerContract: worker, total, tokens: 1n }));

/** After how many years without a coin an emptied proxy freezes. */
const FREEZING_YEARS = { mainnet: 60, dear: 30 } as const;

describe.each(ALL_PRICES)('money at %s prices (INV-R1, INV-R2, INV-R5)', (which) => {
  let start: Start;
  let story: Story;

  beforeAll(async () => {
    start = await Start.at(which);
  });

  beforeEach(async () => {
    story = await start.story();
  });

  const charge = (total: bigint, upTo?: bigint) => story.send('operator', start.channel, chargeOf(start.channel, total, upTo));
  const topUp = (value: bigint) => story.send('client', start.channel, undefined, { value });

  /** The client announces everything, waits, and takes it. */
  const leave = async () => {
    await story.send('client', start.channel, ANNOUNCE);
    start.world.wait(DELAY);
    await story.send('client', start.channel, COMPLETE);
  };

  /** The proxy's owner announces everything, waits, and takes it. */
  const takeAll = async () => {
    await story.send('proxyOwner', start.proxy, PROXY_ANNOUNCE);
    start.world.wait(DELAY);
    await story.send('proxyOwner', start.proxy, PROXY_COMPLETE);
  };

  test("a top-up to an absent proxy's channel stays the client's, and what is charged waits for the proxy's owner", async () => {
    const empty = await World.create(which);
    const first = new Story(empty);
    await first.comesBack('client', start.channel, undefined, { value: toNano('3') });
    await first.send('client', start.channel, OPEN, { value: DEPOSIT, init: ClientContract.create(empty.clientTerms).init });
    await first.send('client', start.channel, undefined, { value: toNano('3') });
    await first.send('operator', start.channel, chargeOf(start.channel, toNano('4')));
    await first.send('client', start.channel, ANNOUNCE);
    empty.wait(DELAY);
    await first.send('client', start.channel, COMPLETE);
    const left = { client: -toNano('4') - first.costs('Client'), Client: first.costs('Client') };
    expect(await empty.balance(start.channel)).toBe(0n);
    expect(first.table()).toEqual({ ...left, Proxy: toNano('4') });

    await first.send('proxyOwner', start.proxy, PROXY_ANNOUNCE, { init: ProxyContract.create(empty.proxyTerms).init });
    empty.wait(DELAY);
    await first.send('proxyOwner', start.proxy, PROXY_COMPLETE);
    expect(await empty.balance(start.proxy)).toBe(0n);
    expect(first.table()).toEqual({ ...left, proxyOwner: toNano('4') - first.costs('Proxy'), Proxy: first.costs('Proxy') });
  });

  test("a top-up to a frozen proxy's channel stays the client's, and what is charged waits until the proxy is revived", async () => {
    await story.send('proxyOwner', start.proxy, ProxyContract.leaveBody());
    await takeAll();
    const init = { code: ProxyContract.create(start.world.proxyTerms).init?.code, data: await start.world.data(start.proxy) };
    start.world.wait(FREEZING_YEARS[which] * YEAR);
    await story.comesBack('stranger', start.proxy);
    expect((await start.world.chain.getContract(start.proxy)).accountState?.type).toBe('frozen');

    await topUp(toNano('3'));
    await charge(toNano('4'));
    await leave();
    expect((await start.world.chain.getContract(start.proxy)).accountState?.type).toBe('frozen');
    await story.send('proxyOwner', start.proxy, PROXY_ANNOUNCE, { init });
    start.world.wait(DELAY);
    await story.send('proxyOwner', start.proxy, PROXY_COMPLETE);
    for (const emptied of [start.channel, start.proxy]) expect(await start.world.balance(emptied)).toBe(0n);
    expect(story.table()).toEqual({
      client: start.deposit - toNano('4') - story.costs('Client'),
      Client: -start.deposit + story.costs('Client'),
      proxyOwner: start.estate + toNano('4') - story.costs('Proxy'),
      Proxy: -start.estate + story.costs('Proxy'),
    });
  });

  test("a top-up to a closing proxy's channel, before and after the proxy has left, stays the client's but for what is charged", async () => {
    await story.send('proxyOwner', start.proxy, ProxyContract.leaveBody());
    await story.send('proxyOwner', start.proxy, PROXY_ANNOUNCE);
    await topUp(toNano('2'));
    await charge(toNano('1'));
    start.world.wait(DELAY);
    await story.send('proxyOwner', start.proxy, PROXY_COMPLETE);
    expect(await start.world.balance(start.proxy)).toBe(0n);
    await topUp(toNano('3'));
    await charge(toNano('4'));
    await leave();
    await takeAll();
    expect(story.table()).toEqual({
      client: start.deposit - toNano('4') - story.costs('Client'),
      Client: -start.deposit + story.costs('Client'),
      proxyOwner: start.estate + toNano('4') - story.costs('Proxy'),
      Proxy: -start.estate + story.costs('Proxy'),
    });
  });

  test('two clients of one insolvent proxy: what one owes and the proxy has not got is nothing to the other, who takes all that is its own', async () => {
    const second = await story.join('secondClient');
    const terms = { ...start.world.clientTerms, owner: second.address };
    const other = ClientContract.create(terms);
    start.world.name(other.address, 'SecondClient');
    await story.send('secondClient', other.address, OPEN, { value: toNano('7'), init: other.init });
    await charge(toNano('25'));
    await story.send('proxyOwner', start.proxy, ProxyContract.leaveBody());
    await takeAll();
    expect(await start.world.balance(start.proxy)).toBe(0n);
    const untilClosed = story.costs('Proxy');

    await story.send('operator', other.address, chargeOf(other.address, toNano('1')));
    await story.send('secondClient', other.address, ANNOUNCE);
    await story.send('client', start.channel, ANNOUNCE);
    start.world.wait(DELAY);
    await story.send('secondClient', other.address, COMPLETE);
    await story.send('client', start.channel, COMPLETE);
    for (const emptied of [start.channel, other.address]) expect(await start.world.balance(emptied)).toBe(0n);
    const paid = start.deposit - ClientContract.RESERVE;
    expect(await start.world.clientChannel.getState()).toMatchObject({ charged: toNano('25'), paid });
    expect(story.table()).toEqual({
      client: ClientContract.RESERVE - story.costs('Client'),
      Client: -start.deposit + story.costs('Client'),
      secondClient: -toNano('1') - story.costs('SecondClient'),
      SecondClient: story.costs('SecondClient'),
      proxyOwner: start.estate + paid - untilClosed,
      // What the second client paid came when the proxy had been emptied.
      Proxy: toNano('1') - start.estate + untilClosed,
    });
  });

  test('a proxy that is gone for ever: the client leaves with its deposit, the worker with the channel, and the rest stays owed to it', async () => {
    await story.send('workerOwner', start.worker, claimOf(start.worker, toNano('6')));
    const paid = start.funding - WorkerContract.RESERVE;
    expect(await start.world.workerChannel.getState()).toMatchObject({ paid, deposit: 0n });
    await story.refused('nothingToPay', 'workerOwner', start.worker, claimOf(start.worker, toNano('6')));
    await leave();
    const left = { client: start.deposit - story.costs('Client'), Client: -start.deposit + story.costs('Client') };
    expect(story.table()).toEqual({ ...left, workerOwner: paid, Worker: -paid });

    // Years later an heir puts coins in: the worker's voucher is good for what is still owed, and for no more.
    start.world.wait(YEAR);
    await story.send('stranger', start.worker, undefined, { value: toNano('2') });
    await story.send('workerOwner', start.worker, claimOf(start.worker, toNano('6')));
    await story.refused('oldVoucher', 'workerOwner', start.worker, claimOf(start.worker, toNano('6')));
    expect(story.table()).toEqual({ ...left, workerOwner: toNano('6'), Worker: toNano('2') - toNano('6'), stranger: -toNano('2') });
  });

  test('a partial payment leaves its rest owed, more work adds to it, and a top-up pays it even while the client is leaving', async () => {
    await charge(toNano('4'));
    await charge(toNano('12'));
    await story.send('operator', start.channel, ClientContract.settleBody({ receipts: [settled({ channel: start.channel, number: 2n })] }));
    await story.send('operator', start.channel, COLLECT);
    expect(await start.world.clientChannel.getState()).toMatchObject({
      charged: toNano('12') + COST,
      paid: start.deposit - ClientContract.RESERVE,
      deposit: 0n,
    });
    await story.send('client', start.channel, ANNOUNCE);
    await topUp(toNano('6'));
    await story.send('operator', start.channel, COLLECT);
    start.world.wait(DELAY);
    await story.send('client', start.channel, COMPLETE);
    expect(await start.world.clientChannel.getState()).toMatchObject({ charged: toNano('12') + COST, paid: toNano('12') + COST });
    expect(story.table()).toEqual({
      client: start.deposit - toNano('12') - COST - story.costs('Client'),
      Client: -start.deposit + story.costs('Client'),
      Proxy: toNano('12') + COST,
    });
  });
});
