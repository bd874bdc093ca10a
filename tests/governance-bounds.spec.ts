import { Address, beginCell, type Cell, ExternalAddress, toNano } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import '@ton/test-utils';
import type { ExitCodeName } from '../wrappers/errors';
import { OPCODE } from '../wrappers/opcodes';
import { ProxyContract } from '../wrappers/ProxyContract';
import { CHANGE_KIND, type Change, RootContract, type RootParams } from '../wrappers/RootContract';
import { packChange } from '../wrappers/root-change';
import { WorkerContract } from '../wrappers/WorkerContract';
import { ALL_KINDS, changeOf, NEW_OWNER } from './changes';
import { expectRefused, withoutLastBit, withTrailingBit, withTrailingReference } from './refusal';
import { DELAY, FEE, STAKE, TIMELOCK, World, YEAR } from './world';

const { scheduleBody, cancelBody, applyBody } = RootContract;
const LONGEST_TIMELOCK = 366 * 86_400;
const LONGEST_LIST = 1_024;

/** A schedule of a cell that is no sound change. */
function scheduleOf(change: Cell): Cell {
  return beginCell().storeUint(OPCODE.root.ownerRootSchedule, 32).storeUint(0, 64).storeRef(change).endCell();
}

function kindBody(opcode: number, kind: number): Cell {
  return beginCell().storeUint(opcode, 32).storeUint(0, 64).storeUint(kind, 8).endCell();
}

