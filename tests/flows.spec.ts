import { type Cell, toNano } from '@ton/core';
import { createEmptyShardAccount } from '@ton/sandbox';
import '@ton/test-utils';
import { ClientContract } from '../wrappers/ClientContract';
import { ProxyContract } from '../wrappers/ProxyContract';
import { WorkerContract } from '../wrappers/WorkerContract';
import { EVERYTHING } from '../wrappers/withdrawal';
import { ALL_PRICES, DELAY, DEPOSIT, publicKeyOf, rentOf, SESSION, STAKE, signedVoucher, signedWorkerVoucher, World } from './world';

describe.each(ALL_PRICES)('whole flows at %s prices', (which) => {
  const sender = (world: World) => (name: string, to: keyof typeof targets, body?: Cell, value?: bigint) =>
    world.send({ from: world.party(name), to: targets[to](world), body, value });
  const targets = {
    client: (world: World) => world.clientChannel.address,
    proxy: (world: World) => world.proxy.address,
    worker: (world: World) => world.workerChannel.address,
  };

  test('a deposit is charged, charged beyond its end, collected after a top-up and withdrawn: the proxy got the total, the client the rest (INV-R1, INV-R2)', async () => {
    const world = await World.inUse(which);
    const send = sender(world);
    const charge = (total: bigint) =>
      send(
        'operator',
        'client',
        ClientContract.chargeBody(signedVoucher({ channel: targets.client(world), total, upTo: total, open: 0n })),
      );
    const steps = [
      await charge(toNano('4')),
      await charge(toNano('12')),
      await send('client', 'client', undefined, toNano('6')),
      await send('operator', 'client', ClientContract.collectBody()),
      await send('client', 'client', ClientContract.requestWithdrawalBody({ amount: EVERYTHING })),
    ];
    world.wait(DELAY);
    steps.push(await send('client', 'client', ClientContract.completeWithdrawalBody()));
    expect(steps.flatMap(({ trace }) => trace.filter((line) => /refused|failed|bounce/.test(line)))).toEqual([]);
    expect(await world.clientChannel.getState()).toMatchObject({ charged: toNano('12'), paid: toNano('12') });
    expect(await world.balance(targets.client(world))).toBe(0n);
    const moved = (name: string) => steps.reduce((sum, step) => sum + (step.moved[name] ?? 0n), 0n);
    const fees = steps.reduce((sum, step) => sum + step.fees, 0n);
    expect(moved('Proxy')).toBeGreaterThan(toNano('11.99'));
    expect(moved('client') + moved('operator') + moved('Client')).toBe(-moved('Proxy') - fees);
  });

  test('a client gets every nano back alone, with a proxy that was never there and an operator that says nothing (INV-R5)', async () => {
    const world = await World.create(which);
    const send = sender(world);
    await world.clientChannel.sendOpen(world.party('client').getSender(), { sessionKey: publicKeyOf(SESSION), value: DEPOSIT });
    await send('client', 'client', ClientContract.requestWithdrawalBody({ amount: EVERYTHING }));
    world.wait(DELAY);
    const held = await world.balance(targets.client(world));
    const sent = await send('client', 'client', ClientContract.completeWithdrawalBody());
    expect(sent.trace).toEqual(['client > Client: anyClientCompleteWithdrawal', 'Client > client: payment', 'Client > client: payment']);
    expect(sent.moved.Client).toBe(-held);
    expect(sent.moved.client).toBe(held - sent.fees);
  });

  test('a payment to a proxy that has vanished is not lost to the client, and waits at its address (INV-R2)', async () => {
    const world = await World.inUse(which);
    const proxy = targets.proxy(world);
    await world.chain.setShardAccount(proxy, createEmptyShardAccount(proxy));
    const voucher = signedVoucher({ channel: targets.client(world), total: toNano('4'), upTo: 1n, open: 0n });
    const sent = await sender(world)('operator', 'client', ClientContract.chargeBody(voucher));
    expect(sent.moved).toMatchObject({ Client: -toNano('4') });
    // The gas that the proxy would have used comes on top.
    expect(sent.moved.Proxy).toBeGreaterThanOrEqual(toNano('4'));
  });

  test('a worker is funded, claims, and the proxy takes the rest back and leaves with stake and income (INV-R1, INV-R5)', async () => {
    const world = await World.inUse(which);
    const send = sender(world);
    const voucher = signedWorkerVoucher({ workerContract: targets.worker(world), total: toNano('2'), tokens: 5_000n });
    const claimed = await send('workerOwner', 'worker', WorkerContract.claimBody(voucher));
    expect(claimed.moved.Worker).toBe(-toNano('2'));

    const take = WorkerContract.requestWithdrawalBody({ amount: EVERYTHING });
    await send('proxyOwner', 'proxy', ProxyContract.orderBody({ to: targets.worker(world), order: take }));
    await send('proxyOwner', 'proxy', ProxyContract.leaveBody());
    await send('proxyOwner', 'proxy', ProxyContract.requestWithdrawalBody({ income: EVERYTHING, stake: EVERYTHING }));
    world.wait(DELAY);
    const taken = await send('stranger', 'worker', WorkerContract.completeWithdrawalBody());
    expect(taken.trace[1]).toBe('Worker > Proxy: payment');
    const held = await world.balance(targets.proxy(world));
    expect(held).toBeGreaterThan(STAKE);
    const left = await send('proxyOwner', 'proxy', ProxyContract.completeWithdrawalBody());
    expect(left.moved.Proxy).toBe(-held);
    expect(left.moved.proxyOwner).toBe(held - left.fees);
    expect(rentOf(left, targets.proxy(world))).toBeGreaterThanOrEqual(0n);
    for (const name of ['worker', 'proxy'] as const) expect(await world.balance(targets[name](world))).toBe(0n);
  });

  test('an old worker channel, under a payer key that was replaced, still gives its money back (INV-R5)', async () => {
    const world = await World.inUse(which);
    const send = sender(world);
    const operator = world.party('operator').address;
    const endpoint = { url: 'https://proxy.example', keyPin: null };
    await send('proxyOwner', 'proxy', ProxyContract.configureBody({ operator, payerKey: publicKeyOf(SESSION), endpoint }));
    const take = WorkerContract.requestWithdrawalBody({ amount: EVERYTHING });
    await send('proxyOwner', 'proxy', ProxyContract.orderBody({ to: targets.worker(world), order: take }));
    world.wait(DELAY);
    await send('stranger', 'worker', WorkerContract.completeWithdrawalBody());
    expect(await world.balance(targets.worker(world))).toBe(0n);
  });
});
