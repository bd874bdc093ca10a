import { type Address, toNano } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import { ClientContract } from '../../wrappers/ClientContract';
import { ProxyContract } from '../../wrappers/ProxyContract';
import { RootContract } from '../../wrappers/RootContract';
import { WorkerContract } from '../../wrappers/WorkerContract';
import { EVERYTHING } from '../../wrappers/withdrawal';
import { DELAY, DEPOSIT, FIVE_YEARS, STAKE, signedVoucher, signedWorkerVoucher, World } from '../world';
import { Story } from './story';

const ALL = { amount: EVERYTHING };
const PROXY_ANNOUNCE = ProxyContract.requestWithdrawalBody({ income: EVERYTHING, stake: EVERYTHING });
const PROXY_COMPLETE = ProxyContract.completeWithdrawalBody();

describe('years of rent', () => {
  let world: World;
  let inUse: BlockchainSnapshot;
  let story: Story;
  let channel: Address;
  let proxy: Address;
  let worker: Address;
  let root: Address;
  /** What lies in the client's channel, the proxy, the worker's channel and the root when a story begins. */
  let deposit: bigint;
  let estate: bigint;
  let funding: bigint;
  let fees: bigint;

  beforeAll(async () => {
    world = await World.inUse();
    inUse = world.snapshot();
    channel = world.clientChannel.address;
    proxy = world.proxy.address;
    worker = world.workerChannel.address;
    root = world.root.address;
    deposit = await world.balance(channel);
    estate = await world.balance(proxy);
    funding = await world.balance(worker);
    fees = await world.balance(root);
  });

  beforeEach(async () => {
    await world.restore(inUse);
    story = new Story(world);
  });

  const chargeOf = (total: bigint) => ClientContract.chargeBody(signedVoucher({ channel, total, upTo: total, open: 0n }));
  const claimOf = (total: bigint) => WorkerContract.claimBody(signedWorkerVoucher({ workerContract: worker, total, tokens: 1n }));
  const clientLeaves = async () => {
    await story.send('client', channel, ClientContract.requestWithdrawalBody(ALL));
    world.wait(DELAY);
    await story.send('client', channel, ClientContract.completeWithdrawalBody());
  };
  const proxyLeaves = async () => {
    await story.send('proxyOwner', proxy, PROXY_ANNOUNCE);
    world.wait(DELAY);
    await story.send('proxyOwner', proxy, PROXY_COMPLETE);
  };
  const typeOf = async (address: Address) => (await world.chain.getContract(address)).accountState?.type;
  test('five years: channels, proxy and root that were paid down to their reserves answer, and each has borne its own rent', async () => {
    await story.send('operator', channel, chargeOf(toNano('25')));
    await story.send('workerOwner', worker, claimOf(toNano('25')));
    await story.send('rootOwner', root, RootContract.collectFeesBody());
    const free = toNano('40');
    await story.send('proxyOwner', proxy, ProxyContract.requestWithdrawalBody({ income: free, stake: 0n }));
    world.wait(DELAY);
    await story.send('proxyOwner', proxy, PROXY_COMPLETE);
    const paid = deposit - ClientContract.RESERVE;
    const income = estate + paid - story.costs('Proxy') - STAKE - ProxyContract.RESERVE;
    const before = {
      Client: -paid,
      Worker: WorkerContract.RESERVE - funding,
      workerOwner: funding - WorkerContract.RESERVE,
      rootOwner: fees - RootContract.RESERVE,
      Root: RootContract.RESERVE - fees,
      proxyOwner: income,
      Proxy: paid - income,
    };
    expect(income).toBeLessThan(free);
    expect(story.table()).toEqual(before);

    world.wait(FIVE_YEARS);
    await story.send('client', channel, undefined, { value: toNano('3') });
    await story.send('operator', channel, ClientContract.collectBody());
    await story.send('operator', proxy, ProxyContract.anchorBody({ root: 1n }));
    await story.send('stranger', worker, undefined, { value: toNano('2') });
    await story.send('workerOwner', worker, claimOf(toNano('6')));
    await story.send('rootOwner', root, RootContract.addImageBody({ hash: 1n, roles: 1, note: 0n }));
    // The reserve has paid the rent, so that the channel refills it out of the next coins before it pays on.
    const refilled = toNano('3') - story.costs('Client');
    const owed = toNano('6') - before.workerOwner;
    expect(story.table()).toEqual({
      ...before,
      client: -toNano('3'),
      Client: toNano('3') - paid - refilled,
      Proxy: before.Proxy + refilled,
      stranger: -toNano('2'),
      workerOwner: before.workerOwner + owed,
      Worker: before.Worker + toNano('2') - owed,
    });
    for (const name of ['Client', 'Worker', 'Proxy', 'Root']) expect(story.costs(name)).toBeGreaterThan(0n);
    for (const address of [channel, worker, proxy, root]) expect(await world.balance(address)).toBeGreaterThan(0n);

    await story.send('proxyOwner', proxy, ProxyContract.leaveBody());
    await proxyLeaves();
    expect(story.table()).toMatchObject({
      proxyOwner: estate + paid + refilled - story.costs('Proxy'),
      Proxy: -estate + story.costs('Proxy'),
    });
  });

  test('five years after everybody has left with everything: the emptied contracts are there, and serve again', async () => {
    await story.send('operator', channel, chargeOf(toNano('4')));
    await story.order(worker, WorkerContract.requestWithdrawalBody(ALL));
    await clientLeaves();
    await story.send('stranger', worker, WorkerContract.completeWithdrawalBody());
    await story.send('proxyOwner', proxy, ProxyContract.leaveBody());
    await proxyLeaves();
    for (const address of [channel, worker, proxy]) expect(await world.balance(address)).toBe(0n);
    const [paidByClient, paidByWorker, paidByProxy] = ['Client', 'Worker', 'Proxy'].map((name) => story.costs(name));

    world.wait(FIVE_YEARS);
    await story.send('client', channel, undefined, { value: DEPOSIT });
    await story.refused('oldVoucher', 'operator', channel, chargeOf(toNano('4')));
    await story.send('operator', channel, chargeOf(toNano('5')));
    await story.send('stranger', proxy, undefined, { value: toNano('3') });
    await story.send('operator', proxy, ProxyContract.fundBody({ workerOwner: world.party('workerOwner').address, amount: toNano('2') }));
    await story.send('workerOwner', worker, claimOf(toNano('1')));
    for (const address of [channel, worker, proxy]) expect(await typeOf(address)).toBe('active');
    expect(story.table()).toEqual({
      client: deposit - toNano('4') - (paidByClient ?? 0n) - DEPOSIT,
      Client: DEPOSIT - toNano('1') - deposit + (paidByClient ?? 0n),
      proxyOwner: estate + toNano('4') + funding - (paidByWorker ?? 0n) - (paidByProxy ?? 0n),
      Proxy: toNano('1') + toNano('3') - toNano('2') - estate + (paidByProxy ?? 0n),
      stranger: -toNano('3'),
      Worker: toNano('2') - toNano('1') - funding + (paidByWorker ?? 0n),
      workerOwner: toNano('1'),
    });
  });
});
