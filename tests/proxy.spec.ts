import { Address, beginCell, type Cell, toNano } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import '@ton/test-utils';
import { ClientContract } from '../wrappers/ClientContract';
import type { ExitCodeName } from '../wrappers/errors';
import { OPCODE } from '../wrappers/opcodes';
import { type Endpoint, ProxyContract, packEndpoint } from '../wrappers/ProxyContract';
import { RootContract } from '../wrappers/RootContract';
import { WorkerContract } from '../wrappers/WorkerContract';
import { EVERYTHING } from '../wrappers/withdrawal';
import { expectRefused, withoutLastBit, withTrailingBit, withTrailingReference } from './refusal';
import { DELAY, FEE, FIVE_YEARS, known, PAYER, publicKeyOf, rentOf, STAKE, STRANGER_KEY, signedVoucher, World } from './world';

describe('ProxyContract', () => {
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

  test.each<[string, Cell]>([
    ['plain', beginCell().endCell()],
    ['with a comment', beginCell().storeUint(0, 32).storeStringTail('income').endCell()],
  ])('a payment in, %s, is free income (INV-R1)', async (_what, body) => {
    const before = await world.proxy.getState();
    const sent = await send(body, 'stranger', toNano('3'));
    expect(sent.trace).toEqual(['stranger > Proxy: payment']);
    const after = await world.proxy.getState();
    expect(after.freeIncome).toBe(before.freeIncome + known(sent.moved.Proxy));
    expect(after.stake).toBe(before.stake);
  });

  describe('configure', () => {
    const keyPin = new Uint8Array(32).fill(7);
    const configureOf = (change: { operator?: Address; payerKey?: bigint; endpoint?: Endpoint } = {}) =>
      ProxyContract.configureBody({
        operator: world.party('stranger').address,
        payerKey: publicKeyOf(STRANGER_KEY),
        endpoint: { url: 'https://elsewhere.example', keyPin },
        ...change,
      });
    const withEndpoint = (endpoint: Cell) =>
      beginCell()
        .storeUint(OPCODE.proxy.ownerProxyConfigure, 32)
        .storeUint(0, 64)
        .storeAddress(world.party('stranger').address)
        .storeUint(publicKeyOf(PAYER), 256)
        .storeRef(endpoint)
        .endCell();

    test('sets operator, payer key and endpoint at the price of gas alone', async () => {
      const sent = await send(configureOf());
      expect(sent.trace).toEqual(['proxyOwner > Proxy: ownerProxyConfigure', 'Proxy > proxyOwner: payment']);
      expect(sent.moved).toEqual({ proxyOwner: -sent.fees });
      const state = await world.proxy.getState();
      expect(state.operator).toEqualAddress(world.party('stranger').address);
      expect(state).toMatchObject({ payerKey: publicKeyOf(STRANGER_KEY), endpoint: { url: 'https://elsewhere.example', keyPin } });
      expect(ProxyContract.parseState(await world.data(proxy))).toEqual(expect.objectContaining({ endpoint: state.endpoint }));
    });

    test('shuts the old operator out at once', async () => {
      await send(configureOf());
      await refused(ProxyContract.fundBody({ workerOwner: owner().address, amount: 1n }), 'notAllowed', 'operator');
    });

    test.each(['stranger', 'operator'])('is refused from the %s', async (name) => {
      await refused(configureOf(), 'notAllowed', name);
    });

    test.each<[string, () => Cell, ExitCodeName]>([
      ['a payer key of zero', () => configureOf({ payerKey: 0n }), 'badKey'],
      ['an operator in another workchain', () => configureOf({ operator: new Address(-1, owner().address.hash) }), 'badAddress'],
      ['an endpoint without url', () => withEndpoint(beginCell().storeBit(false).endCell()), 'malformed'],
      ['an empty url', () => withEndpoint(beginCell().storeBit(false).storeRef(beginCell().endCell()).endCell()), 'malformed'],
      [
        'a url of seven bits',
        () => withEndpoint(beginCell().storeBit(false).storeRef(beginCell().storeUint(1, 7).endCell()).endCell()),
        'malformed',
      ],
      [
        'a url of two cells',
        () =>
          withEndpoint(
            beginCell()
              .storeBit(false)
              .storeRef(withTrailingReference(beginCell().storeUint(1, 8).endCell()))
              .endCell(),
          ),
        'malformed',
      ],
      ['a trailing bit in the endpoint', () => withEndpoint(withTrailingBit(packEndpoint({ url: 'https://a', keyPin }))), 'malformed'],
      ['a key pin cut short', () => withEndpoint(withoutLastBit(packEndpoint({ url: 'https://a', keyPin }))), 'malformed'],
      ['a trailing bit', () => withTrailingBit(configureOf()), 'malformed'],
      ['no endpoint', () => beginCell().storeUint(OPCODE.proxy.ownerProxyConfigure, 32).storeUint(0, 600).endCell(), 'malformed'],
    ])('is refused with %s (INV-R8)', async (_what, body, code) => {
      await refused(body(), code);
    });
  });

  describe('register', () => {
    const registerOf = (stake: bigint, forward = FEE + toNano('0.1')) => ProxyContract.registerBody({ stake, forward });

    test('raises the stake out of free income and lists the proxy with it; what the root does not need goes to the owner', async () => {
      const sent = await send(registerOf(STAKE + toNano('5')), 'proxyOwner', toNano('2'));
      expect(sent.trace).toEqual([
        'proxyOwner > Proxy: ownerProxyRegister',
        'Proxy > Root: proxyRootRegister',
        'Root > proxyOwner: payment',
      ]);
      expect(sent.moved.Root).toBe(FEE);
      expect(await world.proxy.getState()).toMatchObject({ stake: STAKE + toNano('5'), isListed: true });
      expect(await world.root.getListing(proxy)).toMatchObject({ stake: STAKE + toNano('5') });
    });

    test('cancels an announced withdrawal', async () => {
      await send(ProxyContract.requestWithdrawalBody({ income: EVERYTHING, stake: 0n }));
      await send(registerOf(STAKE), 'proxyOwner', toNano('2'));
      expect((await world.proxy.getState()).withdrawal).toBeNull();
    });

    test('binds the stake although the root refuses, until the owner leaves; the coins come back as income (INV-R1)', async () => {
      const sent = await send(registerOf(STAKE, FEE), 'proxyOwner', toNano('2'));
      expect(sent.trace).toEqual([
        'proxyOwner > Proxy: ownerProxyRegister',
        'Proxy > Root: proxyRootRegister refused (lowValue)',
        'Root > Proxy: bounce',
      ]);
      expect(known(sent.moved.Proxy)).toBeGreaterThan(toNano('1.99'));
      await refused(ProxyContract.requestWithdrawalBody({ income: 0n, stake: 1n }), 'stillListed');
    });

    test.each<[string, () => Cell, ExitCodeName]>([
      ['a stake below the present one', () => registerOf(STAKE - 1n), 'stakeFalls'],
      ['a stake that the contract does not hold', () => registerOf(STAKE + toNano('40')), 'notEnough'],
      ['the largest stake there is', () => registerOf(EVERYTHING), 'notEnough'],
      ['more to forward than comes with it', () => registerOf(STAKE, FEE + toNano('0.2')), 'lowValue'],
      ['the largest amount to forward', () => registerOf(STAKE, EVERYTHING), 'lowValue'],
      ['a trailing bit', () => withTrailingBit(registerOf(STAKE)), 'malformed'],
    ])('is refused with %s', async (_what, body, code) => {
      await refused(body(), code, 'proxyOwner', FEE + toNano('0.2'));
    });

    test.each(['stranger', 'operator'])('is refused from the %s', async (name) => {
      await refused(registerOf(STAKE), 'notAllowed', name);
    });
  });

  describe('leave', () => {
    test('takes the proxy off the registry, and the rest of the gas returns to the owner', async () => {
      const sent = await send(ProxyContract.leaveBody());
      expect(sent.trace).toEqual(['proxyOwner > Proxy: ownerProxyLeave', 'Proxy > Root: proxyRootLeave', 'Root > proxyOwner: payment']);
      expect(sent.moved).toEqual({ proxyOwner: -sent.fees });
      expect(await world.root.getListing(proxy)).toBeNull();
      expect(await world.proxy.getState()).toMatchObject({ isListed: false, stake: STAKE });
    });

    test('works although the root does not know the proxy any more (INV-R5)', async () => {
      await send(ProxyContract.leaveBody());
      const sent = await send(ProxyContract.leaveBody());
      expect(sent.trace.slice(1)).toEqual(['Proxy > Root: proxyRootLeave refused (notPresent)', 'Root > Proxy: bounce']);
      expect((await world.proxy.getState()).isListed).toBe(false);
    });

    test.each(['stranger', 'operator'])('is refused from the %s', async (name) => {
      await refused(ProxyContract.leaveBody(), 'notAllowed', name);
    });

    test('is refused with a trailing bit (INV-R8)', async () => {
      await refused(withTrailingBit(ProxyContract.leaveBody()), 'malformed');
    });
  });

  describe('fund', () => {
    const fundOf = (amount: bigint, workerOwner = world.party('workerOwner').address) => ProxyContract.fundBody({ workerOwner, amount });

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

    test.each(['stranger', 'proxyOwner', 'workerOwner'])('is refused from the %s', async (name) => {
      await refused(fundOf(1n), 'notAllowed', name);
    });

    test.each<[string, () => Cell, ExitCodeName]>([
      ['nothing to pay', () => fundOf(0n), 'nothingToPay'],
      ['a worker in another workchain', () => fundOf(1n, new Address(-1, owner().address.hash)), 'badAddress'],
      [
        'nobody to pay',
        () => beginCell().storeUint(OPCODE.proxy.operatorProxyFund, 32).storeUint(0, 64).storeAddress(null).storeUint(1, 64).endCell(),
        'badAddress',
      ],
      ['a trailing bit', () => withTrailingBit(fundOf(1n)), 'malformed'],
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

    test('of all income leaves the stake and the reserve (INV-R1)', async () => {
      await send(requestOf(EVERYTHING, 0n));
      world.wait(DELAY);
      await send(completeBody);
      expect(await world.balance(proxy)).toBe(STAKE + ProxyContract.RESERVE);
      expect((await world.proxy.getState()).stake).toBe(STAKE);
    });

    test('of stake is refused while the proxy is listed', async () => {
      await refused(requestOf(0n, 1n), 'stillListed');
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

    test.each(['stranger', 'operator'])('is refused from the %s', async (name) => {
      await refused(requestOf(1n, 0n), 'notAllowed', name);
      await send(requestOf(1n, 0n));
      world.wait(DELAY);
      await refused(completeBody, 'notAllowed', name);
    });

    test('is refused with trailing bits (INV-R8)', async () => {
      await refused(withTrailingBit(requestOf(1n, 0n)), 'malformed');
      await refused(withTrailingBit(completeBody), 'malformed');
    });
  });

  describe('order', () => {
    const chargeBody = () =>
      ClientContract.chargeBody(signedVoucher({ channel: world.clientChannel.address, total: toNano('1'), upTo: 1n, open: 0n }));
    const orderOf = (order: Cell, to = world.clientChannel.address) => ProxyContract.orderBody({ to, order });

    test('lets the owner collect in the place of an operator whose key is lost (INV-R5)', async () => {
      await send(orderOf(chargeBody()));
      await world.clientChannel.sendTopUp(world.party('client').getSender(), { value: toNano('1') });
      expect((await world.clientChannel.getState()).paid).toBe(toNano('1'));
    });

    test('sends the coins that came with it, and none of its own (INV-R1)', async () => {
      const sent = await send(orderOf(chargeBody(), world.party('stranger').address), 'proxyOwner', toNano('7'));
      expect(sent.trace).toEqual(['proxyOwner > Proxy: ownerProxyOrder', 'Proxy > stranger: operatorClientCharge']);
      expect(sent.moved.Proxy).toBeUndefined();
    });

    test('cannot speak to the root in the name of the proxy', async () => {
      const register = beginCell().storeUint(OPCODE.root.proxyRootRegister, 32).storeUint(0, 64).endCell();
      await refused(orderOf(register, world.root.address), 'wrongOrder');
      await refused(orderOf(RootContract.collectFeesBody(), world.root.address), 'wrongOrder');
    });

    test.each<[string, () => Cell, ExitCodeName]>([
      ['a plain transfer', () => orderOf(beginCell().storeUint(0, 32).endCell()), 'wrongOrder'],
      ['an empty order', () => orderOf(beginCell().endCell()), 'malformed'],
      ['a receiver in another workchain', () => orderOf(chargeBody(), new Address(-1, owner().address.hash)), 'badAddress'],
      ['a trailing bit', () => withTrailingBit(orderOf(chargeBody())), 'malformed'],
      ['a trailing reference', () => withTrailingReference(orderOf(chargeBody())), 'malformed'],
    ])('is refused with %s (INV-R8)', async (_what, body, code) => {
      await refused(body(), code);
    });

    test.each(['stranger', 'operator'])('is refused from the %s', async (name) => {
      await refused(orderOf(chargeBody()), 'notAllowed', name);
    });
  });

  test.each<[string, Cell, string, ExitCodeName]>([
    ['an unknown tag from the owner', beginCell().storeUint(0xc0c002ff, 32).storeUint(0, 64).endCell(), 'proxyOwner', 'unknownMessage'],
    ['an unknown tag from a stranger', beginCell().storeUint(0xc0c002ff, 32).storeUint(0, 64).endCell(), 'stranger', 'notAllowed'],
    ['31 bits', beginCell().storeUint(0, 31).endCell(), 'stranger', 'malformed'],
    ['a tag alone', beginCell().storeUint(OPCODE.proxy.ownerProxyLeave, 32).endCell(), 'proxyOwner', 'malformed'],
  ])('%s is refused, and the coins come back (INV-R8)', async (_what, body, name, code) => {
    await refused(body, code, name);
  });

  test('a bounced message is income, whatever it says', async () => {
    const before = await world.data(proxy);
    await world.bounceInto(proxy, ProxyContract.leaveBody(), toNano('1'));
    expect(await world.data(proxy)).toEqualCell(before);
  });
});