describe('the bounds of governance', () => {
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
  const state = async () => RootContract.parseState(await world.data(root));

  /** Schedules, waits, applies. */
  const carryOut = async (change: Change) => {
    await send(scheduleBody({ change }));
    world.wait((await state()).governance.timelock);
    const sent = await send(applyBody({ kind: change.kind }), 'stranger');
    expect(sent.trace).toEqual(['stranger > Root: anyRootApply', 'Root > stranger: payment']);
  };
  const params = (change: Partial<RootParams>): Change => ({ kind: 'params', params: { ...world.governance.params, ...change } });

  describe('a timelock', () => {
    test.each([0, LONGEST_TIMELOCK + 1, 2 ** 32 - 1])('of %i seconds is refused (INV-G5)', async (timelock) => {
      await refused(scheduleBody({ change: { kind: 'timelock', timelock } }), 'badParams');
    });

    test.each([1, LONGEST_TIMELOCK])('of %i seconds is taken, and governs from then on (INV-G5)', async (timelock) => {
      await carryOut({ kind: 'timelock', timelock });
      await send(RootContract.addImageBody({ hash: 1n, roles: 1, note: 0n }));
      expect((await world.root.getImage(1n))?.activeFrom).toBe(BigInt(world.now + timelock));
      await send(scheduleBody({ change: params({}) }));
      const readyAt = BigInt(world.now + timelock);
      expect((await state()).governance.changes.get('params')).toMatchObject({ readyAt, lapsesAt: readyAt + BigInt(timelock) });
      world.wait(2 * timelock);
      expect((await send(applyBody({ kind: 'params' }))).trace[0]).toBe('rootOwner > Root: anyRootApply');
    });

    test('that gets shorter does not hurry what is scheduled or added already (INV-G1, INV-G5)', async () => {
      await send(scheduleBody({ change: { kind: 'timelock', timelock: 1 } }));
      world.wait(TIMELOCK - 10);
      const activeFrom = BigInt(world.now + TIMELOCK);
      await send(RootContract.addImageBody({ hash: 1n, roles: 1, note: 0n }));
      await send(scheduleBody({ change: params({ maxImages: 9 }) }));
      await send(scheduleBody({ change: changeOf('guardian', world) }));
      world.wait(10);
      await send(applyBody({ kind: 'timelock' }), 'stranger');
      expect((await world.root.getImage(1n))?.activeFrom).toBe(activeFrom);
      world.wait(TIMELOCK - 11);
      await refused(applyBody({ kind: 'params' }), 'tooEarly', 'stranger');
      world.wait(TIMELOCK);
      await refused(applyBody({ kind: 'guardian' }), 'tooEarly', 'stranger');
      world.wait(1);
      // The window of the params, a timelock long as it was, ends in this second; that of the guardian begins.
      await send(applyBody({ kind: 'params' }), 'stranger');
      await send(applyBody({ kind: 'guardian' }), 'stranger');
      expect((await state()).governance).toMatchObject({ timelock: 1, params: { maxImages: 9 }, changes: new Map() });
    });
  });

  describe('params', () => {
    const longer = { maxImages: LONGEST_LIST + 1, maxModels: LONGEST_LIST + 1, maxProxies: LONGEST_LIST + 1 };

    test.each(['maxImages', 'maxModels', 'maxProxies'] as const)('with %s above 1,024 are refused (INV-G3)', async (name) => {
      await refused(scheduleBody({ change: params({ [name]: longer[name] }) }), 'badParams');
      await refused(scheduleBody({ change: params({ [name]: 65_535 }) }), 'badParams');
    });

    test('at all their upper bounds are taken, keep proxies out, and can be changed back (INV-G5, INV-R8)', async () => {
      const most = { maxImages: LONGEST_LIST, maxModels: LONGEST_LIST, maxProxies: LONGEST_LIST };
      const highest = { minProxyStake: 2n ** 64n - 1n, registrationFee: 2n ** 64n - 1n, minProxyDelay: 2 ** 32 - 1, ...most };
      await carryOut({ kind: 'params', params: highest });
      expect((await state()).governance.params).toEqual(highest);
      const register = ProxyContract.registerBody({ stake: STAKE, forward: FEE + toNano('0.2') });
      const sending = { from: world.party('proxyOwner'), to: world.proxy.address, body: register, value: toNano('2') };
      expect((await world.send(sending)).trace[1]).toBe('Proxy > Root: proxyRootRegister refused (lowStake)');
      await carryOut(params({}));
      expect((await world.send(sending)).trace.at(-1)).toBe('Root > proxyOwner: payment');
    });

    test('of zeros are taken: nothing is listed any more, and what is listed stays (INV-G3)', async () => {
      await send(RootContract.addImageBody({ hash: 1n, roles: 1, note: 0n }));
      const none = { minProxyStake: 0n, registrationFee: 0n, minProxyDelay: 0, maxImages: 0, maxModels: 0, maxProxies: 0 };
      await carryOut({ kind: 'params', params: none });
      await refused(RootContract.addImageBody({ hash: 2n, roles: 1, note: 0n }), 'full');
      await refused(RootContract.addModelBody({ hash: 2n, kind: 0, note: 0n }), 'full');
      expect((await state()).images.size).toBe(1);
      expect(await world.root.getListing(world.proxy.address)).not.toBeNull();
    });

    test('that shorten a list below its length take nothing off it, and leave room only below the new length (INV-G3)', async () => {
      for (const hash of [1n, 2n, 3n, 4n]) await send(RootContract.addModelBody({ hash, kind: 0, note: 0n }));
      await carryOut(params({ maxModels: 2 }));
      expect([...(await state()).models.keys()]).toEqual([1n, 2n, 3n, 4n]);
      for (const hash of [1n, 2n]) {
        await send(RootContract.removeModelBody({ hash }), 'guardian');
        await refused(RootContract.addModelBody({ hash: 9n, kind: 0, note: 0n }), 'full');
      }
      await send(RootContract.removeModelBody({ hash: 3n }), 'guardian');
      await send(RootContract.addModelBody({ hash: 9n, kind: 0, note: 0n }));
      expect([...(await state()).models.keys()]).toEqual([4n, 9n]);
    });

    test('that shorten the registry put no proxy out; only a larger stake comes in, for the smallest (INV-G3, INV-G4)', async () => {
      const register = async (index: number, stake: bigint) => {
        const contract = ProxyContract.create({ ...world.proxyTerms, index });
        world.name(contract.address, `Proxy${index}`);
        const body = ProxyContract.registerBody({ stake, forward: FEE + toNano('0.2') });
        const value = stake + FEE + toNano('0.5');
        await world.send({ from: world.party('proxyOwner'), to: contract.address, body, value, init: contract.init });
        return BigInt(`0x${contract.address.hash.toString('hex')}`);
      };
      const listed = async () => new Set((await state()).proxies.keys());
      const first = BigInt(`0x${world.proxy.address.hash.toString('hex')}`);
      const second = await register(1, STAKE + 2n);
      await carryOut(params({ maxProxies: 1 }));
      expect(await listed()).toEqual(new Set([first, second]));
      await register(2, STAKE);
      expect(await listed()).toEqual(new Set([first, second]));
      const third = await register(3, STAKE + 1n);
      expect(await listed()).toEqual(new Set([third, second]));
      expect(await register(1, STAKE + 2n)).toBe(second);
      expect(await listed()).toEqual(new Set([third, second]));
    });
  });

  describe.each(['owner', 'guardian'] as const)('a new %s', (kind) => {
    const changeTo = (store: (cell: ReturnType<typeof beginCell>) => void) => {
      const cell = beginCell().storeUint(CHANGE_KIND[kind], 8);
      store(cell);
      return scheduleOf(cell.endCell());
    };

    test.each<[string, () => Cell, ExitCodeName]>([
      ['the root itself', () => changeTo((cell) => cell.storeAddress(root)), 'badAddress'],
      ['nobody (addr_none)', () => changeTo((cell) => cell.storeAddress(null)), 'badAddress'],
      ['in the masterchain', () => changeTo((cell) => cell.storeAddress(new Address(-1, Buffer.alloc(32, 7)))), 'badAddress'],
      ['in an unknown workchain', () => changeTo((cell) => cell.storeAddress(new Address(5, Buffer.alloc(32, 7)))), 'badAddress'],
      ['outside of the chain', () => changeTo((cell) => cell.storeAddress(new ExternalAddress(1n, 8))), 'badAddress'],
      ['cut short', () => changeTo((cell) => cell.storeUint(0b100, 3).storeUint(0, 8).storeUint(1, 200)), 'malformed'],
      ['twice', () => changeTo((cell) => cell.storeAddress(new Address(0, Buffer.alloc(32, 7))).storeAddress(null)), 'malformed'],
    ])('%s is refused (INV-R8)', async (_what, body, code) => {
      await refused(body(), code);
    });
  });

  test.each([5, 6, 255])('an unknown kind of change, %i, is refused (INV-R8)', async (kind) => {
    await refused(scheduleOf(beginCell().storeUint(kind, 8).storeUint(1, 32).endCell()), 'badKind');
    await refused(kindBody(OPCODE.root.guardianRootCancel, kind), 'notAnnounced');
    await refused(kindBody(OPCODE.root.anyRootApply, kind), 'notAnnounced');
  });

  describe.each(ALL_KINDS)('a change of the %s', (kind) => {
    const change = () => packChange(changeOf(kind, world));

    test('that does not fit its form is refused (INV-R8)', async () => {
      const misshapen = [
        withTrailingBit(change()),
        withTrailingReference(change()),
        withoutLastBit(change()),
        beginCell().storeUint(CHANGE_KIND[kind], 8).endCell(),
      ];
      for (const cell of misshapen) await refused(scheduleOf(cell), 'malformed');
    });
  });

  test.each<[string, () => Cell]>([
    ['an empty change', () => scheduleOf(beginCell().endCell())],
    ['no change', () => beginCell().storeUint(OPCODE.root.ownerRootSchedule, 32).storeUint(0, 64).endCell()],
    ['a trailing bit', () => withTrailingBit(scheduleBody({ change: params({}) }))],
    ['a trailing reference', () => withTrailingReference(scheduleBody({ change: params({}) }))],
    ['a change that is in no library', () => scheduleOf(library(Buffer.alloc(32, 1)))],
    ['no kind to cancel', () => withoutLastBit(cancelBody({ kind: 'params' }))],
    ['a trailing bit after what is to be cancelled', () => withTrailingBit(cancelBody({ kind: 'params' }))],
    ['a trailing reference after what is to be cancelled', () => withTrailingReference(cancelBody({ kind: 'params' }))],
    ['no kind to apply', () => withoutLastBit(applyBody({ kind: 'params' }))],
    ['a trailing bit after what is to be applied', () => withTrailingBit(applyBody({ kind: 'params' }))],
    ['a trailing reference after what is to be applied', () => withTrailingReference(applyBody({ kind: 'params' }))],
  ])('%s is refused (INV-R8)', async (_what, body) => {
    await send(scheduleBody({ change: params({}) }));
    world.wait(TIMELOCK);
    await refused(body(), 'malformed');
  });

  describe('new code', () => {
    const change = () => changeOf('code', world);

    test('runs from the next message on, over the data as it was (INV-G5)', async () => {
      await send(RootContract.addImageBody({ hash: 1n, roles: 1, note: 0n }));
      await send(scheduleBody({ change: change() }));
      world.wait(TIMELOCK);
      const before = await state();
      const [, payment] = (await send(applyBody({ kind: 'code' }), 'stranger')).trace;
      expect(payment).toBe('Root > stranger: payment');
      const after = await state();
      expect(after.images).toEqual(before.images);
      expect(after.proxies).toEqual(before.proxies);
      expect(after.logSize).toBe(before.logSize + 1n);
      expect(after.governance.changes.size).toBe(0);
      // The new code is a WorkerContract's: it knows no message of a root, and shows its data whole.
      await refused(RootContract.removeImageBody({ hash: 1n }), 'unknownMessage');
      const { stack } = await world.chain.provider(root).get('get_state', []);
      expect(stack.readCell()).toEqualCell(await world.data(root));
    });

    test('waits for an answer no longer than its window: before it the old code runs (INV-G5)', async () => {
      await send(scheduleBody({ change: change() }));
      world.wait(TIMELOCK);
      await send(RootContract.addImageBody({ hash: 1n, roles: 1, note: 0n }));
      world.wait(TIMELOCK + 1);
      await refused(applyBody({ kind: 'code' }), 'lapsed', 'stranger');
      await send(RootContract.removeImageBody({ hash: 1n }), 'guardian');
    });

    test('that breaks the root locks up no coin of a proxy, a client or a worker (INV-R5)', async () => {
      await send(scheduleBody({ change: change() }));
      world.wait(TIMELOCK);
      await send(applyBody({ kind: 'code' }), 'stranger');
      const owner = world.party('proxyOwner');
      const order = (body: Cell) => world.send({ from: owner, to: world.proxy.address, body });
      expect((await order(ProxyContract.leaveBody())).trace).toEqual([
        'proxyOwner > Proxy: ownerProxyLeave',
        'Proxy > Root: proxyRootLeave refused (unknownMessage)',
        'Root > Proxy: bounce',
        'Proxy > proxyOwner: payment',
      ]);
      const everything = 2n ** 64n - 1n;
      await order(ProxyContract.requestWithdrawalBody({ income: everything, stake: everything }));
      const take = WorkerContract.requestWithdrawalBody({ amount: everything });
      await order(ProxyContract.orderBody({ to: world.workerChannel.address, order: take }));
      world.wait(DELAY);
      await world.workerChannel.sendCompleteWithdrawal(world.party('stranger').getSender());
      await order(ProxyContract.completeWithdrawalBody());
      expect(await world.balance(world.workerChannel.address)).toBe(0n);
      expect(await world.balance(world.proxy.address)).toBe(0n);
    });
  });

  test('a change that matured ten years ago is not kept for later (INV-G5)', async () => {
    for (const kind of ALL_KINDS) await send(scheduleBody({ change: changeOf(kind, world) }));
    world.wait(10 * YEAR);
    for (const kind of ALL_KINDS) await refused(applyBody({ kind }), 'lapsed', kind === 'owner' ? NEW_OWNER : 'stranger');
  });
});

/** An exotic cell: library_ref#02 hash:bits256. */
function library(hash: Buffer): Cell {
  return beginCell().storeUint(2, 8).storeBuffer(hash).endCell({ exotic: true });
}
