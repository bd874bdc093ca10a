import { Address, beginCell, type Cell, toNano } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import '@ton/test-utils';
import type { ExitCodeName } from '../wrappers/errors';
import { OPCODE } from '../wrappers/opcodes';
import { MODEL_KIND, RootContract } from '../wrappers/RootContract';
import { changeOf } from './changes';
import { expectRefused } from './refusal';
import { BOUNCE_FORMATS, DELAY, STAKE, TIMELOCK, World } from './world';

const PARTIES = ['rootOwner', 'guardian', 'proxyOwner', 'operator', 'client', 'workerOwner', 'stranger'] as const;

interface Message {
  readonly name: string;
  readonly body: (world: World) => Cell;
  /** Who may send it, of the parties; none, where the ProxyContract may. */
  readonly from: readonly (typeof PARTIES)[number][];
  /** How who has the address of one of them in another workchain is refused, if not as not allowed. */
  readonly twinCode?: ExitCodeName;
  /** How everybody else is refused, if not as not allowed: who is not listed has nothing to leave. */
  readonly code?: ExitCodeName;
}

const BOTH = ['rootOwner', 'guardian'] as const;

const MESSAGES: readonly Message[] = [
  { name: 'add an image', from: ['rootOwner'], body: () => RootContract.addImageBody({ hash: 2n, roles: 1, note: 3n }) },
  { name: 'add a model', from: ['rootOwner'], body: () => RootContract.addModelBody({ hash: 2n, kind: MODEL_KIND.files, note: 3n }) },
  { name: 'remove an image', from: BOTH, body: () => RootContract.removeImageBody({ hash: 1n }) },
  { name: 'remove a model', from: BOTH, body: () => RootContract.removeModelBody({ hash: 1n }) },
  { name: 'collect fees', from: ['rootOwner'], body: () => RootContract.collectFeesBody() },
  { name: 'schedule a change', from: ['rootOwner'], body: (world) => RootContract.scheduleBody({ change: changeOf('timelock', world) }) },
  { name: 'cancel a change', from: BOTH, body: () => RootContract.cancelBody({ kind: 'params' }) },
  { name: 'cancel a change of the guardian', from: ['rootOwner'], body: () => RootContract.cancelBody({ kind: 'guardian' }) },
  { name: 'apply a change of the owner', from: ['stranger'], body: () => RootContract.applyBody({ kind: 'owner' }) },
  {
    name: 'register',
    from: [],
    body: (world) =>
      beginCell()
        .storeUint(OPCODE.root.proxyRootRegister, 32)
        .storeUint(0, 64)
        .storeUint(STAKE, 64)
        .storeAddress(world.proxyTerms.owner)
        .storeUint(DELAY, 32)
        .storeUint(0, 32)
        .endCell(),
  },
  {
    name: 'leave',
    from: [],
    code: 'notPresent',
    twinCode: 'badAddress',
    body: (world) => beginCell().storeUint(OPCODE.root.proxyRootLeave, 32).storeUint(0, 64).storeAddress(world.proxyTerms.owner).endCell(),
  },
];

describe('a message to a RootContract', () => {
  let world: World;
  let inUse: BlockchainSnapshot;
  let root: Address;

  /** An image and a model are listed, and every kind of change is ripe. The stranger is to be the next owner. */
  beforeAll(async () => {
    world = await World.inUse();
    root = world.root.address;
    const act = (body: Cell) => world.send({ from: world.party('rootOwner'), to: root, body });
    await act(RootContract.addImageBody({ hash: 1n, roles: 1, note: 3n }));
    await act(RootContract.addModelBody({ hash: 1n, kind: MODEL_KIND.files, note: 3n }));
    await act(RootContract.scheduleBody({ change: changeOf('guardian', world) }));
    world.wait(TIMELOCK);
    await act(RootContract.scheduleBody({ change: changeOf('params', world) }));
    await act(RootContract.scheduleBody({ change: { kind: 'owner', owner: world.party('stranger').address } }));
    world.wait(TIMELOCK);
    inUse = world.snapshot();
  });

  beforeEach(async () => {
    await world.restore(inUse);
  });

  describe.each(MESSAGES)('to $name', ({ body, from, code = 'notAllowed', twinCode = 'notAllowed' }) => {
    test('is refused from every party that may not (INV-R6)', async () => {
      for (const name of PARTIES.filter((party) => !from.includes(party))) {
        await expectRefused(world, { from: world.party(name), to: root, body: body(world), value: toNano('2') }, code);
      }
    });

    test('is taken from each of those, and refused from the same address in another workchain (INV-R8)', async () => {
      const senders = from.length === 0 ? [world.proxy.address] : from.map((name) => world.party(name).address);
      for (const address of senders) {
        await world.restore(inUse);
        const before = await world.data(root);
        const [twin] = await world.receive(new Address(-1, address.hash), root, body(world), toNano('2'));
        expect(twin).toMatch(new RegExp(` refused \\(${twinCode}\\)$`));
        expect(await world.data(root)).toEqualCell(before);
        const [itself] = await world.receive(address, root, body(world), toNano('2'));
        expect(itself).not.toMatch(/refused|failed/);
      }
    });

    test('is refused from the contracts of proxies, clients and workers that may not, and from the root itself (INV-R6)', async () => {
      const others = [world.clientChannel, world.workerChannel, world.root, ...(from.length === 0 ? [] : [world.proxy])];
      for (const other of others) {
        const [first] = await world.receive(other.address, root, body(world), toNano('2'));
        expect(first).toMatch(new RegExp(` refused \\(${code}\\)$`));
      }
    });

    test.each(BOUNCE_FORMATS)('that comes back in a bounce is kept for rent, whatever it says: %s of the body (INV-R8)', async (format) => {
      const before = { data: await world.data(root), balance: await world.balance(root) };
      expect(await world.bounceInto(root, body(world), toNano('1'), format)).toEqual(['Root > Root: bounce']);
      expect(await world.data(root)).toEqualCell(before.data);
      expect(await world.balance(root)).toBeGreaterThan(before.balance + toNano('0.99'));
    });
  });
});
