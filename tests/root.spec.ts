import { Address, beginCell, type Cell, contractAddress, toNano } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import '@ton/test-utils';
import { codeOf } from '../wrappers/contract-code';
import type { ExitCodeName } from '../wrappers/errors';
import { OPCODE } from '../wrappers/opcodes';
import { ProxyContract, type ProxyTerms } from '../wrappers/ProxyContract';
import { IMAGE_ROLE, MODEL_KIND, RootContract } from '../wrappers/RootContract';
import { expectRefused, withoutLastBit, withTrailingBit } from './refusal';
import { DELAY, FEE, known, rentOf, STAKE, START, TIMELOCK, World } from './world';

const IMAGE = 0xabcn << 240n;
const MODEL = 0xdefn;
const NOTE = 77n;

describe('RootContract', () => {
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

  const send = (body: Cell, name = 'rootOwner') => world.send({ from: world.party(name), to: root, body });
  const refused = (body: Cell, code: ExitCodeName, name = 'rootOwner') =>
    expectRefused(world, { from: world.party(name), to: root, body }, code);

  const list = (kind: 'image' | 'model') =>
    kind === 'image'
      ? {
          add: (hash = IMAGE) => RootContract.addImageBody({ hash, roles: IMAGE_ROLE.worker, note: NOTE }),
          remove: (hash = IMAGE) => RootContract.removeImageBody({ hash }),
          get: (hash = IMAGE) => world.root.getImage(hash),
          page: (after?: bigint, limit?: number) => world.root.getImages(after, limit),
          entry: { roles: IMAGE_ROLE.worker, activeFrom: BigInt(START + TIMELOCK), note: NOTE },
          ops: { add: 'ownerRootAddImage', remove: 'guardianRootRemoveImage' },
        }
      : {
          add: (hash = IMAGE) => RootContract.addModelBody({ hash, kind: MODEL_KIND.verity, note: NOTE }),
          remove: (hash = IMAGE) => RootContract.removeModelBody({ hash }),
          get: (hash = IMAGE) => world.root.getModel(hash),
          page: (after?: bigint, limit?: number) => world.root.getModels(after, limit),
          entry: { kind: MODEL_KIND.verity, activeFrom: BigInt(START + TIMELOCK), note: NOTE },
          ops: { add: 'ownerRootAddModel', remove: 'guardianRootRemoveModel' },
        };

  describe.each<'image' | 'model'>(['image', 'model'])('the list of %ss', (kind) => {
    const { add, remove, get, page, entry, ops } = list(kind);

    test('takes an addition from the owner that counts from now + timelock, at the price of gas alone (INV-G1)', async () => {
      const sent = await send(add());
      expect(sent.trace).toEqual([`rootOwner > Root: ${ops.add}`, 'Root > rootOwner: payment']);
      expect(sent.moved).toEqual({ rootOwner: -sent.fees });
      expect(await get()).toEqual(entry);
      expect(await get(IMAGE + 1n)).toBeNull();
      const state = RootContract.parseState(await world.data(root));
      expect([...(kind === 'image' ? state.images : state.models)]).toEqual([[IMAGE, entry]]);
    });

    test.each(['guardian', 'stranger', 'proxyOwner'])('refuses an addition by the %s', async (name) => {
      await refused(add(), 'notAllowed', name);
    });

    test('refuses what is there already, so that no addition can change a date (INV-G1)', async () => {
      await send(add());
      world.wait(TIMELOCK);
      await refused(add(), 'alreadyPresent');
    });

    test.each(['rootOwner', 'guardian'])('lets the %s remove at once (INV-G2)', async (name) => {
      await send(add());
      const sent = await send(remove(), name);
      expect(sent.trace).toEqual([`${name} > Root: ${ops.remove}`, `Root > ${name}: payment`]);
      expect(await get()).toBeNull();
      await refused(remove(), 'notPresent', name);
      await send(add());
      expect(await get()).toEqual(entry);
    });

    test('refuses a removal by a stranger', async () => {
      await send(add());
      await refused(remove(), 'notAllowed', 'stranger');
    });

    test('is bounded, and has room again after a removal (INV-G3)', async () => {
      for (const hash of [1n, 2n, 3n, 4n]) await send(add(hash));
      await refused(add(5n), 'full');
      await send(remove(2n));
      await send(add(5n));
      expect([...(await page()).entries.keys()]).toEqual([1n, 3n, 4n, 5n]);
    });

    test('is read in pages, in rising order of hash', async () => {
      const hashes = [0n, 1n << 255n, 5n, (1n << 256n) - 1n];
      for (const hash of hashes) await send(add(hash));
      const first = await page(undefined, 3);
      expect([...first.entries.keys()]).toEqual([0n, 5n, 1n << 255n]);
      expect(first.entries.get(5n)).toEqual(entry);
      const second = await page(known(first.next ?? undefined), 3);
      expect([...second.entries.keys()]).toEqual([(1n << 256n) - 1n]);
      expect(second.next).toBeNull();
      expect((await page((1n << 256n) - 1n)).entries.size).toBe(0);
    });

    test('refuses malformed messages (INV-R8)', async () => {
      await refused(withTrailingBit(add()), 'malformed');
      await refused(withoutLastBit(add()), 'malformed');
      await refused(withTrailingBit(remove()), 'malformed');
      await refused(withoutLastBit(remove()), 'malformed');
    });
  });

  test.each<[string, () => Cell]>([
    ['an image without roles', () => RootContract.addImageBody({ hash: IMAGE, roles: 0, note: NOTE })],
    ['an image with an unknown role', () => RootContract.addImageBody({ hash: IMAGE, roles: 4, note: NOTE })],
    [
      'a model of an unknown kind',
      () =>
        beginCell()
          .storeUint(OPCODE.root.ownerRootAddModel, 32)
          .storeUint(0, 64)
          .storeUint(MODEL, 256)
          .storeUint(3, 8)
          .storeUint(NOTE, 256)
          .endCell(),
    ],
  ])('refuses %s', async (_what, body) => {
    await refused(body(), 'badKind');
  });

  describe('the registry', () => {
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
      expect(await world.root.getListing(address)).toBeNull();
    });

    test('refuses a proxy whose owner lives in another workchain, where nothing could be returned at these prices (INV-R8)', async () => {
      const elsewhere = await world.chain.treasury('elsewhere', { workchain: -1 });
      world.name(elsewhere.address, 'elsewhere');
      const terms = beginCell().storeAddress(elsewhere.address).storeAddress(root).storeUint(DELAY, 32).storeUint(0, 32).endCell();
      const data = beginCell()
        .storeUint(0, 256)
        .storeBit(false)
        .storeUint(0, 256)
        .storeUint(0, 2)
        .storeBit(false)
        .storeRef(terms)
        .endCell();
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

    test('does not take the word of anybody who is not a ProxyContract (INV-R6)', async () => {
      await refused(registerBody(world.party('stranger').address), 'notAllowed', 'stranger');
      await refused(registerBody(world.party('proxyOwner').address), 'notAllowed', 'proxyOwner');
    });

    test('refuses a malformed registration (INV-R8)', async () => {
      await refused(withTrailingBit(registerBody(world.party('stranger').address)), 'malformed', 'stranger');
      await refused(withoutLastBit(registerBody(world.party('stranger').address)), 'malformed', 'stranger');
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
      await refused(body, 'notPresent', 'stranger');
      await refused(body, 'notPresent', 'rootOwner');
    });

    test('refuses to leave from another workchain under the hash of a listed proxy (INV-R6)', async () => {
      const twin = new Address(-1, world.proxy.address.hash);
      world.name(twin, 'Twin');
      const body = beginCell().storeUint(OPCODE.root.proxyRootLeave, 32).storeUint(0, 64).storeAddress(twin).endCell();
      expect(await world.receive(twin, root, body, toNano('1'))).toContain('Twin > Root: proxyRootLeave refused (badAddress)');
      expect(await world.root.getListing(world.proxy.address)).not.toBeNull();
    });
  });

  describe('fees', () => {
    test('are collected by the owner, above the reserve', async () => {
      const before = await world.balance(root);
      const sent = await send(RootContract.collectFeesBody());
      expect(sent.trace).toEqual(['rootOwner > Root: ownerRootCollectFees', 'Root > rootOwner: payment']);
      expect(await world.balance(root)).toBe(RootContract.RESERVE);
      expect(sent.moved.Root).toBe(RootContract.RESERVE - before - rentOf(sent, root));
      await refused(RootContract.collectFeesBody(), 'nothingToPay');
    });

    test.each(['guardian', 'stranger'])('are not for the %s', async (name) => {
      await refused(RootContract.collectFeesBody(), 'notAllowed', name);
    });

    test('are not paid for a malformed message (INV-R8)', async () => {
      await refused(withTrailingBit(RootContract.collectFeesBody()), 'malformed');
    });
  });

  test('says who governs', async () => {
    const governance = await world.root.getGovernance();
    expect(governance).toMatchObject({ networkId: -3, timelock: TIMELOCK, params: world.governance.params });
    expect(governance.owner).toEqualAddress(world.party('rootOwner').address);
    expect(governance.guardian).toEqualAddress(world.party('guardian').address);
  });

  test('lives at another address on another network (INV-R6)', () => {
    const other = RootContract.create({ ...world.governance, networkId: -239 });
    expect(other.address).not.toEqualAddress(root);
    expect(ProxyContract.create({ ...world.proxyTerms, root: other.address }).address).not.toEqualAddress(world.proxy.address);
  });

  test.each<[string, Cell, string, ExitCodeName]>([
    ['an unknown tag from the owner', beginCell().storeUint(0xc0c001ff, 32).storeUint(0, 64).endCell(), 'rootOwner', 'unknownMessage'],
    ['an unknown tag from a stranger', beginCell().storeUint(0xc0c001ff, 32).storeUint(0, 64).endCell(), 'stranger', 'notAllowed'],
    ['31 bits', beginCell().storeUint(0, 31).endCell(), 'stranger', 'malformed'],
  ])('%s is refused, and the coins come back (INV-R8)', async (_what, body, name, code) => {
    await refused(body, code, name);
  });

  test.each<[string, Cell]>([
    ['plain', beginCell().endCell()],
    ['with a comment', beginCell().storeUint(0, 32).storeStringTail('rent').endCell()],
  ])('a payment in, %s, is kept for rent', async (_what, body) => {
    const sent = await world.send({ from: world.party('stranger'), to: root, body });
    expect(sent.trace).toEqual(['stranger > Root: payment']);
    expect(known(sent.moved.Root)).toBeGreaterThan(toNano('0.999'));
  });
});
