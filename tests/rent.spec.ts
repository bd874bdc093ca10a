import { type Address, toNano } from '@ton/core';
import { ClientContract } from '../wrappers/ClientContract';
import { ProxyContract } from '../wrappers/ProxyContract';
import { RootContract } from '../wrappers/RootContract';
import { WorkerContract } from '../wrappers/WorkerContract';
import { EVERYTHING } from '../wrappers/withdrawal';
import { ALL_PRICES, DELAY, rentOf, START, World, YEAR } from './world';

/**
 * How long the reserve must last, and how long an emptied contract must live, in years. The dear prices are history: they are here to
 * show how much room there is, and they would freeze an emptied proxy after four years and a half.
 */
const YEARS = { mainnet: { reserve: 5, emptied: 5 }, dear: { reserve: 1, emptied: 4 } } as const;

/** What an account may owe before the chain deletes it: `delete_due_limit` of config parameter 21. */
const MOST_DEBT = toNano('1');
/** Times in statements are uint32. */
const YEARS_LEFT = BigInt(Math.ceil((2 ** 32 - START) / YEAR));

describe.each(ALL_PRICES)('rent at %s prices', (which) => {
  const rent = async (world: World, address: Address, years: number) => {
    world.wait(years * YEAR);
    return rentOf(await world.send({ from: world.party('stranger'), to: address, value: toNano('1') }), address);
  };

  test.each<[string, (world: World) => Address, bigint]>([
    ['RootContract', (world) => world.root.address, RootContract.RESERVE],
    ['ProxyContract', (world) => world.proxy.address, ProxyContract.RESERVE],
    ['ClientContract', (world) => world.clientChannel.address, ClientContract.RESERVE],
    ['WorkerContract', (world) => world.workerChannel.address, WorkerContract.RESERVE],
  ])('%s pays it out of its reserve for years (INV-R7)', async (_name, address, reserve) => {
    const world = await World.inUse(which);
    const paid = await rent(world, address(world), YEARS[which].reserve);
    expect(paid).toBeGreaterThan(0n);
    expect(paid).toBeLessThan(reserve);
  });

  test('never makes a channel, nor at mainnet prices any contract, owe what it is deleted for (INV-R7)', async () => {
    const channels = ['clientChannel', 'workerChannel'] as const;
    for (const name of which === 'mainnet' ? ([...channels, 'proxy', 'root'] as const) : channels) {
      const world = await World.inUse(which);
      const yearly = await rent(world, world[name].address, 1);
      expect(yearly).toBeGreaterThan(0n);
      expect(yearly * YEARS_LEFT).toBeLessThan(MOST_DEBT);
    }
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

    const emptied = world.snapshot();
    for (const { address } of [clientChannel, proxy, workerChannel]) {
      await world.restore(emptied);
      await rent(world, address, YEARS[which].emptied);
      const account = (await world.chain.getContract(address)).accountState;
      expect(account?.type).toBe('active');
    }
    await world.restore(emptied);
    world.wait(YEARS[which].emptied * YEAR);
    await from('client', clientChannel.address, ClientContract.requestWithdrawalBody({ amount: 5n }));
    expect((await clientChannel.getState()).withdrawal?.amount).toBe(5n);
  });
});
