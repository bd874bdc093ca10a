import { type Address, toNano } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import { ClientContract } from '../../wrappers/ClientContract';
import { ProxyContract } from '../../wrappers/ProxyContract';
import { WorkerContract } from '../../wrappers/WorkerContract';
import { EVERYTHING } from '../../wrappers/withdrawal';
import { COST, settled } from '../settling';
import { ALL_PRICES, DELAY, DEPOSIT, publicKeyOf, SESSION, signedVoucher, signedWorkerVoucher, World, YEAR } from '../world';
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

describe.each(ALL_PRICES)('money at %s prices', (which) => {
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

  const charge = (total: bigint, upTo?: bigint) => story.send('operator', channel, chargeOf(channel, total, upTo));
  const topUp = (value: bigint) => story.send('client', channel, undefined, { value });

  /** The client announces everything, waits, and takes it. */
  const leave = async () => {
    await story.send('client', channel, ANNOUNCE);
    world.wait(DELAY);
    await story.send('client', channel, COMPLETE);
  };

  /** The proxy's owner announces everything, waits, and takes it. */
  const takeAll = async () => {
    await story.send('proxyOwner', proxy, PROXY_ANNOUNCE);
    world.wait(DELAY);
    await story.send('proxyOwner', proxy, PROXY_COMPLETE);
  };

  test("a top-up to an absent proxy's channel stays the client's, and what is charged waits for the proxy's owner", async () => {
    const empty = await World.create(which);
    const first = new Story(empty);
    await first.comesBack('client', channel, undefined, { value: toNano('3') });
    await first.send('client', channel, OPEN, { value: DEPOSIT, init: ClientContract.create(empty.clientTerms).init });
    await first.send('client', channel, undefined, { value: toNano('3') });
    await first.send('operator', channel, chargeOf(channel, toNano('4')));
    await first.send('client', channel, ANNOUNCE);
    empty.wait(DELAY);
    await first.send('client', channel, COMPLETE);
    const left = { client: -toNano('4') - first.costs('Client'), Client: first.costs('Client') };
    expect(await empty.balance(channel)).toBe(0n);
    expect(first.table()).toEqual({ ...left, Proxy: toNano('4') });

    await first.send('proxyOwner', proxy, PROXY_ANNOUNCE, { init: ProxyContract.create(empty.proxyTerms).init });
    empty.wait(DELAY);
    await first.send('proxyOwner', proxy, PROXY_COMPLETE);
    expect(await empty.balance(proxy)).toBe(0n);
    expect(first.table()).toEqual({ ...left, proxyOwner: toNano('4') - first.costs('Proxy'), Proxy: first.costs('Proxy') });
  });

  test("a top-up to a frozen proxy's channel stays the client's, and what is charged waits until the proxy is revived", async () => {
    await story.send('proxyOwner', proxy, ProxyContract.leaveBody());
    await takeAll();
    const init = { code: ProxyContract.create(world.proxyTerms).init?.code, data: await world.data(proxy) };
    world.wait(FREEZING_YEARS[which] * YEAR);
    await story.comesBack('stranger', proxy);
    expect((await world.chain.getContract(proxy)).accountState?.type).toBe('frozen');

    await topUp(toNano('3'));
    await charge(toNano('4'));
    await leave();
    expect((await world.chain.getContract(proxy)).accountState?.type).toBe('frozen');
    await story.send('proxyOwner', proxy, PROXY_ANNOUNCE, { init });
    world.wait(DELAY);
    await story.send('proxyOwner', proxy, PROXY_COMPLETE);
    for (const emptied of [channel, proxy]) expect(await world.balance(emptied)).toBe(0n);
    expect(story.table()).toEqual({
      client: deposit - toNano('4') - story.costs('Client'),
      Client: -deposit + story.costs('Client'),
      proxyOwner: estate + toNano('4') - story.costs('Proxy'),
      Proxy: -estate + story.costs('Proxy'),
    });
  });

  test("a top-up to a closing proxy's channel, before and after the proxy has left, stays the client's but for what is charged", async () => {
    await story.send('proxyOwner', proxy, ProxyContract.leaveBody());
    await story.send('proxyOwner', proxy, PROXY_ANNOUNCE);
    await topUp(toNano('2'));
    await charge(toNano('1'));
    world.wait(DELAY);
    await story.send('proxyOwner', proxy, PROXY_COMPLETE);
    expect(await world.balance(proxy)).toBe(0n);
    await topUp(toNano('3'));
    await charge(toNano('4'));
    await leave();
    await takeAll();
    expect(story.table()).toEqual({
      client: deposit - toNano('4') - story.costs('Client'),
      Client: -deposit + story.costs('Client'),
      proxyOwner: estate + toNano('4') - story.costs('Proxy'),
      Proxy: -estate + story.costs('Proxy'),
    });
  });

  test('two clients of one insolvent proxy: what one owes and the proxy has not got is nothing to the other, who takes all that is its own', async () => {
    const second = await story.join('secondClient');
    const terms = { ...world.clientTerms, owner: second.address };
    const other = ClientContract.create(terms);
    world.name(other.address, 'SecondClient');
    await story.send('secondClient', other.address, OPEN, { value: toNano('7'), init: other.init });
    await charge(toNano('25'));
    await story.send('proxyOwner', proxy, ProxyContract.leaveBody());
    await takeAll();
    expect(await world.balance(proxy)).toBe(0n);
    const untilClosed = story.costs('Proxy');

    await story.send('operator', other.address, chargeOf(other.address, toNano('1')));
    await story.send('secondClient', other.address, ANNOUNCE);
    await story.send('client', channel, ANNOUNCE);
    world.wait(DELAY);
    await story.send('secondClient', other.address, COMPLETE);
    await story.send('client', channel, COMPLETE);
    for (const emptied of [channel, other.address]) expect(await world.balance(emptied)).toBe(0n);
    const paid = deposit - ClientContract.RESERVE;
    expect(await world.clientChannel.getState()).toMatchObject({ charged: toNano('25'), paid });
    expect(story.table()).toEqual({
      client: ClientContract.RESERVE - story.costs('Client'),
      Client: -deposit + story.costs('Client'),
      secondClient: -toNano('1') - story.costs('SecondClient'),
      SecondClient: story.costs('SecondClient'),
      proxyOwner: estate + paid - untilClosed,
      // What the second client paid came when the proxy had been emptied.
      Proxy: toNano('1') - estate + untilClosed,
    });
  });

  test('a proxy that is gone for ever: the client leaves with its deposit, the worker with the channel, and the rest stays owed to it', async () => {
    await story.send('workerOwner', worker, claimOf(worker, toNano('6')));
    const paid = funding - WorkerContract.RESERVE;
    expect(await world.workerChannel.getState()).toMatchObject({ paid, deposit: 0n });
    await story.refused('nothingToPay', 'workerOwner', worker, claimOf(worker, toNano('6')));
    await leave();
    const left = { client: deposit - story.costs('Client'), Client: -deposit + story.costs('Client') };
    expect(story.table()).toEqual({ ...left, workerOwner: paid, Worker: -paid });

    // Years later an heir puts coins in: the worker's voucher is good for what is still owed, and for no more.
    world.wait(YEAR);
    await story.send('stranger', worker, undefined, { value: toNano('2') });
    await story.send('workerOwner', worker, claimOf(worker, toNano('6')));
    await story.refused('oldVoucher', 'workerOwner', worker, claimOf(worker, toNano('6')));
    expect(story.table()).toEqual({ ...left, workerOwner: toNano('6'), Worker: toNano('2') - toNano('6'), stranger: -toNano('2') });
  });

  test('a partial payment leaves its rest owed, more work adds to it, and a top-up pays it even while the client is leaving', async () => {
    await charge(toNano('4'));
    await charge(toNano('12'));
    await story.send('operator', channel, ClientContract.settleBody({ receipts: [settled({ channel, number: 2n })] }));
    await story.send('operator', channel, COLLECT);
    expect(await world.clientChannel.getState()).toMatchObject({
      charged: toNano('12') + COST,
      paid: deposit - ClientContract.RESERVE,
      deposit: 0n,
    });
    await story.send('client', channel, ANNOUNCE);
    await topUp(toNano('6'));
    await story.send('operator', channel, COLLECT);
    world.wait(DELAY);
    await story.send('client', channel, COMPLETE);
    expect(await world.clientChannel.getState()).toMatchObject({ charged: toNano('12') + COST, paid: toNano('12') + COST });
    expect(story.table()).toEqual({
      client: deposit - toNano('12') - COST - story.costs('Client'),
      Client: -deposit + story.costs('Client'),
      Proxy: toNano('12') + COST,
    });
  });
});
