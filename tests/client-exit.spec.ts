import { type Address, type Cell, toNano } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import '@ton/test-utils';
import { ClientContract } from '../wrappers/ClientContract';
import type { ExitCodeName } from '../wrappers/errors';
import { ProxyContract } from '../wrappers/ProxyContract';
import { EVERYTHING } from '../wrappers/withdrawal';
import { expectRefused } from './refusal';
import { DELAY, DEPOSIT, FIVE_YEARS, known, rentOf, signedVoucher, World } from './world';

describe('ClientContract', () => {
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
  const charge = (total: bigint) => from('operator', ClientContract.chargeBody(signedVoucher({ channel, total, upTo: 7n, open: 0n })));
  const state = async () => {
    const { terms: _, ...rest } = await world.clientChannel.getState();
    return rest;
  };

  describe('withdrawal', () => {
    const request = (amount: bigint) => from('client', ClientContract.requestWithdrawalBody({ amount }));
    const complete = (name = 'client') => from(name, ClientContract.completeWithdrawalBody());
    const refused = (code: ExitCodeName) =>
      expectRefused(world, { from: world.party('client'), to: channel, body: ClientContract.completeWithdrawalBody() }, code);

    test('is announced by the owner, at the price of gas alone (INV-R5)', async () => {
      const before = await state();
      const sent = await request(toNano('2'));
      expect(sent.trace).toEqual(['client > Client: ownerClientRequestWithdrawal', 'Client > client: payment']);
      expect(sent.moved).toEqual({ client: -sent.fees });
      expect(await state()).toEqual({ ...before, withdrawal: { amount: toNano('2'), readyAt: BigInt(world.now + DELAY) } });
    });

    test('pays the announced amount to the owner after the delay, not a second before, and not twice (INV-R5)', async () => {
      await request(toNano('2'));
      world.wait(DELAY - 1);
      await refused('tooEarly');
      world.wait(1);
      const sent = await complete();
      expect(sent.trace).toEqual(['client > Client: anyClientCompleteWithdrawal', 'Client > client: payment', 'Client > client: payment']);
      expect(sent.moved).toEqual({ Client: -toNano('2') - rentOf(sent, channel), client: toNano('2') + rentOf(sent, channel) - sent.fees });
      expect(await state()).toMatchObject({ withdrawal: null });
      await refused('notAnnounced');
    });

    test('can be completed by a stranger, who pays the gas and gets its rest back; the owner gets all of the amount (INV-R3)', async () => {
      await request(toNano('2'));
      world.wait(DELAY);
      const sent = await complete('stranger');
      expect(sent.trace).toEqual([
        'stranger > Client: anyClientCompleteWithdrawal',
        'Client > client: payment',
        'Client > stranger: payment',
      ]);
      const receiving = known(sent.transactions[2]).totalFees.coins;
      expect(sent.moved.client).toBe(toNano('2') - receiving);
      expect(sent.moved.Client).toBe(-toNano('2') - rentOf(sent, channel));
      expect(sent.moved.stranger).toBe(receiving + rentOf(sent, channel) - sent.fees);
    });

    test('of everything empties the contract, which still answers five years later (INV-R7)', async () => {
      await request(EVERYTHING);
      world.wait(DELAY);
      const before = await world.balance(channel);
      const sent = await complete();
      expect(await world.balance(channel)).toBe(0n);
      expect(sent.moved.Client).toBe(-before);
      world.wait(FIVE_YEARS);
      await world.send({ from: world.party('client'), to: channel, value: DEPOSIT });
      const charged = await charge(toNano('3'));
      expect(charged.moved.Client).toBe(-toNano('3') - rentOf(charged, channel));
    });

    test('of more than there is pays what is above the reserve (INV-R7)', async () => {
      await request(EVERYTHING - 1n);
      world.wait(DELAY);
      await complete();
      expect(await world.balance(channel)).toBe(ClientContract.RESERVE);
    });

    test('starts its delay anew with each request, and zero cancels it', async () => {
      await request(toNano('2'));
      world.wait(DELAY - 1);
      await request(toNano('1'));
      world.wait(1);
      await refused('tooEarly');
      await request(0n);
      expect((await state()).withdrawal).toBeNull();
      world.wait(DELAY);
      await refused('notAnnounced');
    });

    test('leaves to the proxy what is charged before it completes (INV-R2)', async () => {
      await request(EVERYTHING);
      await charge(toNano('3'));
      world.wait(DELAY);
      const rest = await world.balance(channel);
      const sent = await complete();
      expect(sent.moved.Client).toBe(-rest);
      expect(await state()).toMatchObject({ charged: toNano('3'), paid: toNano('3') });
    });

    test('of an empty contract is refused, and stays announced', async () => {
      await request(EVERYTHING);
      await charge(toNano('25'));
      world.wait(DELAY);
      await complete();
      await request(EVERYTHING);
      world.wait(DELAY);
      await refused('nothingToPay');
      expect((await state()).withdrawal?.amount).toBe(EVERYTHING);
    });

    test("stays announced for years: it does not lapse, since the coins are its owner's", async () => {
      await request(EVERYTHING);
      world.wait(FIVE_YEARS);
      await complete('stranger');
      expect(await world.balance(channel)).toBe(0n);
    });

    test('is completed for a sender of another workchain too, who pays what the way back costs (INV-R3)', async () => {
      await request(EVERYTHING);
      world.wait(DELAY);
      const elsewhere = await world.chain.treasury('elsewhere', { workchain: -1 });
      world.name(elsewhere.address, 'elsewhere');
      const held = await world.balance(channel);
      const sent = await world.send({ from: elsewhere, to: channel, body: ClientContract.completeWithdrawalBody() });
      expect(sent.moved.Client).toBe(-held);
      const receiving = known(sent.transactions[2]).totalFees.coins;
      expect(sent.moved.client).toBe(held - rentOf(sent, channel) - receiving);
    });

    test('changes nothing for a sender of another workchain with a nano less than the way back costs, and bounces (INV-R3, INV-R4)', async () => {
      await request(EVERYTHING);
      world.wait(DELAY);
      const elsewhere = await world.chain.treasury('elsewhere', { workchain: -1 });
      world.name(elsewhere.address, 'elsewhere');
      const announced = world.snapshot();
      const completed = (value: bigint) =>
        world.send({ from: elsewhere, to: channel, body: ClientContract.completeWithdrawalBody(), value });
      // The least with which it goes through, of what returns by a message of its own.
      let [low, high] = [toNano('0.0013'), toNano('0.1')];
      while (high - low > 1n) {
        await world.restore(announced);
        const middle = (low + high) / 2n;
        if (/failed/.test(known((await completed(middle)).trace[0]))) low = middle;
        else high = middle;
      }
      await world.restore(announced);
      const before = await world.data(channel);
      const short = await completed(high - 1n);
      expect(short.trace).toEqual([
        expect.stringMatching(/^elsewhere > Client: anyClientCompleteWithdrawal failed in the action phase/),
        'Client > elsewhere: bounce',
      ]);
      expect(await world.data(channel)).toEqualCell(before);
      expect(short.moved).toEqual({ elsewhere: rentOf(short, channel) - short.fees, Client: -rentOf(short, channel) });
      expect((await completed(high)).moved.Client).toBeLessThan(toNano('-9'));
    });
  });

  describe('release', () => {
    const release = (amount: bigint) => from('operator', ClientContract.releaseBody({ amount }));

    test('pays the owner at once, exactly, and returns the rest of the gas to the operator (INV-R3)', async () => {
      const before = await state();
      const sent = await release(toNano('2'));
      expect(sent.trace).toEqual(['operator > Client: operatorClientRelease', 'Client > client: payment', 'Client > operator: payment']);
      const receiving = known(sent.transactions[2]).totalFees.coins;
      expect(sent.moved).toEqual({ Client: -toNano('2'), client: toNano('2') - receiving, operator: receiving - sent.fees });
      expect(await state()).toEqual({ ...before, deposit: before.deposit - toNano('2') });
    });

    test('of everything is the whole exit, without any delay (INV-R7)', async () => {
      const held = await world.balance(channel);
      const sent = await release(EVERYTHING);
      expect(sent.moved.Client).toBe(-held);
      expect(await world.balance(channel)).toBe(0n);
    });

    test('of more than there is pays what is above the reserve (INV-R7)', async () => {
      await release(EVERYTHING - 1n);
      expect(await world.balance(channel)).toBe(ClientContract.RESERVE);
    });

    test('leaves an announced withdrawal as it is, which then pays what is there', async () => {
      await from('client', ClientContract.requestWithdrawalBody({ amount: EVERYTHING }));
      await release(toNano('2'));
      expect((await state()).withdrawal).toEqual({ amount: EVERYTHING, readyAt: BigInt(world.now + DELAY) });
      world.wait(DELAY);
      const held = await world.balance(channel);
      const sent = await from('client', ClientContract.completeWithdrawalBody());
      expect(sent.moved.Client).toBe(-held);
    });

    test("comes from the ProxyContract too, on its owner's order", async () => {
      const order = ClientContract.releaseBody({ amount: toNano('2') });
      const body = ProxyContract.orderBody({ to: channel, order });
      const sent = await world.send({ from: world.party('proxyOwner'), to: world.proxy.address, body });
      expect(sent.trace.slice(0, 3)).toEqual([
        'proxyOwner > Proxy: ownerProxyOrder',
        'Proxy > Client: operatorClientRelease',
        'Client > client: payment',
      ]);
      expect(sent.moved.Client).toBe(-toNano('2'));
    });

    test.each<[string, bigint]>([
      ['of nothing', 0n],
      ['of an empty contract', 1n],
      ['of everything in an empty contract', EVERYTHING],
    ])('%s is refused', async (what, amount) => {
      if (what !== 'of nothing') await release(EVERYTHING);
      const body = ClientContract.releaseBody({ amount });
      await expectRefused(world, { from: world.party('operator'), to: channel, body }, 'nothingToPay');
    });
  });
});
