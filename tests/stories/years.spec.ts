import { type Address, toNano } from '@ton/core';
import { ClientContract } from '../../wrappers/ClientContract';
import { ProxyContract } from '../../wrappers/ProxyContract';
import { RootContract } from '../../wrappers/RootContract';
import { WorkerContract } from '../../wrappers/WorkerContract';
import { EVERYTHING } from '../../wrappers/withdrawal';
import { DELAY, DEPOSIT, FIVE_YEARS, STAKE, signedVoucher, signedWorkerVoucher } from '../world';
import { Start } from './start';
import type { Story } from './story';

const ALL = { amount: EVERYTHING };
const PROXY_ANNOUNCE = ProxyContract.requestWithdrawalBody({ income: EVERYTHING, stake: EVERYTHING });
const PROXY_COMPLETE = ProxyContract.completeWithdrawalBody();

describe('years of rent (INV-R7)', () => {
  let start: Start;
  let story: Story;

  beforeAll(async () => {
    start = await Start.at();
  });

  beforeEach(async () => {
    story = await start.story();
  });

  const chargeOf = (total: bigint) => ClientContract.chargeBody(signedVoucher({ channel: start.channel, total, upTo: total, open: 0n }));
  const claimOf = (total: bigint) => WorkerContract.claimBody(signedWorkerVoucher({ workerContract: start.worker, total, tokens: 1n }));
  const clientLeaves = async () => {
    await story.send('client', start.channel, ClientContract.requestWithdrawalBody(ALL));
    start.world.wait(DELAY);
    await story.send('client', start.channel, ClientContract.completeWithdrawalBody());
  };
  const proxyLeaves = async () => {
    await story.send('proxyOwner', start.proxy, PROXY_ANNOUNCE);
    start.world.wait(DELAY);
    await story.send('proxyOwner', start.proxy, PROXY_COMPLETE);
  };
  const typeOf = async (address: Address) => (await start.world.chain.getContract(address)).accountState?.type;
  test('five years: channels, proxy and root that were paid down to their reserves answer, and each has borne its own rent', async () => {
    await story.send('operator', start.channel, chargeOf(toNano('25')));
    await story.send('workerOwner', start.worker, claimOf(toNano('25')));
    await story.send('rootOwner', start.root, RootContract.collectFeesBody());
    const free = toNano('40');
    await story.send('proxyOwner', start.proxy, ProxyContract.requestWithdrawalBody({ income: free, stake: 0n }));
    start.world.wait(DELAY);
    await story.send('proxyOwner', start.proxy, PROXY_COMPLETE);
    const paid = start.deposit - ClientContract.RESERVE;
    const income = start.estate + paid - story.costs('Proxy') - STAKE - ProxyContract.RESERVE;
    const before = {
      Client: -paid,
      Worker: WorkerContract.RESERVE - start.funding,
      workerOwner: start.funding - WorkerContract.RESERVE,
      rootOwner: start.fees - RootContract.RESERVE,
      Root: RootContract.RESERVE - start.fees,
      proxyOwner: income,
      Proxy: paid - income,
    };
    expect(income).toBeLessThan(free);
    expect(story.table()).toEqual(before);

    start.world.wait(FIVE_YEARS);
    await story.send('client', start.channel, undefined, { value: toNano('3') });
    await story.send('operator', start.channel, ClientContract.collectBody());
    await story.send('operator', start.proxy, ProxyContract.anchorBody({ root: 1n }));
    await story.send('stranger', start.worker, undefined, { value: toNano('2') });
    await story.send('workerOwner', start.worker, claimOf(toNano('6')));
    await story.send('rootOwner', start.root, RootContract.addImageBody({ hash: 1n, roles: 1, note: 0n }));
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
    for (const address of [start.channel, start.worker, start.proxy, start.root])
      expect(await start.world.balance(address)).toBeGreaterThan(0n);

    await story.send('proxyOwner', start.proxy, ProxyContract.leaveBody());
    await proxyLeaves();
    expect(story.table()).toMatchObject({
      proxyOwner: start.estate + paid + refilled - story.costs('Proxy'),
      Proxy: -start.estate + story.costs('Proxy'),
    });
  });

  test('five years after everybody has left with everything: the emptied contracts are there, and serve again', async () => {
    await story.send('operator', start.channel, chargeOf(toNano('4')));
    await story.order(start.worker, WorkerContract.requestWithdrawalBody(ALL));
    await clientLeaves();
    await story.send('stranger', start.worker, WorkerContract.completeWithdrawalBody());
    await story.send('proxyOwner', start.proxy, ProxyContract.leaveBody());
    await proxyLeaves();
    for (const address of [start.channel, start.worker, start.proxy]) expect(await start.world.balance(address)).toBe(0n);
    const [paidByClient, paidByWorker, paidByProxy] = ['Client', 'Worker', 'Proxy'].map((name) => story.costs(name));

    start.world.wait(FIVE_YEARS);
    await story.send('client', start.channel, undefined, { value: DEPOSIT });
    await story.refused('oldVoucher', 'operator', start.channel, chargeOf(toNano('4')));
    await story.send('operator', start.channel, chargeOf(toNano('5')));
    await story.send('stranger', start.proxy, undefined, { value: toNano('3') });
    await story.send(
      'operator',
      start.proxy,
      ProxyContract.fundBody({ workerOwner: start.world.party('workerOwner').address, amount: toNano('2') }),
    );
    await story.send('workerOwner', start.worker, claimOf(toNano('1')));
    for (const address of [start.channel, start.worker, start.proxy]) expect(await typeOf(address)).toBe('active');
    expect(story.table()).toEqual({
      client: start.deposit - toNano('4') - (paidByClient ?? 0n) - DEPOSIT,
      Client: DEPOSIT - toNano('1') - start.deposit + (paidByClient ?? 0n),
      proxyOwner: start.estate + toNano('4') + start.funding - (paidByWorker ?? 0n) - (paidByProxy ?? 0n),
      Proxy: toNano('1') + toNano('3') - toNano('2') - start.estate + (paidByProxy ?? 0n),
      stranger: -toNano('3'),
      Worker: toNano('2') - toNano('1') - start.funding + (paidByWorker ?? 0n),
      workerOwner: toNano('1'),
    });
  });
});
