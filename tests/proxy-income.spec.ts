import { Address, type Builder, beginCell, type Cell, ExternalAddress, toNano } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import '@ton/test-utils';
import type { ExitCodeName } from '../wrappers/errors';
import { OPCODE } from '../wrappers/opcodes';
import { ProxyContract } from '../wrappers/ProxyContract';
import { WorkerContract } from '../wrappers/WorkerContract';
import { EVERYTHING } from '../wrappers/withdrawal';
import { expectRefused, withoutLastBit, withTrailingBit, withTrailingReference } from './refusal';
import { DELAY, FEE, FIVE_YEARS, known, publicKeyOf, rentOf, STAKE, STRANGER_KEY, World } from './world';

describe('the income of a ProxyContract', () => {
  let world: World;
  let inUse: BlockchainSnapshot;
  let proxy: Address;

  beforeAll(async () => {
    world = await World.inUse();
    inUse = world.snapshot();
    proxy = world.proxy.address;
  });

  beforeEach(async () => {
    await world.restore(inUse);
  });

  const owner = () => world.party('proxyOwner');
  const send = (body: Cell, name = 'proxyOwner', value = toNano('1')) => world.send({ from: world.party(name), to: proxy, body, value });
  const refused = (body: Cell, code: ExitCodeName, name = 'proxyOwner', value = toNano('1')) =>
    expectRefused(world, { from: world.party(name), to: proxy, body, value }, code);

  describe('fund', () => {
    const fundOf = (amount: bigint, workerOwner = world.party('workerOwner').address) => ProxyContract.fundBody({ workerOwner, amount });

    const fundOfOdd = (workerOwner: Builder) =>
      beginCell().storeUint(OPCODE.proxy.operatorProxyFund, 32).storeUint(0, 64).storeBuilder(workerOwner).storeUint(1, 64).endCell();

    test('deploys the channel of a new worker and pays exactly the amount into it; gas returns to the operator (INV-R3)', async () => {
      const workerOwner = world.party('stranger').address;
      const fresh = WorkerContract.create({ ...world.workerTerms, owner: workerOwner });
      world.name(fresh.address, 'NewWorker');
      const sent = await send(fundOf(toNano('2'), workerOwner), 'operator');
      expect(sent.trace).toEqual(['operator > Proxy: operatorProxyFund', 'Proxy > NewWorker: payment', 'Proxy > operator: payment']);
      expect(sent.moved.Proxy).toBe(-toNano('2'));
      expect(sent.moved.NewWorker).toBe(toNano('2') - known(sent.transactions[2]).totalFees.coins);
      expect(await world.data(fresh.address)).toEqualCell(known(fresh.init?.data ?? undefined));
    });

    test('tops up a channel that is there already', async () => {
      const sent = await send(fundOf(toNano('2')), 'operator');
      expect(sent.trace).toEqual(['operator > Proxy: operatorProxyFund', 'Proxy > Worker: payment', 'Proxy > operator: payment']);
      expect(sent.moved.Proxy).toBe(-toNano('2'));
    });

    test('takes free income to the last nano, and never the stake nor the reserve (INV-R1)', async () => {
      const { freeIncome } = await world.proxy.getState();
      await refused(fundOf(freeIncome + 1n), 'notEnough', 'operator');
      await refused(fundOf(EVERYTHING), 'notEnough', 'operator');
      await send(fundOf(freeIncome), 'operator');
      expect(await world.balance(proxy)).toBe(STAKE + ProxyContract.RESERVE);
    });

    test('goes to the channel under the present payer key, which the proxy names (INV-R3)', async () => {
      const workerOwner = world.party('workerOwner').address;
      expect(await world.proxy.getWorkerAddress(workerOwner)).toEqualAddress(world.workerChannel.address);
      const payerKey = publicKeyOf(STRANGER_KEY);
      const endpoint = { url: 'https://a', keyPin: null };
      await send(ProxyContract.configureBody({ operator: world.party('operator').address, payerKey, endpoint }));
      const fresh = WorkerContract.create({ ...world.workerTerms, payerKey });
      expect(await world.proxy.getWorkerAddress(workerOwner)).toEqualAddress(fresh.address);
      world.name(fresh.address, 'NewWorker');
      const sent = await send(fundOf(toNano('1')), 'operator');
      expect(sent.trace[1]).toBe('Proxy > NewWorker: payment');
      expect(sent.moved.Worker).toBeUndefined();
    });

    test('is refused when there is nothing but stake and reserve, whatever comes with the message (INV-R1)', async () => {
      const { freeIncome } = await world.proxy.getState();
      await send(fundOf(freeIncome), 'operator');
      await refused(fundOf(1n), 'notEnough', 'operator', toNano('50'));
    });

    test('of announced income is not refused: the announcement takes what is there when it is due (INV-R1)', async () => {
      const { freeIncome } = await world.proxy.getState();
      await send(ProxyContract.requestWithdrawalBody({ income: freeIncome, stake: 0n }));
      await send(fundOf(freeIncome - toNano('2')), 'operator');
      world.wait(DELAY);
      const sent = await send(ProxyContract.completeWithdrawalBody());
      // Rent came out of what was left, too.
      expect(sent.moved.Proxy).toBe(-toNano('2'));
      expect(await world.balance(proxy)).toBe(STAKE + ProxyContract.RESERVE);
    });

    test.each(['stranger', 'proxyOwner', 'workerOwner', 'client'])('is refused from the %s', async (name) => {
      await refused(fundOf(1n), 'notAllowed', name);
    });

    test.each<[string, () => Cell, ExitCodeName]>([
      ['nothing to pay', () => fundOf(0n), 'nothingToPay'],
      ['a worker in another workchain', () => fundOf(1n, new Address(-1, owner().address.hash)), 'badAddress'],
      ['nobody to pay', () => fundOfOdd(beginCell().storeAddress(null)), 'badAddress'],
      ['a worker outside of the chain', () => fundOfOdd(beginCell().storeAddress(new ExternalAddress(1n, 8))), 'badAddress'],
      ['a trailing bit', () => withTrailingBit(fundOf(1n)), 'malformed'],
      ['a trailing reference', () => withTrailingReference(fundOf(1n)), 'malformed'],
      ['a missing bit', () => withoutLastBit(fundOf(1n)), 'malformed'],
    ])('is refused with %s (INV-R8)', async (_what, body, code) => {
      await refused(body(), code, 'operator');
    });

    test('is refused from anybody while no operator is set', async () => {
      const fresh = await World.create();
      await fresh.proxy.sendTopUp(fresh.party('proxyOwner').getSender(), { value: toNano('5') });
      for (const name of ['operator', 'proxyOwner']) {
        await expectRefused(fresh, { from: fresh.party(name), to: proxy, body: fundOf(1n) }, 'notAllowed');
      }
    });
  });

  describe('withdrawal', () => {
    const requestOf = (income: bigint, stake: bigint) => ProxyContract.requestWithdrawalBody({ income, stake });
    const completeBody = ProxyContract.completeWithdrawalBody();

    test('of income pays the owner after the delay, not a second before, and not twice (INV-R5)', async () => {
      const sent = await send(requestOf(toNano('2'), 0n));
      expect(sent.trace).toEqual(['proxyOwner > Proxy: ownerProxyRequestWithdrawal', 'Proxy > proxyOwner: payment']);
      expect((await world.proxy.getState()).withdrawal).toEqual({
        income: toNano('2'),
        stake: 0n,
        readyAt: BigInt(world.now + DELAY),
      });
      world.wait(DELAY - 1);
      await refused(completeBody, 'tooEarly');
      world.wait(1);
      const completed = await send(completeBody);
      expect(completed.trace).toEqual(['proxyOwner > Proxy: ownerProxyCompleteWithdrawal', 'Proxy > proxyOwner: payment']);
      expect(completed.moved.Proxy).toBe(-toNano('2') - rentOf(completed, proxy));
      await refused(completeBody, 'notAnnounced');
    });

    test('of income, and of stake, leaves no trace once it is complete (INV-R1)', async () => {
      await send(ProxyContract.leaveBody());
      const before = await world.data(proxy);
      await send(requestOf(toNano('2'), 0n));
      world.wait(DELAY);
      await send(completeBody);
      expect(await world.data(proxy)).toEqualCell(before);
      await send(requestOf(0n, toNano('40')));
      world.wait(DELAY);
      await send(completeBody);
      expect((await world.proxy.getState()).withdrawal).toBeNull();
      await refused(completeBody, 'notAnnounced');
    });

    test('of all income leaves the stake and the reserve (INV-R1)', async () => {
      await send(requestOf(EVERYTHING, 0n));
      world.wait(DELAY);
      await send(completeBody);
      expect(await world.balance(proxy)).toBe(STAKE + ProxyContract.RESERVE);
      expect((await world.proxy.getState()).stake).toBe(STAKE);
    });

    test('of stake is refused while the proxy is listed (INV-R1)', async () => {
      await refused(requestOf(0n, 1n), 'stillListed');
      await refused(requestOf(EVERYTHING, EVERYTHING), 'stillListed');
    });

    test('of stake is cancelled by registering again, and refused until the owner leaves once more (INV-R1)', async () => {
      await send(ProxyContract.leaveBody());
      await send(requestOf(0n, EVERYTHING));
      world.wait(DELAY);
      await send(ProxyContract.registerBody({ stake: STAKE, forward: FEE + toNano('0.1') }), 'proxyOwner', toNano('2'));
      await refused(completeBody, 'notAnnounced');
      await refused(requestOf(0n, 1n), 'stillListed');
      expect(await world.root.getListing(proxy)).toMatchObject({ stake: STAKE });
    });

    test('of more stake than there is takes what is there, and no income (INV-R1)', async () => {
      await send(ProxyContract.leaveBody());
      await send(requestOf(0n, STAKE + toNano('5')));
      world.wait(DELAY);
      const sent = await send(completeBody);
      expect(sent.moved.Proxy).toBe(-STAKE - rentOf(sent, proxy));
      expect((await world.proxy.getState()).stake).toBe(0n);
    });

    test('of stake and of income at once pays both, in one message (INV-R3)', async () => {
      await send(ProxyContract.leaveBody());
      await send(requestOf(toNano('3'), toNano('40')));
      world.wait(DELAY);
      const sent = await send(completeBody);
      expect(sent.trace).toEqual(['proxyOwner > Proxy: ownerProxyCompleteWithdrawal', 'Proxy > proxyOwner: payment']);
      expect(sent.moved.Proxy).toBe(-toNano('43') - rentOf(sent, proxy));
      expect(known(sent.moved.proxyOwner)).toBe(toNano('43') + rentOf(sent, proxy) - sent.fees);
    });

    test('of all income and a part of the stake keeps the rest of the stake and the reserve (INV-R1)', async () => {
      await send(ProxyContract.leaveBody());
      await send(requestOf(EVERYTHING, STAKE - 1n));
      world.wait(DELAY);
      await send(completeBody);
      expect(await world.balance(proxy)).toBe(1n + ProxyContract.RESERVE);
    });

    test('of the largest income but not of everything is no whole exit: the reserve stays (INV-R1)', async () => {
      await send(ProxyContract.leaveBody());
      await send(requestOf(EVERYTHING - 1n, EVERYTHING));
      world.wait(DELAY);
      await send(completeBody);
      expect(await world.balance(proxy)).toBe(ProxyContract.RESERVE);
    });

    test('of a part of the stake lowers it by just that', async () => {
      await send(ProxyContract.leaveBody());
      await send(requestOf(0n, toNano('40')));
      world.wait(DELAY);
      const sent = await send(completeBody);
      expect(sent.moved.Proxy).toBe(-toNano('40') - rentOf(sent, proxy));
      expect((await world.proxy.getState()).stake).toBe(STAKE - toNano('40'));
    });

    test('of everything empties the contract, with the root gone; it still answers five years later (INV-R5, INV-R7)', async () => {
      await send(ProxyContract.leaveBody());
      await send(requestOf(EVERYTHING, EVERYTHING));
      world.wait(DELAY);
      await send(completeBody);
      expect(await world.balance(proxy)).toBe(0n);
      world.wait(FIVE_YEARS);
      const sent = await send(
        ProxyContract.registerBody({ stake: STAKE, forward: FEE + toNano('0.1') }),
        'proxyOwner',
        STAKE + toNano('2'),
      );
      expect(sent.trace).toContain('Root > proxyOwner: payment');
      expect(await world.root.getListing(proxy)).toMatchObject({ stake: STAKE });
    });

    test('lapses one delay after it is due', async () => {
      await send(requestOf(toNano('1'), 0n));
      world.wait(2 * DELAY);
      const last = world.snapshot();
      expect((await send(completeBody)).trace).toContain('Proxy > proxyOwner: payment');
      await world.restore(last);
      world.wait(1);
      await refused(completeBody, 'lapsed');
    });

    test('starts its delay anew with each request, and zeros cancel it', async () => {
      await send(requestOf(1n, 0n));
      world.wait(DELAY - 1);
      await send(requestOf(2n, 0n));
      world.wait(1);
      await refused(completeBody, 'tooEarly');
      await send(requestOf(0n, 0n));
      expect((await world.proxy.getState()).withdrawal).toBeNull();
      await refused(completeBody, 'notAnnounced');
    });

    test('of nothing there is is refused', async () => {
      await send(requestOf(EVERYTHING, 0n));
      const { freeIncome } = await world.proxy.getState();
      await send(ProxyContract.fundBody({ workerOwner: world.party('workerOwner').address, amount: freeIncome }), 'operator');
      world.wait(DELAY);
      await refused(completeBody, 'nothingToPay');
    });

    test('waits for the longest delay without an overflow, and for none at all where the owner chose so (INV-R8)', async () => {
      for (const [index, withdrawDelay] of [
        [1, 2 ** 32 - 1],
        [2, 0],
      ] as const) {
        const odd = world.chain.openContract(ProxyContract.create({ ...world.proxyTerms, withdrawDelay, index }));
        world.name(odd.address, 'Odd');
        await odd.sendTopUp(owner().getSender(), { value: toNano('5') });
        await odd.sendRequestWithdrawal(owner().getSender(), { income: EVERYTHING, stake: EVERYTHING });
        expect((await odd.getState()).withdrawal?.readyAt).toBe(BigInt(world.now + withdrawDelay));
        const complete = { from: owner(), to: odd.address, body: completeBody };
        if (withdrawDelay > 0) await expectRefused(world, complete, 'tooEarly');
        else expect((await world.send(complete)).trace.at(-1)).toBe('Odd > proxyOwner: payment');
      }
    });

    test.each(['stranger', 'operator'])('is refused from the %s', async (name) => {
      await refused(requestOf(1n, 0n), 'notAllowed', name);
      await send(requestOf(1n, 0n));
      world.wait(DELAY);
      await refused(completeBody, 'notAllowed', name);
    });

    test('is refused when it is malformed (INV-R8)', async () => {
      for (const misshapen of [withTrailingBit, withTrailingReference, withoutLastBit]) {
        await refused(misshapen(requestOf(1n, 0n)), 'malformed');
        await refused(misshapen(completeBody), 'malformed');
      }
    });
  });
});
