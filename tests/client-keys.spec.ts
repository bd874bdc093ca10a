import { type Address, type Cell, toNano } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import '@ton/test-utils';
import { ClientContract } from '../wrappers/ClientContract';
import { expectRefused } from './refusal';
import { COST, settled } from './settling';
import { DELAY, keyOf, NEXT_SESSION, publicKeyOf, SESSION, STRANGER_KEY, signedVoucher, World } from './world';

const LAST_SESSION = keyOf('last session');

describe('rotating the session key of a ClientContract', () => {
  let world: World;
  let inUse: BlockchainSnapshot;
  let channel: Address;

  beforeAll(async () => {
    world = await World.inUse();
    inUse = world.snapshot();
    channel = world.clientChannel.address;
  });

  beforeEach(async () => {
    await world.restore(inUse);
  });

  const from = (name: string, body: Cell) => world.send({ from: world.party(name), to: channel, body });
  const rotation = (sessionKey = publicKeyOf(NEXT_SESSION)) => ClientContract.rotateKeyBody({ sessionKey });
  const rotate = () => from('client', rotation());
  const charge = (total: bigint, key: typeof SESSION, byOldKey: boolean) =>
    ClientContract.chargeBody({ ...signedVoucher({ channel, total, upTo: 7n, open: 0n }, key), byOldKey });
  const settle = (number: bigint, sessionKey: typeof SESSION, byOldKey: boolean) =>
    ClientContract.settleBody({ receipts: [settled({ channel, number, sessionKey, byOldKey, validUntil: world.now })] });
  const refusedFromOperator = (body: Cell, code: Parameters<typeof expectRefused>[2]) =>
    expectRefused(world, { from: world.party('operator'), to: channel, body }, code);
  const state = async () => {
    const { terms: _, ...rest } = await world.clientChannel.getState();
    return rest;
  };

  test('sets the new key at once and keeps the old one for the delay, at the price of gas alone (INV-R6)', async () => {
    const before = await state();
    const sent = await rotate();
    expect(sent.trace).toEqual(['client > Client: ownerClientRotateKey', 'Client > client: payment']);
    expect(sent.moved).toEqual({ client: -sent.fees });
    expect(await state()).toEqual({
      ...before,
      sessionKey: publicKeyOf(NEXT_SESSION),
      oldKey: { key: publicKeyOf(SESSION), until: world.now + DELAY },
    });
  });

  test('leaves an announced withdrawal and all counters as they are', async () => {
    await from('operator', charge(toNano('1'), SESSION, false));
    await from('client', ClientContract.requestWithdrawalBody({ amount: 5n }));
    const before = await state();
    await rotate();
    const after = await state();
    expect({ ...after, sessionKey: before.sessionKey, oldKey: null }).toEqual(before);
  });

  test('lets either key sign vouchers and authorisations until the overlap ends, each under its own name (INV-R6)', async () => {
    await rotate();
    world.wait(DELAY);
    const last = world.snapshot();
    for (const [key, byOldKey] of [
      [SESSION, true],
      [NEXT_SESSION, false],
    ] as const) {
      await world.restore(last);
      await from('operator', charge(toNano('1'), key, byOldKey));
      expect((await state()).charged).toBe(toNano('1'));
      await from('operator', settle(8n, key, byOldKey));
      expect((await state()).charged).toBe(toNano('1') + COST);
      for (const body of [charge(toNano('2'), key, !byOldKey), settle(9n, key, !byOldKey)]) await refusedFromOperator(body, 'badSignature');
    }
  });

  test('refuses the old key from the first second after the overlap (INV-R6)', async () => {
    await rotate();
    world.wait(DELAY + 1);
    for (const body of [charge(toNano('1'), SESSION, true), settle(8n, SESSION, true)]) await refusedFromOperator(body, 'keyEnded');
    for (const body of [charge(toNano('1'), SESSION, false), settle(8n, SESSION, false)]) await refusedFromOperator(body, 'badSignature');
    const sent = await from('operator', charge(toNano('1'), NEXT_SESSION, false));
    expect(sent.moved.Client).toBeLessThanOrEqual(-toNano('1'));
  });

  test('counts each receipt of one settlement by the key that it names (INV-R6)', async () => {
    await rotate();
    const receipts = [
      settled({ channel, number: 1n, sessionKey: SESSION, byOldKey: true }),
      settled({ channel, number: 2n, sessionKey: NEXT_SESSION }),
      settled({ channel, number: 3n, sessionKey: SESSION, byOldKey: true }),
    ];
    await from('operator', ClientContract.settleBody({ receipts }));
    expect(await state()).toMatchObject({ charged: 3n * COST, settled: 3n });
  });

  test('makes no difference between a key that was never there and one that ended (INV-R6)', async () => {
    for (const body of [charge(toNano('1'), SESSION, true), settle(8n, SESSION, true)]) await refusedFromOperator(body, 'keyEnded');
  });

  test('is refused while an overlap runs, to its last second (INV-R6)', async () => {
    await rotate();
    world.wait(DELAY);
    const again = { from: world.party('client'), to: channel, body: rotation(publicKeyOf(LAST_SESSION)) };
    await expectRefused(world, again, 'tooEarly');
    world.wait(1);
    await world.send(again);
    expect(await state()).toMatchObject({
      sessionKey: publicKeyOf(LAST_SESSION),
      oldKey: { key: publicKeyOf(NEXT_SESSION), until: world.now + DELAY },
    });
    await refusedFromOperator(charge(toNano('1'), SESSION, true), 'badSignature');
  });

  test('to the same key is refused: it would only shut the owner out of a real rotation', async () => {
    await expectRefused(world, { from: world.party('client'), to: channel, body: rotation(publicKeyOf(SESSION)) }, 'badKey');
  });

  test('is refused before the channel is open (INV-R6)', async () => {
    const fresh = await World.create();
    await fresh.clientChannel.sendTopUp(fresh.party('client').getSender(), { value: toNano('1') });
    await expectRefused(fresh, { from: fresh.party('client'), to: channel, body: rotation() }, 'noKey');
  });

  test('takes from a thief of the old key all but this proxy as payee, and after the delay that too (INV-R3, INV-R6)', async () => {
    await rotate();
    const stolen = charge(toNano('2'), SESSION, true);
    await expectRefused(world, { from: world.party('stranger'), to: channel, body: stolen }, 'notAllowed');
    const spent = await from('operator', stolen);
    expect(spent.moved.Client).toBe(-toNano('2'));
    expect(spent.trace[1]).toBe('Client > Proxy: payment');
    world.wait(DELAY + 1);
    await refusedFromOperator(charge(toNano('3'), SESSION, true), 'keyEnded');
    await refusedFromOperator(charge(toNano('3'), STRANGER_KEY, false), 'badSignature');
  });

  test.each([0, 0xffffffff])('counts the overlap right with a delay of %d seconds (INV-R8)', async (withdrawDelay) => {
    const { address, init } = ClientContract.create({ ...world.clientTerms, withdrawDelay });
    world.name(address, 'Other');
    const body = ClientContract.openBody({ sessionKey: publicKeyOf(SESSION) });
    await world.send({ from: world.party('client'), to: address, init, body });
    await world.send({ from: world.party('client'), to: address, body: rotation() });
    const { oldKey } = ClientContract.parseState(await world.data(address));
    expect(oldKey).toEqual({ key: publicKeyOf(SESSION), until: world.now + withdrawDelay });
  });
});
