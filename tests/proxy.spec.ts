import { Address, type Builder, beginCell, type Cell, ExternalAddress, toNano } from '@ton/core';
import { type BlockchainSnapshot, createEmptyShardAccount } from '@ton/sandbox';
import '@ton/test-utils';
import type { ExitCodeName } from '../wrappers/errors';
import { OPCODE } from '../wrappers/opcodes';
import { type Endpoint, ProxyContract, packEndpoint } from '../wrappers/ProxyContract';
import { EVERYTHING } from '../wrappers/withdrawal';
import { expectRefused, withoutLastBit, withTrailingBit, withTrailingReference } from './refusal';
import { ALL_PRICES, BOUNCE_FORMATS, DELAY, FEE, known, PAYER, publicKeyOf, STAKE, STRANGER_KEY, World } from './world';

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

  test('that was never configured can be listed and leave', async () => {
    const fresh = await World.create();
    const sender = fresh.party('proxyOwner').getSender();
    await fresh.root.sendTopUp(fresh.party('rootOwner').getSender(), { value: toNano('1') });
    await fresh.proxy.sendRegister(sender, { stake: STAKE, forward: FEE + toNano('0.1'), value: STAKE + FEE + toNano('1') });
    expect(await fresh.proxy.getState()).toMatchObject({ operator: null, isListed: true, stake: STAKE });
    expect(await fresh.root.getListing(proxy)).toMatchObject({ stake: STAKE });
    await fresh.proxy.sendLeave(sender);
    expect(await fresh.proxy.getState()).toMatchObject({ operator: null, isListed: false });
    expect(await fresh.root.getListing(proxy)).toBeNull();
  });

  test('that was never configured returns all that it holds to its owner (INV-R5)', async () => {
    const fresh = await World.create();
    const sender = fresh.party('proxyOwner').getSender();
    await fresh.proxy.sendRequestWithdrawal(sender, { income: EVERYTHING, stake: 0n, value: toNano('5') });
    expect(await fresh.proxy.getState()).toMatchObject({ operator: null, withdrawal: { income: EVERYTHING } });
    await fresh.proxy.sendTopUp(fresh.party('stranger').getSender(), { value: toNano('3') });
    fresh.wait(DELAY);
    const held = await fresh.balance(proxy);
    expect(held).toBeGreaterThan(toNano('2.99'));
    const left = await fresh.send({ from: fresh.party('proxyOwner'), to: proxy, body: ProxyContract.completeWithdrawalBody() });
    expect(left.moved.Proxy).toBe(-held);
    expect(left.moved.proxyOwner).toBe(held - left.fees);
  });

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

    const withOperator = (operator: Builder) =>
      beginCell()
        .storeUint(OPCODE.proxy.ownerProxyConfigure, 32)
        .storeUint(0, 64)
        .storeBuilder(operator)
        .storeUint(publicKeyOf(PAYER), 256)
        .storeRef(packEndpoint({ url: 'https://a', keyPin }))
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

    test('is refused with a payer key of small order, in every encoding: vouchers could be made without it (INV-R6)', async () => {
      for (const payerKey of WEAK_KEYS) await refused(configureOf({ payerKey }), 'badKey');
    });

    test('takes the longest endpoint that fits: a url of 127 bytes, with a pin', async () => {
      const endpoint = { url: `https://${'a'.repeat(119)}`, keyPin };
      await send(configureOf({ endpoint }));
      expect((await world.proxy.getState()).endpoint).toEqual(endpoint);
    });

    test.each(['stranger', 'operator', 'client', 'workerOwner'])('is refused from the %s', async (name) => {
      await refused(configureOf(), 'notAllowed', name);
    });

    test.each<[string, () => Cell, ExitCodeName]>([
      ['an operator in another workchain', () => configureOf({ operator: new Address(-1, owner().address.hash) }), 'badAddress'],
      ['nobody as operator (addr_none)', () => withOperator(beginCell().storeAddress(null)), 'badAddress'],
      [
        'an operator with anycast',
        () =>
          // addr_std$10, anycast:1 with depth:5 bits and a prefix of one bit, workchain_id:int8, address:bits256.
          withOperator(
            beginCell()
              .storeUint(0b101, 3)
              .storeUint(1, 5)
              .storeUint(0, 1)
              .storeInt(0, 8)
              .storeBuffer(world.party('stranger').address.hash),
          ),
        'malformed',
      ],
      [
        'an operator of variable length',
        () => withOperator(beginCell().storeUint(0b110, 3).storeUint(256, 9).storeInt(0, 32).storeUint(7, 256)),
        'malformed',
      ],
      ['an operator outside of the chain', () => withOperator(beginCell().storeAddress(new ExternalAddress(1n, 8))), 'badAddress'],
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
      [
        'a trailing reference in the endpoint',
        () => withEndpoint(withTrailingReference(packEndpoint({ url: 'https://a', keyPin }))),
        'malformed',
      ],
      [
        'a url of 127 bytes and a bit',
        () => withEndpoint(beginCell().storeBit(false).storeRef(beginCell().storeUint(0, 1_017).endCell()).endCell()),
        'malformed',
      ],
      ['an empty endpoint', () => withEndpoint(beginCell().endCell()), 'malformed'],
      [
        'an endpoint in a cell of a library',
        () => withEndpoint(beginCell().storeUint(2, 8).storeUint(1, 256).endCell({ exotic: true })),
        'malformed',
      ],
      ['a trailing bit', () => withTrailingBit(configureOf()), 'malformed'],
      ['a trailing reference', () => withTrailingReference(configureOf()), 'malformed'],
      ['a missing bit', () => withoutLastBit(configureOf()), 'malformed'],
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

    test('leaves no trace of an announcement that it cancels', async () => {
      await send(registerOf(STAKE), 'proxyOwner', toNano('2'));
      const before = await world.data(proxy);
      await send(ProxyContract.requestWithdrawalBody({ income: 1n, stake: 0n }));
      await send(registerOf(STAKE), 'proxyOwner', toNano('2'));
      expect(await world.data(proxy)).toEqualCell(before);
    });

    test('cancels an announced withdrawal', async () => {
      await send(ProxyContract.requestWithdrawalBody({ income: EVERYTHING, stake: 0n }));
      await send(registerOf(STAKE), 'proxyOwner', toNano('2'));
      expect((await world.proxy.getState()).withdrawal).toBeNull();
    });

    test('binds the stake although the root refuses, until the owner leaves; the coins for the root go back to the owner (INV-R1, INV-R3)', async () => {
      const sent = await send(registerOf(STAKE + toNano('1'), FEE), 'proxyOwner', toNano('2'));
      expect(sent.trace).toEqual([
        'proxyOwner > Proxy: ownerProxyRegister',
        'Proxy > Root: proxyRootRegister refused (lowValue)',
        'Root > Proxy: bounce',
        'Proxy > proxyOwner: payment',
      ]);
      // What did not go to the root is income; what did is back with the owner, but for fees.
      expect(known(sent.moved.Proxy)).toBeGreaterThan(toNano('0.99'));
      expect(known(sent.moved.Proxy)).toBeLessThan(toNano('1'));
      expect(known(sent.moved.proxyOwner) + known(sent.moved.Proxy)).toBe(-sent.fees);
      expect((await world.proxy.getState()).stake).toBe(STAKE + toNano('1'));
      expect(await world.root.getListing(proxy)).toMatchObject({ stake: STAKE });
      await refused(ProxyContract.requestWithdrawalBody({ income: 0n, stake: 1n }), 'stillListed');
    });

    test('to a root that is not there binds the stake, gives the coins back, and the owner leaves all the same (INV-R5)', async () => {
      await world.chain.setShardAccount(world.root.address, createEmptyShardAccount(world.root.address));
      const sent = await send(registerOf(STAKE), 'proxyOwner', toNano('2'));
      expect(sent.trace.slice(-2)).toEqual(['Root > Proxy: bounce', 'Proxy > proxyOwner: payment']);
      await send(ProxyContract.leaveBody());
      await send(ProxyContract.requestWithdrawalBody({ income: EVERYTHING, stake: EVERYTHING }));
      world.wait(DELAY);
      await send(ProxyContract.completeWithdrawalBody());
      expect(await world.balance(proxy)).toBe(0n);
    });

    test('with the stake that is bound already costs the fee and changes nothing', async () => {
      const before = await world.data(proxy);
      const sent = await send(registerOf(STAKE), 'proxyOwner', toNano('2'));
      expect(sent.moved.Root).toBe(FEE);
      expect(await world.data(proxy)).toEqualCell(before);
    });

    test('takes the last nano of free income as stake, and not the reserve (INV-R1)', async () => {
      const { freeIncome } = await world.proxy.getState();
      const value = FEE + toNano('0.2');
      await refused(registerOf(STAKE + freeIncome + toNano('0.1')), 'notEnough', 'proxyOwner', value);
      const sent = await send(registerOf(STAKE + freeIncome), 'proxyOwner', value);
      expect(sent.trace.at(-1)).toBe('Root > proxyOwner: payment');
      expect(await world.balance(proxy)).toBeGreaterThanOrEqual(STAKE + freeIncome + ProxyContract.RESERVE);
    });

    test.each<[string, () => Cell, ExitCodeName]>([
      ['a stake below the present one', () => registerOf(STAKE - 1n), 'stakeFalls'],
      ['a stake that the contract does not hold', () => registerOf(STAKE + toNano('40')), 'notEnough'],
      ['the largest stake there is', () => registerOf(EVERYTHING), 'notEnough'],
      ['more to forward than comes with it', () => registerOf(STAKE, FEE + toNano('0.2')), 'lowValue'],
      ['the largest amount to forward', () => registerOf(STAKE, EVERYTHING), 'lowValue'],
      ['a trailing bit', () => withTrailingBit(registerOf(STAKE)), 'malformed'],
      ['a trailing reference', () => withTrailingReference(registerOf(STAKE)), 'malformed'],
      ['a missing bit', () => withoutLastBit(registerOf(STAKE)), 'malformed'],
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
      expect(sent.trace.slice(1)).toEqual([
        'Proxy > Root: proxyRootLeave refused (notPresent)',
        'Root > Proxy: bounce',
        'Proxy > proxyOwner: payment',
      ]);
      expect(sent.moved).toEqual({ proxyOwner: -sent.fees });
      expect((await world.proxy.getState()).isListed).toBe(false);
    });

    test.each(ALL_PRICES)(
      'with just enough at %s prices reaches the root as well: no stake leaves while its listing stays (INV-R4, INV-R1)',
      async (which) => {
        const priced = await World.inUse(which);
        const sending = (value: bigint) => ({
          from: priced.party('proxyOwner'),
          to: priced.proxy.address,
          body: ProxyContract.leaveBody(),
          value,
        });
        const before = priced.snapshot();
        // The least that the proxy takes, whatever its constants are.
        let [low, high] = [0n, toNano('1')];
        while (high - low > 1n) {
          await priced.restore(before);
          const middle = (low + high) / 2n;
          const [first] = (await priced.send(sending(middle))).trace;
          if (/refused/.test(known(first))) low = middle;
          else high = middle;
        }
        await priced.restore(before);
        const sent = await priced.send(sending(high));
        expect(sent.trace.slice(0, 2)).toEqual(['proxyOwner > Proxy: ownerProxyLeave', 'Proxy > Root: proxyRootLeave']);
        expect(await priced.root.getListing(priced.proxy.address)).toBeNull();
        await priced.restore(before);
        await expectRefused(priced, sending(high - 1n), 'lowValue');
      },
    );

    test.each(['stranger', 'operator'])('is refused from the %s', async (name) => {
      await refused(ProxyContract.leaveBody(), 'notAllowed', name);
    });

    test('is refused when it is malformed (INV-R8)', async () => {
      for (const misshapen of [withTrailingBit, withTrailingReference, withoutLastBit])
        await refused(misshapen(ProxyContract.leaveBody()), 'malformed');
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

  test.each(BOUNCE_FORMATS)('a bounce (%s of the body) is nothing but coins of the owner, whatever it says (INV-R3)', async (format) => {
    const before = { data: await world.data(proxy), balance: await world.balance(proxy) };
    const bodies = [ProxyContract.leaveBody(), ProxyContract.requestWithdrawalBody({ income: 1n, stake: 1n }), beginCell().endCell()];
    for (const body of bodies) {
      const owned = await world.balance(world.party('proxyOwner').address);
      const trace = await world.bounceInto(proxy, body, toNano('1'), format);
      expect(trace).toEqual(['Root > Proxy: bounce', 'Proxy > proxyOwner: payment']);
      expect(await world.balance(world.party('proxyOwner').address)).toBeGreaterThan(owned + toNano('0.99'));
      expect(await world.data(proxy)).toEqualCell(before.data);
      expect(await world.balance(proxy)).toBe(before.balance);
    }
  });

  test('a bounce with too little to send on is kept as income', async () => {
    const before = await world.balance(proxy);
    const trace = await world.bounceInto(proxy, ProxyContract.leaveBody(), 1n);
    expect(trace).toEqual(['Root > Proxy: bounce']);
    expect(await world.balance(proxy)).toBe(before + 1n);
  });

  test('an account that has the hash of the owner in the masterchain is not the owner (INV-R6)', async () => {
    for (const [name, body] of [
      ['proxyOwner', ProxyContract.leaveBody()],
      ['operator', ProxyContract.anchorBody({ root: 1n })],
    ] as const) {
      const twin = new Address(-1, world.party(name).address.hash);
      world.name(twin, 'Twin');
      const [first, bounce] = await world.receive(twin, proxy, body, toNano('1'));
      expect(first).toMatch(/ refused \(notAllowed\)$/);
      expect(bounce).toBe('Proxy > Twin: bounce');
    }
  });
});

/** Points of small order: y is 0, 1, p - 1, p, p + 1, or one of the two of order 8; each with the sign bit clear and set (tests/keys.spec.ts). */
const P = 2n ** 255n - 19n;
const ORDER_EIGHT = 0x5fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
const WEAK_KEYS = [0n, 1n, P - 1n, P, P + 1n, ORDER_EIGHT, P - ORDER_EIGHT].flatMap((y) => [
  littleEndian(y),
  littleEndian(y | (1n << 255n)),
]);

/** 32 bytes little-endian, read as one big-endian number. */
function littleEndian(y: bigint): bigint {
  const bytes = Buffer.from(y.toString(16).padStart(64, '0'), 'hex').reverse();
  return BigInt(`0x${bytes.toString('hex')}`);
}
