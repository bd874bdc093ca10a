import { type Address, toNano } from '@ton/core';
import { ClientContract } from '../../wrappers/ClientContract';
import { WorkerContract } from '../../wrappers/WorkerContract';
import { EVERYTHING } from '../../wrappers/withdrawal';
import { DELAY, DEPOSIT, publicKeyOf, STRANGER_KEY, signedVoucher, signedWorkerVoucher, YEAR } from '../world';
import { Start } from './start';
import type { Story } from './story';

const ALL = { amount: EVERYTHING };

/** After so long without a coin a channel is frozen at the dear prices. At mainnet's, a worker's channel would not freeze before 2100. */
const FREEZING_YEARS = 40;

describe('a frozen channel (INV-R2, INV-R7)', () => {
  let start: Start;
  let story: Story;

  beforeAll(async () => {
    start = await Start.at('dear');
  });

  beforeEach(async () => {
    story = await start.story();
  });

  const chargeOf = (total: bigint) => ClientContract.chargeBody(signedVoucher({ channel: start.channel, total, upTo: total, open: 0n }));
  const claimOf = (total: bigint) => WorkerContract.claimBody(signedWorkerVoucher({ workerContract: start.worker, total, tokens: 1n }));
  const typeOf = async (address: Address) => (await start.world.chain.getContract(address)).accountState?.type;
  /** The state that a frozen contract is revived with. */
  const stateOf = async (address: Address) => {
    const account = (await start.world.chain.getContract(address)).accountState;
    return account?.type === 'active' ? { code: account.state.code, data: account.state.data } : {};
  };

  test('of a client comes back as it was and in no other way, and has not forgotten what it paid', async () => {
    await story.send('operator', start.channel, chargeOf(toNano('4')));
    await story.send('client', start.channel, ClientContract.requestWithdrawalBody(ALL));
    start.world.wait(DELAY);
    await story.send('client', start.channel, ClientContract.completeWithdrawalBody());
    const untilLeft = story.costs('Client');
    const [first, last] = [ClientContract.create(start.world.clientTerms).init, await stateOf(start.channel)];
    start.world.wait(FREEZING_YEARS * YEAR);
    await story.comesBack('stranger', start.channel);
    expect(await typeOf(start.channel)).toBe('frozen');
    const open = ClientContract.openBody({ sessionKey: publicKeyOf(STRANGER_KEY) });
    await story.comesBack('client', start.channel, open, { init: first });
    expect(await typeOf(start.channel)).toBe('frozen');

    await story.send('client', start.channel, undefined, { value: DEPOSIT, init: last });
    expect(await typeOf(start.channel)).toBe('active');
    await story.refused('oldVoucher', 'operator', start.channel, chargeOf(toNano('4')));
    await story.send('operator', start.channel, chargeOf(toNano('5')));
    expect(await start.world.clientChannel.getState()).toMatchObject({ charged: toNano('5'), paid: toNano('5') });
    expect(story.table()).toEqual({
      client: start.deposit - toNano('4') - untilLeft - DEPOSIT,
      Client: DEPOSIT - toNano('1') - start.deposit + untilLeft,
      Proxy: toNano('5'),
    });
  });

  test('of a worker comes back as it was and in no other way, and pays no voucher twice', async () => {
    await story.send('workerOwner', start.worker, claimOf(toNano('2')));
    await story.order(start.worker, WorkerContract.requestWithdrawalBody(ALL));
    start.world.wait(DELAY);
    await story.send('stranger', start.worker, WorkerContract.completeWithdrawalBody());
    const untilEmptied = story.costs('Worker');
    const [first, last] = [WorkerContract.create(start.world.workerTerms).init, await stateOf(start.worker)];
    start.world.wait(FREEZING_YEARS * YEAR);
    await story.comesBack('stranger', start.worker);
    await story.comesBack('stranger', start.worker, undefined, { init: first });
    expect(await typeOf(start.worker)).toBe('frozen');
    // Coins that come while it is frozen wait for the day when somebody brings its state.
    await story.send('stranger', start.worker, undefined, { value: toNano('1'), bounce: false });
    await story.send('workerOwner', start.worker, undefined, { value: toNano('3'), init: last });
    await story.refused('oldVoucher', 'workerOwner', start.worker, claimOf(toNano('2')));
    await story.send('workerOwner', start.worker, claimOf(toNano('3')));
    expect(await start.world.workerChannel.getState()).toMatchObject({ paid: toNano('3') });
    const back = start.funding - toNano('2') - untilEmptied;
    expect(story.table()).toEqual({
      Worker: toNano('1') + toNano('3') - toNano('3') - back,
      stranger: -toNano('1'),
      Proxy: back + story.change,
      proxyOwner: -story.change,
    });
  });
});
