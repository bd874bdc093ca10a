import { type Address, toNano } from '@ton/core';
import { ClientContract } from '../wrappers/ClientContract';
import { ProxyContract } from '../wrappers/ProxyContract';
import { RootContract } from '../wrappers/RootContract';
import { WorkerContract } from '../wrappers/WorkerContract';
import { EVERYTHING } from '../wrappers/withdrawal';
import { ALL_PRICES, DELAY, FIVE_YEARS, rentOf, World } from './world';

describe.each(ALL_PRICES)('five years of rent at %s prices', (which) => {
  const rent = async (world: World, address: Address) => {
    world.wait(FIVE_YEARS);
    return rentOf(await world.send({ from: world.party('stranger'), to: address, value: toNano('1') }), address);
  };

  test.each<[string, (world: World) => Address, bigint]>([
    ['RootContract', (world) => world.root.address, RootContract.RESERVE],
    ['ProxyContract', (world) => world.proxy.address, ProxyContract.RESERVE],
    ['ClientContract', (world) => world.clientChannel.address, ClientContract.RESERVE],
    ['WorkerContract', (world) => world.workerChannel.address, WorkerContract.RESERVE],
  ])('%s pays it out of its reserve (INV-R7)', async (_name, address, reserve) => {
    const world = await World.inUse(which);
    const paid = await rent(world, address(world));
    expect(paid).toBeGreaterThan(0n);
    expect(paid).toBeLessThan(reserve);
  });

  test('leaves an emptied channel, an emptied proxy and an emptied worker channel alive (INV-R7)', async () => {
    const world = await World.inUse(which);
    const from = (name: string, to: Address, body: Parameters<World['send']>[0]['body']) =>
      world.send({ from: world.party(name), to, body });
    const { clientChannel, proxy, workerChannel } = world;
    const whole = { amount: EVERYTHING };
    await from('client', clientChannel.address, ClientContract.requestWithdrawalBody(whole));
    const order = ProxyContract.orderBody({ to: workerChannel.address, order: WorkerContract.requestWithdrawalBody(whole) });
    await from('proxyOwner', proxy.address, order);
    await from('proxyOwner', proxy.address, ProxyContract.leaveBody());
    world.wait(DELAY);
    await from('client', clientChannel.address, ClientContract.completeWithdrawalBody());
    await from('stranger', workerChannel.address, WorkerContract.completeWithdrawalBody());
    await from('proxyOwner', proxy.address, ProxyContract.requestWithdrawalBody({ income: EVERYTHING, stake: EVERYTHING }));
    world.wait(DELAY);
    await from('proxyOwner', proxy.address, ProxyContract.completeWithdrawalBody());
    for (const { address } of [clientChannel, proxy, workerChannel]) expect(await world.balance(address)).toBe(0n);

    for (const { address } of [clientChannel, proxy, workerChannel]) {
      const owed = await rent(world, address);
      expect(owed).toBeLessThan(toNano('1'));
      const account = (await world.chain.getContract(address)).accountState;
      expect(account?.type).toBe('active');
    }
    await from('client', clientChannel.address, ClientContract.requestWithdrawalBody({ amount: 5n }));
    expect((await clientChannel.getState()).withdrawal?.amount).toBe(5n);
  });
});
