import type { Address, Cell } from '@ton/core';
import type { BlockchainSnapshot } from '@ton/sandbox';
import '@ton/test-utils';
import { codeOf } from '../wrappers/contract-code';
import type { ExitCodeName } from '../wrappers/errors';
import { type Change, type ChangeKind, type GovernanceState, RootContract } from '../wrappers/RootContract';
import { ALL_KINDS, changeOf, governedAfter, NEW_OWNER, otherChangeOf, plain, plainChange } from './changes';
import { expectRefused } from './refusal';
import { known, TIMELOCK, World } from './world';

const { scheduleBody, cancelBody, applyBody } = RootContract;

describe('the governance of a RootContract', () => {
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
  const schedule = (change: Change, name = 'rootOwner') => send(scheduleBody({ change }), name);
  const state = async () => RootContract.parseState(await world.data(root));
  const governance = async (): Promise<GovernanceState> => (await state()).governance;

  describe.each(ALL_KINDS)('a change of the %s', (kind) => {
    const delay = kind === 'guardian' ? 2 * TIMELOCK : TIMELOCK;
    const applier = kind === 'owner' ? NEW_OWNER : 'stranger';
    const change = () => changeOf(kind, world);
    const body = { apply: applyBody({ kind }), cancel: cancelBody({ kind }) };

    test('is scheduled by the owner, visible at once with its dates, and changes nothing yet (INV-G5)', async () => {
      const before = await state();
      const sent = await schedule(change());
      expect(sent.trace).toEqual(['rootOwner > Root: ownerRootSchedule', 'Root > rootOwner: payment']);
      expect(sent.moved).toEqual({ rootOwner: -sent.fees });
      const readyAt = BigInt(world.now + delay);
      const scheduled = { change: change(), readyAt, lapsesAt: readyAt + BigInt(TIMELOCK) };
      const after = await state();
      expect(plain(after.governance)).toEqual({ ...plain(before.governance), changes: [plainChange(kind, scheduled)] });
      expect({ ...after, governance: 0, logSize: 0n, logHead: 0n }).toEqual({ ...before, governance: 0, logSize: 0n, logHead: 0n });
      expect(plain(await world.root.getGovernance())).toEqual(plain(after.governance));
    });

    test.each(['guardian', 'stranger', 'proxyOwner'])('is not scheduled by the %s (INV-G5)', async (name) => {
      await refused(scheduleBody({ change: change() }), 'notAllowed', name);
    });

    test('cannot be applied a second too early (INV-G5)', async () => {
      await schedule(change());
      world.wait(delay - 1);
      await refused(body.apply, 'tooEarly', applier);
    });

    test('is applied from its first second, changes just what it says, and only once (INV-G5)', async () => {
      const before = await governance();
      await schedule(change());
      world.wait(delay);
      const sent = await send(body.apply, applier);
      expect(sent.trace).toEqual([`${applier} > Root: anyRootApply`, `Root > ${applier}: payment`]);
      expect(plain(await governance())).toEqual(plain(governedAfter(change(), before)));
      const account = (await world.chain.getContract(root)).accountState;
      const code = account?.type === 'active' ? account.state.code : undefined;
      expect(known(code ?? undefined)).toEqualCell(codeOf(kind === 'code' ? 'WorkerContract' : 'RootContract'));
      if (kind !== 'code') await refused(body.apply, 'notAnnounced', applier);
    });

    test('is applied in the last second of its window, and lapses after it (INV-G5)', async () => {
      await schedule(change());
      world.wait(delay + TIMELOCK);
      const last = world.snapshot();
      expect((await send(body.apply, applier)).trace).toEqual([`${applier} > Root: anyRootApply`, `Root > ${applier}: payment`]);
      await world.restore(last);
      world.wait(1);
      await refused(body.apply, 'lapsed', applier);
      await schedule(change());
      await refused(body.apply, 'tooEarly', applier);
    });

    test('is cancelled by the owner at any time, and cannot be applied then (INV-G6)', async () => {
      const before = await governance();
      for (const moment of [0, delay, delay + TIMELOCK + 1]) {
        await schedule(change());
        world.wait(moment);
        expect((await send(body.cancel)).trace).toEqual(['rootOwner > Root: guardianRootCancel', 'Root > rootOwner: payment']);
        expect(plain(await governance())).toEqual(plain(before));
        await refused(body.apply, 'notAnnounced', applier);
        await refused(body.cancel, 'notAnnounced');
      }
    });

    test.each(['stranger', NEW_OWNER, 'operator'])('is not cancelled by the %s (INV-G6)', async (name) => {
      await schedule(change());
      await refused(body.cancel, 'notAllowed', name);
    });

    test('starts its delay anew when it is scheduled again, with what was said last (INV-G5)', async () => {
      const before = await governance();
      await schedule(change());
      world.wait(delay - 1);
      const other = otherChangeOf(kind, world);
      await schedule(other);
      expect((await governance()).changes.size).toBe(1);
      const otherApplier = kind === 'owner' ? 'stranger' : applier;
      world.wait(1);
      await refused(body.apply, 'tooEarly', otherApplier);
      world.wait(delay - 1);
      await send(body.apply, otherApplier);
      expect(plain(await governance())).toEqual(plain(governedAfter(other, before)));
    });

    test('leaves a scheduled change of every other kind alone (INV-G5)', async () => {
      const others = ALL_KINDS.filter((other) => other !== kind);
      for (const other of others) await schedule(changeOf(other, world));
      const before = await governance();
      await schedule(change());
      await send(body.cancel);
      expect(plain(await governance())).toEqual(plain(before));
    });

    test('is not there to be applied or cancelled before it is scheduled', async () => {
      await refused(body.apply, 'notAnnounced', applier);
      await refused(body.cancel, 'notAnnounced');
    });
  });

  describe('the guardian', () => {
    test.each(ALL_KINDS.filter((kind) => kind !== 'guardian'))(
      'cancels a change of the %s, up to the last second (INV-G6)',
      async (kind) => {
        const before = await governance();
        await schedule(changeOf(kind, world));
        world.wait(2 * TIMELOCK);
        expect((await send(cancelBody({ kind }), 'guardian')).trace).toEqual([
          'guardian > Root: guardianRootCancel',
          'Root > guardian: payment',
        ]);
        expect(plain(await governance())).toEqual(plain(before));
      },
    );

    test('cannot cancel a change of the guardian, present or not: the owner gets rid of a thief of that key (INV-G6)', async () => {
      await refused(cancelBody({ kind: 'guardian' }), 'notAllowed', 'guardian');
      await schedule(changeOf('guardian', world));
      await refused(cancelBody({ kind: 'guardian' }), 'notAllowed', 'guardian');
      world.wait(2 * TIMELOCK);
      await refused(cancelBody({ kind: 'guardian' }), 'notAllowed', 'guardian');
      await send(applyBody({ kind: 'guardian' }), 'stranger');
      await schedule(changeOf('params', world));
      await refused(cancelBody({ kind: 'params' }), 'notAllowed', 'guardian');
      await send(cancelBody({ kind: 'params' }), 'workerOwner');
    });

    test('that guards alone against a stolen owner key lets nothing through (INV-G6)', async () => {
      const before = await governance();
      const thief = 'rootOwner';
      const kinds: readonly ChangeKind[] = ['owner', 'code', 'timelock', 'params'];
      for (let round = 0; round < 3; round++) {
        for (const kind of kinds) await schedule(otherChangeOf(kind, world), thief);
        world.wait(TIMELOCK - 1);
        for (const kind of kinds) await send(cancelBody({ kind }), 'guardian');
        world.wait(1);
        for (const kind of kinds) await refused(applyBody({ kind }), 'notAnnounced', 'stranger');
      }
      expect(plain(await governance())).toEqual(plain(before));
    });

    test('can be replaced by a thief of the owner key only after twice the timelock, and the owner stops it until then (INV-G6)', async () => {
      const before = await governance();
      await schedule({ kind: 'guardian', guardian: world.party('stranger').address });
      world.wait(2 * TIMELOCK - 1);
      await refused(applyBody({ kind: 'guardian' }), 'tooEarly', 'stranger');
      await send(cancelBody({ kind: 'guardian' }));
      world.wait(1);
      await refused(applyBody({ kind: 'guardian' }), 'notAnnounced', 'stranger');
      expect(plain(await governance())).toEqual(plain(before));
    });
  });

  describe('a new owner', () => {
    test.each(['rootOwner', 'guardian', 'stranger'])('has to take over itself: the %s cannot do it (INV-G5)', async (name) => {
      await schedule(changeOf('owner', world));
      world.wait(TIMELOCK);
      await refused(applyBody({ kind: 'owner' }), 'notAllowed', name);
    });

    test('that never answers changes nothing, and the owner stays (INV-G5)', async () => {
      await schedule(changeOf('owner', world));
      world.wait(2 * TIMELOCK + 1);
      await refused(applyBody({ kind: 'owner' }), 'lapsed', NEW_OWNER);
      expect((await schedule(changeOf('params', world))).trace[0]).toBe('rootOwner > Root: ownerRootSchedule');
    });

    test('has all the rights of the owner, and the old one none (INV-G5)', async () => {
      await schedule(changeOf('owner', world));
      world.wait(TIMELOCK);
      await send(applyBody({ kind: 'owner' }), NEW_OWNER);
      const image = { hash: 1n, roles: 1, note: 2n };
      const bodies = [
        RootContract.addImageBody(image),
        scheduleBody({ change: changeOf('params', world) }),
        cancelBody({ kind: 'params' }),
        RootContract.removeImageBody({ hash: 1n }),
        RootContract.collectFeesBody(),
      ];
      for (const body of bodies) {
        await refused(body, 'notAllowed');
        expect((await send(body, NEW_OWNER)).trace).toEqual([expect.not.stringMatching(/refused/), `Root > ${NEW_OWNER}: payment`]);
      }
    });

    test('keeps what was scheduled before it came', async () => {
      await schedule(changeOf('owner', world));
      await schedule(changeOf('timelock', world));
      world.wait(TIMELOCK);
      await send(applyBody({ kind: 'owner' }), NEW_OWNER);
      await send(applyBody({ kind: 'timelock' }), 'stranger');
      expect((await governance()).timelock).toBe(1_000);
    });
  });
});
