import { Address, beginCell, type Cell, contractAddress, toNano } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import '@ton/test-utils';
import { codeOf } from '../wrappers/contract-code';
import type { ExitCodeName } from '../wrappers/errors';
import { messagePrices, minimumValue } from '../wrappers/minimum-value';
import { OPCODE } from '../wrappers/opcodes';
import { ProxyContract, type ProxyTerms } from '../wrappers/ProxyContract';
import { RootContract } from '../wrappers/RootContract';
import { expectRefused, withoutLastBit, withTrailingBit, withTrailingReference } from './refusal';
import { constantsOf } from './sources';
import { DELAY, FEE, known, STAKE, START, World } from './world';

describe('the registry of a RootContract', () => {
  let world: World;
  let inUse: BlockchainSnapshot;
  let root: Address;

  beforeAll(async () => {
    world = await World.inUse();
    inUse = world.snapshot();
    root = world.root.address;
  });

  beforeEach(async () => {
    await world.restore(inUse);
  });

  const refused = (body: Cell, code: ExitCodeName, name = 'rootOwner') =>
    expectRefused(world, { from: world.party(name), to: root, body }, code);

  /** Another proxy of the same owner, with stake and registration in one message. */
  const register = async (index: number, stake: bigint, change: Partial<ProxyTerms> = {}) => {
    const contract = ProxyContract.create({ ...world.proxyTerms, index, ...change });
    world.name(contract.address, `Proxy${index}`);
    const body = ProxyContract.registerBody({ stake, forward: FEE + toNano('0.1') });
    const value = stake + FEE + toNano('0.5');
    const sent = await world.send({ from: world.party('proxyOwner'), to: contract.address, body, value, init: contract.init });
    return { address: contract.address, sent };
  };

  test('takes a proxy by its address, its stake and the fee, and returns the rest to its owner (INV-R3)', async () => {
    const { address, sent } = await register(1, STAKE);
    expect(sent.trace).toEqual([
      'proxyOwner > Proxy1: ownerProxyRegister',
      'Proxy1 > Root: proxyRootRegister',
      'Root > proxyOwner: payment',
    ]);
    expect(sent.moved.Root).toBe(FEE);
    expect(await world.root.getListing(address)).toEqual({ stake: STAKE, since: BigInt(START) });
    const { proxies } = RootContract.parseState(await world.data(root));
    expect(new Set([...proxies.keys()].map((key) => RootContract.proxyAddress(key).toString()))).toEqual(
      new Set([world.proxy.address.toString(), address.toString()]),
    );
    const pages = await world.root.getListings();
    expect(pages.entries).toEqual(proxies);
  });

  test.each<[string, bigint, Partial<ProxyTerms>, ExitCodeName]>([
    ['too little stake', STAKE - 1n, {}, 'lowStake'],
    ['too short a delay', STAKE, { withdrawDelay: DELAY - 1 }, 'shortDelay'],
  ])('refuses a proxy with %s', async (_what, stake, change, code) => {
    const { address, sent } = await register(1, stake, change);
    expect(sent.trace).toContain(`Proxy1 > Root: proxyRootRegister refused (${code})`);
    expect(sent.moved.Root).toBeUndefined();
    // The coins for the root go back to the owner, who brought them (INV-R3).
    expect(sent.trace.slice(2)).toEqual(['Root > Proxy1: bounce', 'Proxy1 > proxyOwner: payment']);
    expect(await world.root.getListing(address)).toBeNull();
  });

  test('is not asked about an address of another workchain, which may have the hash of a listed proxy (INV-R8)', async () => {
    const twin = new Address(-1, world.proxy.address.hash);
    await expect(world.root.getListing(twin)).rejects.toThrow('address of workchain -1, expected 0');
  });

  test('takes a longer delay than it asks for, and the longest there is', async () => {
    const longest = await register(1, STAKE, { withdrawDelay: 2 ** 32 - 1 });
    expect(longest.sent.trace.at(-1)).toBe('Root > proxyOwner: payment');
    expect(await world.root.getListing(longest.address)).not.toBeNull();
  });

  test('keeps the fee of every registration, the first and the next (INV-R3)', async () => {
    const { address } = await register(1, STAKE);
    const body = ProxyContract.registerBody({ stake: STAKE, forward: FEE + toNano('0.1') });
    const again = await world.send({ from: world.party('proxyOwner'), to: address, body, value: FEE + toNano('0.2') });
    expect(again.moved.Root).toBe(FEE);
    expect(RootContract.parseState(await world.data(root)).proxies.size).toBe(2);
  });

  test('refuses a registration that brings a nano less than the fee and the gas, and its coins go back to the owner (INV-R4)', async () => {
    const gas = BigInt(known(constantsOf('gas.tact').get('GasRootRegister')));
    const gasPart = minimumValue(gas, messagePrices(world.chain.config)) - messagePrices(world.chain.config).lumpPrice;
    const sending = (forward: bigint) => ({
      from: world.party('proxyOwner'),
      to: world.proxy.address,
      body: ProxyContract.registerBody({ stake: STAKE, forward }),
      value: FEE + toNano('0.5'),
    });
    const refusal = await world.send(sending(FEE + gasPart - 1n));
    expect(refusal.trace).toEqual([
      'proxyOwner > Proxy: ownerProxyRegister',
      'Proxy > Root: proxyRootRegister refused (lowValue)',
      'Root > Proxy: bounce',
      'Proxy > proxyOwner: payment',
    ]);
    expect((await world.send(sending(FEE + gasPart))).trace.at(-1)).toBe('Root > proxyOwner: payment');
  });

  test('refuses a proxy whose owner lives in another workchain, where nothing could be returned at these prices (INV-R8)', async () => {
    const elsewhere = await world.chain.treasury('elsewhere', { workchain: -1 });
    world.name(elsewhere.address, 'elsewhere');
    const fresh = known(ProxyContract.create(world.proxyTerms).init?.data ?? undefined).beginParse();
    const terms = beginCell().storeAddress(elsewhere.address).storeAddress(root).storeUint(DELAY, 32).storeUint(0, 32).endCell();
    const data = beginCell().storeBits(fresh.loadBits(fresh.remainingBits)).storeRef(terms).endCell();
    const init = { code: codeOf('ProxyContract'), data };
    const odd = contractAddress(0, init);
    world.name(odd, 'Odd');
    const body = ProxyContract.registerBody({ stake: STAKE, forward: FEE + toNano('0.1') });
    const sent = await world.send({ from: elsewhere, to: odd, body, init, value: STAKE + toNano('3') });
    expect(sent.trace).toContain('Odd > Root: proxyRootRegister refused (badAddress)');
    expect(await world.root.getListing(odd)).toBeNull();
  });

  test('refuses everybody when it has no room at all (INV-G3)', async () => {
    const params = { ...world.governance.params, maxProxies: 0 };
    const closed = RootContract.create({ ...world.governance, params });
    world.name(closed.address, 'ClosedRoot');
    await world.send({ from: world.party('rootOwner'), to: closed.address, init: closed.init, bounce: false });
    const { sent } = await register(1, STAKE, { root: closed.address });
    expect(sent.trace).toContain('Proxy1 > ClosedRoot: proxyRootRegister refused (full)');
  });

  const registerBody = (owner: Address, change: { stake?: bigint; index?: number } = {}) =>
    beginCell()
      .storeUint(OPCODE.root.proxyRootRegister, 32)
      .storeUint(0, 64)
      .storeUint(change.stake ?? STAKE, 64)
      .storeAddress(owner)
      .storeUint(DELAY, 32)
      .storeUint(change.index ?? 0, 32)
      .endCell();

  test('does not take the word of an account with the hash of a proxy in the masterchain (INV-R6)', async () => {
    const twin = new Address(-1, world.proxy.address.hash);
    world.name(twin, 'Twin');
    const trace = await world.receive(twin, root, registerBody(world.party('proxyOwner').address), toNano('2'));
    expect(trace).toEqual(['Twin > Root: proxyRootRegister refused (notAllowed)', 'Root > Twin: bounce']);
  });

  test('does not take the word of a proxy about another: owner, delay and index are in its address (INV-R6)', async () => {
    const owner = world.party('proxyOwner').address;
    const bodies = [registerBody(world.party('stranger').address), registerBody(owner, { index: 1 })];
    for (const body of bodies) {
      const trace = await world.receive(world.proxy.address, root, body, toNano('2'));
      expect(trace[0]).toBe('Proxy > Root: proxyRootRegister refused (notAllowed)');
    }
    const [trace] = await world.receive(world.proxy.address, root, registerBody(owner, { stake: 2n ** 64n - 1n }), toNano('2'));
    expect(trace).toBe('Proxy > Root: proxyRootRegister');
    expect((await world.root.getListing(world.proxy.address))?.stake).toBe(2n ** 64n - 1n);
  });

  test('does not take the word of anybody who is not a ProxyContract (INV-R6)', async () => {
    await refused(registerBody(world.party('stranger').address), 'notAllowed', 'stranger');
    await refused(registerBody(world.party('proxyOwner').address), 'notAllowed', 'proxyOwner');
  });

  test('refuses a malformed registration (INV-R8)', async () => {
    const body = registerBody(world.party('stranger').address);
    for (const misshapen of [withTrailingBit, withTrailingReference, withoutLastBit])
      await refused(misshapen(body), 'malformed', 'stranger');
    const nobody = beginCell()
      .storeUint(OPCODE.root.proxyRootRegister, 32)
      .storeUint(0, 128)
      .storeUint(0b11, 2)
      .storeUint(0, 300)
      .endCell();
    await refused(nobody, 'malformed', 'stranger');
  });

  test('replaces the smallest stake by a larger one when it is full, and by no other (INV-G4)', async () => {
    const second = await register(1, STAKE + toNano('10'));
    const equal = await register(2, STAKE);
    expect(equal.sent.trace).toContain('Proxy2 > Root: proxyRootRegister refused (full)');
    const larger = await register(3, STAKE + 1n);
    expect(larger.sent.trace).toContain('Root > proxyOwner: payment');
    expect(await world.root.getListing(world.proxy.address)).toBeNull();
    expect(await world.root.getListing(second.address)).not.toBeNull();
    expect(await world.root.getListing(larger.address)).toEqual({ stake: STAKE + 1n, since: BigInt(START) });
  });

  test('knows a proxy by its last stake when it looks for the smallest (INV-G4)', async () => {
    const small = await register(1, STAKE + toNano('20'));
    const raise = ProxyContract.registerBody({ stake: 3n * STAKE, forward: FEE + toNano('0.1') });
    await world.send({ from: world.party('proxyOwner'), to: world.proxy.address, body: raise, value: 3n * STAKE });
    const { address } = await register(2, STAKE + toNano('50'));
    expect(await world.root.getListing(address)).not.toBeNull();
    expect(await world.root.getListing(small.address)).toBeNull();
    expect(await world.root.getListing(world.proxy.address)).toMatchObject({ stake: 3n * STAKE });
  });

  test('forgets the stake of a proxy that leaves (INV-G3, INV-G4)', async () => {
    await world.send({ from: world.party('proxyOwner'), to: world.proxy.address, body: ProxyContract.leaveBody() });
    const [small, large] = [await register(1, STAKE + toNano('20')), await register(2, STAKE + toNano('30'))];
    const { address } = await register(3, STAKE + toNano('25'));
    expect(await world.root.getListing(small.address)).toBeNull();
    expect(await world.root.getListing(large.address)).not.toBeNull();
    expect(await world.root.getListing(address)).not.toBeNull();
    expect(RootContract.parseState(await world.data(root)).proxies.size).toBe(2);
  });

  test('lets an evicted proxy come back with more stake, and keeps the date of who stays', async () => {
    await register(1, STAKE + toNano('10'));
    await register(2, STAKE + toNano('20'));
    expect(await world.root.getListing(world.proxy.address)).toBeNull();
    world.wait(60);
    const raise = ProxyContract.registerBody({ stake: STAKE + toNano('10') + 1n, forward: FEE + toNano('0.1') });
    await world.send({ from: world.party('proxyOwner'), to: world.proxy.address, body: raise, value: toNano('20') });
    expect(await world.root.getListing(world.proxy.address)).toEqual({
      stake: STAKE + toNano('10') + 1n,
      since: BigInt(START + 60),
    });
    world.wait(60);
    await world.send({ from: world.party('proxyOwner'), to: world.proxy.address, body: raise, value: toNano('20') });
    expect((await world.root.getListing(world.proxy.address))?.since).toBe(BigInt(START + 60));
    expect(RootContract.parseState(await world.data(root)).proxies.size).toBe(2);
  });

  test('has room again when a proxy leaves', async () => {
    await register(1, STAKE + toNano('10'));
    await world.send({ from: world.party('proxyOwner'), to: world.proxy.address, body: ProxyContract.leaveBody() });
    const { address } = await register(2, STAKE);
    expect(await world.root.getListing(address)).not.toBeNull();
  });

  test('lets nobody take another proxy off (INV-R6)', async () => {
    const body = beginCell()
      .storeUint(OPCODE.root.proxyRootLeave, 32)
      .storeUint(0, 64)
      .storeAddress(world.party('stranger').address)
      .endCell();
    for (const name of ['stranger', 'rootOwner', 'guardian', 'proxyOwner']) await refused(body, 'notPresent', name);
  });

  test('refuses a malformed departure (INV-R8)', async () => {
    const body = beginCell().storeUint(OPCODE.root.proxyRootLeave, 32).storeUint(0, 64).storeAddress(world.proxyTerms.owner).endCell();
    for (const misshapen of [withTrailingBit, withTrailingReference, withoutLastBit]) {
      const [trace] = await world.receive(world.proxy.address, root, misshapen(body), toNano('1'));
      expect(trace).toBe('Proxy > Root: proxyRootLeave refused (malformed)');
    }
    expect(await world.root.getListing(world.proxy.address)).not.toBeNull();
  });

  test('stays as it is when a departure names nobody to return the coins to, and they bounce (INV-R3, INV-R8)', async () => {
    const body = beginCell().storeUint(OPCODE.root.proxyRootLeave, 32).storeUint(0, 64).storeAddress(null).endCell();
    const before = await world.data(root);
    const trace = await world.receive(world.proxy.address, root, body, toNano('1'));
    expect(trace.slice(0, 2)).toEqual([
      expect.stringMatching(/^Proxy > Root: proxyRootLeave failed in the action phase/),
      'Root > Proxy: bounce',
    ]);
    expect(await world.data(root)).toEqualCell(before);
  });

  test('refuses to leave from another workchain under the hash of a listed proxy (INV-R6)', async () => {
    const twin = new Address(-1, world.proxy.address.hash);
    world.name(twin, 'Twin');
    const body = beginCell().storeUint(OPCODE.root.proxyRootLeave, 32).storeUint(0, 64).storeAddress(twin).endCell();
    expect(await world.receive(twin, root, body, toNano('1'))).toContain('Twin > Root: proxyRootLeave refused (badAddress)');
    expect(await world.root.getListing(world.proxy.address)).not.toBeNull();
  });
});
