import { type Address, toNano } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import { ClientContract } from '../../wrappers/ClientContract';
import { WorkerContract } from '../../wrappers/WorkerContract';
import { EVERYTHING } from '../../wrappers/withdrawal';
import { DELAY, DEPOSIT, publicKeyOf, STRANGER_KEY, signedVoucher, signedWorkerVoucher, World, YEAR } from '../world';
import { Story } from './story';

const ALL = { amount: EVERYTHING };

/** After so long without a coin a channel is frozen at the dear prices. At mainnet's, a worker's channel would not freeze before 2100. */
const FREEZING_YEARS = 40;

describe('a frozen channel', () => {
  let world: World;
  let inUse: BlockchainSnapshot;
  let story: Story;
  let channel: Address;
  let worker: Address;
  /** What lies in the client's channel and in the worker's channel when a story begins. */
  let deposit: bigint;
  let funding: bigint;

  beforeAll(async () => {
    world = await World.inUse('dear');
    inUse = world.snapshot();
    channel = world.clientChannel.address;
    worker = world.workerChannel.address;
    deposit = await world.balance(channel);
    funding = await world.balance(worker);
  });

  beforeEach(async () => {
    await world.restore(inUse);
    story = new Story(world);
  });

  const chargeOf = (total: bigint) => ClientContract.chargeBody(signedVoucher({ channel, total, upTo: total, open: 0n }));
  const claimOf = (total: bigint) => WorkerContract.claimBody(signedWorkerVoucher({ workerContract: worker, total, tokens: 1n }));
  const typeOf = async (address: Address) => (await world.chain.getContract(address)).accountState?.type;
  /** The state that a frozen contract is revived with. */
  const stateOf = async (address: Address) => {
    const account = (await world.chain.getContract(address)).accountState;
    return account?.type === 'active' ? { code: account.state.code, data: account.state.data } : {};
  };

  test('of a client comes back as it was and in no other way, and has not forgotten what it paid', async () => {
    await story.send('operator', channel, chargeOf(toNano('4')));
    await story.send('client', channel, ClientContract.requestWithdrawalBody(ALL));
    world.wait(DELAY);
    await story.send('client', channel, ClientContract.completeWithdrawalBody());
    const untilLeft = story.costs('Client');
    const [first, last] = [ClientContract.create(world.clientTerms).init, await stateOf(channel)];
    world.wait(FREEZING_YEARS * YEAR);
    await story.comesBack('stranger', channel);
    expect(await typeOf(channel)).toBe('frozen');
    const open = ClientContract.openBody({ sessionKey: publicKeyOf(STRANGER_KEY) });
    await story.comesBack('client', channel, open, { init: first });
    expect(await typeOf(channel)).toBe('frozen');

    await story.send('client', channel, undefined, { value: DEPOSIT, init: last });
    expect(await typeOf(channel)).toBe('active');
    await story.refused('oldVoucher', 'operator', channel, chargeOf(toNano('4')));
    await story.send('operator', channel, chargeOf(toNano('5')));
    expect(await world.clientChannel.getState()).toMatchObject({ charged: toNano('5'), paid: toNano('5') });
    expect(story.table()).toEqual({
      client: deposit - toNano('4') - untilLeft - DEPOSIT,
      Client: DEPOSIT - toNano('1') - deposit + untilLeft,
      Proxy: toNano('5'),
    });
  });

  test('of a worker comes back as it was and in no other way, and pays no voucher twice', async () => {
    await story.send('workerOwner', worker, claimOf(toNano('2')));
    await story.order(worker, WorkerContract.requestWithdrawalBody(ALL));
    world.wait(DELAY);
    await story.send('stranger', worker, WorkerContract.completeWithdrawalBody());
    const untilEmptied = story.costs('Worker');
    const [first, last] = [WorkerContract.create(world.workerTerms).init, await stateOf(worker)];
    world.wait(FREEZING_YEARS * YEAR);
    await story.comesBack('stranger', worker);
    await story.comesBack('stranger', worker, undefined, { init: first });
    expect(await typeOf(worker)).toBe('frozen');
    // Coins that come while it is frozen wait for the day when somebody brings its state.
    await story.send('stranger', worker, undefined, { value: toNano('1'), bounce: false });
    await story.send('workerOwner', worker, undefined, { value: toNano('3'), init: last });
    await story.refused('oldVoucher', 'workerOwner', worker, claimOf(toNano('2')));
    await story.send('workerOwner', worker, claimOf(toNano('3')));
    expect(await world.workerChannel.getState()).toMatchObject({ paid: toNano('3') });
    const back = funding - toNano('2') - untilEmptied;
    expect(story.table()).toEqual({
      Worker: toNano('1') + toNano('3') - toNano('3') - back,
      stranger: -toNano('1'),
      Proxy: back + story.change,
      proxyOwner: -story.change,
    });
  });
});
