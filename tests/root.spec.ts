import { Address, beginCell, type Cell, toNano } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import '@ton/test-utils';
import type { ExitCodeName } from '../wrappers/errors';
import { OPCODE } from '../wrappers/opcodes';
import { ProxyContract } from '../wrappers/ProxyContract';
import { IMAGE_ROLE, MODEL_KIND, RootContract } from '../wrappers/RootContract';
import { expectRefused, withoutLastBit, withTrailingBit, withTrailingReference } from './refusal';
import { BOUNCE_FORMATS, FIVE_YEARS, known, rentOf, START, TIMELOCK, World } from './world';

const IMAGE = 0xabcn << 240n;
const MODEL = 0xdefn;
const NOTE = 77n;
const HIGHEST = 2n ** 256n - 1n;

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

    test('refuses to remove what was never there, or is there no longer', async () => {
      await refused(remove(), 'notPresent');
      await refused(remove(0n), 'notPresent', 'guardian');
      await refused(remove(HIGHEST), 'notPresent', 'guardian');
    });

    test('keeps its entries and their dates for years', async () => {
      await send(add());
      world.wait(FIVE_YEARS);
      expect(await get()).toEqual(entry);
      await refused(add(), 'alreadyPresent');
      await send(remove(), 'guardian');
      await send(add());
      expect((await get())?.activeFrom).toBe(entry.activeFrom + BigInt(FIVE_YEARS));
    });

    test('is not the other list: what is on this one is not on that (INV-G1)', async () => {
      const other = list(kind === 'image' ? 'model' : 'image');
      await send(add());
      expect(await other.get()).toBeNull();
      await refused(other.remove(), 'notPresent');
      await send(other.add());
      await send(remove());
      expect(await other.get()).toEqual(other.entry);
    });

    test('refuses malformed messages (INV-R8)', async () => {
      await send(add(1n));
      for (const misshapen of [withTrailingBit, withTrailingReference, withoutLastBit]) {
        await refused(misshapen(add()), 'malformed');
        await refused(misshapen(remove(1n)), 'malformed');
        await refused(misshapen(remove(1n)), 'malformed', 'guardian');
      }
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

  test.each([IMAGE_ROLE.worker, IMAGE_ROLE.proxy, IMAGE_ROLE.worker | IMAGE_ROLE.proxy])(
    'takes an image with the roles %i',
    async (roles) => {
      await send(RootContract.addImageBody({ hash: IMAGE, roles, note: HIGHEST }));
      expect(await world.root.getImage(IMAGE)).toMatchObject({ roles, note: HIGHEST });
    },
  );

  test.each(Object.values(MODEL_KIND))('takes a model of the kind %i', async (kind) => {
    await send(RootContract.addModelBody({ hash: MODEL, kind, note: 0n }));
    expect(await world.root.getModel(MODEL)).toMatchObject({ kind, note: 0n });
  });

  test.each([4, 5, 7, 128, 255])('refuses an image with the roles %i', async (roles) => {
    await refused(RootContract.addImageBody({ hash: IMAGE, roles, note: NOTE }), 'badKind');
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
      await refused(withTrailingReference(RootContract.collectFeesBody()), 'malformed');
      await refused(beginCell().storeUint(OPCODE.root.ownerRootCollectFees, 32).storeUint(0, 63).endCell(), 'malformed');
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
    ['an unknown tag from the guardian', beginCell().storeUint(0xc0c001ff, 32).storeUint(0, 64).endCell(), 'guardian', 'notAllowed'],
    ['an unknown tag from a stranger', beginCell().storeUint(0xc0c001ff, 32).storeUint(0, 64).endCell(), 'stranger', 'notAllowed'],
    ['a tag of a ProxyContract', ProxyContract.leaveBody(), 'rootOwner', 'unknownMessage'],
    ['a tag alone', beginCell().storeUint(OPCODE.root.guardianRootRemoveImage, 32).endCell(), 'guardian', 'malformed'],
    ['a tag and half a query id', beginCell().storeUint(OPCODE.root.anyRootApply, 32).storeUint(0, 32).endCell(), 'stranger', 'malformed'],
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

  test.each(BOUNCE_FORMATS)('a bounce (%s of the body) is kept for rent, whatever it says (INV-R8)', async (format) => {
    await send(RootContract.addImageBody({ hash: IMAGE, roles: 1, note: NOTE }));
    const bodies = [
      RootContract.removeImageBody({ hash: IMAGE }),
      RootContract.addModelBody({ hash: MODEL, kind: 0, note: NOTE }),
      RootContract.collectFeesBody(),
      beginCell().endCell(),
    ];
    for (const body of bodies) {
      const before = { data: await world.data(root), balance: await world.balance(root) };
      expect(await world.bounceInto(root, body, toNano('1'), format)).toEqual(['Root > Root: bounce']);
      expect(await world.data(root)).toEqualCell(before.data);
      expect(await world.balance(root)).toBeGreaterThan(before.balance + toNano('0.99'));
    }
  });

  test('an account that has its hash in the masterchain is not the owner (INV-R6)', async () => {
    const twin = { hash: IMAGE, roles: 1, note: NOTE };
    for (const name of ['rootOwner', 'guardian']) {
      const address = new Address(-1, world.party(name).address.hash);
      world.name(address, 'Twin');
      const trace = await world.receive(address, root, RootContract.addImageBody(twin), toNano('1'));
      expect(trace).toEqual(['Twin > Root: ownerRootAddImage refused (notAllowed)', 'Root > Twin: bounce']);
    }
  });
});
