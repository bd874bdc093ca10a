import { beginCell, toNano } from '@ton/core';
import { createShardAccount } from '@ton/sandbox';
import { run as apply } from '../scripts/apply';
import { run as cancel } from '../scripts/cancel';
import { run as deployRoot } from '../scripts/deployRoot';
import { run as schedule } from '../scripts/schedule';
import { codeOf } from '../wrappers/contract-code';
import { RootContract } from '../wrappers/RootContract';
import { expectDone, expectUnsent, runScript, type Script } from './console';
import { START, TIMELOCK, World } from './world';

describe('scripts for governance', () => {
  let world: World;
  let fresh: Awaited<ReturnType<World['snapshot']>>;
  let root: string;
  let stranger: string;

  beforeAll(async () => {
    world = await World.inUse();
    fresh = world.snapshot();
    root = world.root.address.toString();
    stranger = world.party('stranger').address.toString();
  });

  beforeEach(async () => {
    await world.restore(fresh);
    world.chain.now = START;
  });

  const as = (name: string, script: Script, args: readonly string[], answers?: readonly (string | boolean)[]) =>
    runScript(world.chain, world.party(name), script, args, answers);

  it('schedule announces a timelock; apply, by anybody, puts it in force once it is due', async () => {
    const said = await as('rootOwner', schedule, [root, 'timelock', '1h']);
    expectDone(said, 'schedule: the timelock becomes 1 hour', 'it can be applied 10 minutes later, for 10 minutes');
    expectUnsent(
      await as('stranger', apply, [root, 'timelock']),
      'too early: the change can be applied from 2026-09-21 14:23:20 UTC, in 10 minutes',
    );
    world.wait(TIMELOCK);
    expectDone(await as('stranger', apply, [root, 'timelock']), 'In force: the timelock becomes 1 hour.');
    expect((await world.root.getGovernance()).timelock).toBe(3_600);
  });

  it('apply refuses what is not scheduled and what has lapsed', async () => {
    expectUnsent(await as('stranger', apply, [root, 'code']), 'no change of code is scheduled');
    await as('rootOwner', schedule, [root, 'timelock', '30m']);
    world.wait(2 * TIMELOCK + 1);
    expectUnsent(await as('stranger', apply, [root, 'timelock']), 'the change lapsed at 2026-09-21 14:33:20 UTC: schedule it again');
  });

  it('schedule asks for parameters one by one, with those in force as defaults', async () => {
    const said = await as('rootOwner', schedule, [root, 'params'], ['', '2.5', '', '1025', '8', '', '', true]);
    expectDone(
      said,
      "'1025' is not a whole number from 0 to 1024",
      'stake at least 100 TON, fee 2.5 TON, delay at least 1 hour, at most 8 images, 4 models, 2 proxies',
    );
    expect(said.asked[0]).toBe('smallest stake of a proxy, in TON (default: 100)');
    world.wait(TIMELOCK);
    await as('stranger', apply, [root, 'params']);
    expect((await world.root.getGovernance()).params).toEqual({ ...world.governance.params, registrationFee: toNano('2.5'), maxImages: 8 });
  });

  it('schedule replaces what is scheduled of the same kind, and says so', async () => {
    await as('rootOwner', schedule, [root, 'timelock', '1h']);
    world.wait(5);
    expectDone(await as('rootOwner', schedule, [root, 'timelock', '2h']), 'replaces what is scheduled: the timelock becomes 1 hour');
    expectDone(await as('rootOwner', schedule, [root, 'timelock', '2h']), 'replaces what is scheduled: the timelock becomes 2 hours');
  });

  it('schedule refuses what changes nothing, what is out of bounds, and who is not the owner', async () => {
    expectUnsent(await as('rootOwner', schedule, [root, 'timelock', '10m']), 'that is the timelock already');
    expectUnsent(await as('rootOwner', schedule, [root, 'timelock', '367d']), 'timelock of 367 days, limit 366 days');
    expectUnsent(await as('rootOwner', schedule, [root, 'timelock', '0']), 'duration of 0 seconds');
    expectUnsent(await as('rootOwner', schedule, [root, 'owner', world.governance.owner.toString()]), 'that is the owner already');
    expectUnsent(await as('rootOwner', schedule, [root, 'owner', root]), 'the root cannot be its own owner');
    expectUnsent(
      await as('rootOwner', schedule, [root, 'owner', world.governance.guardian.toString()]),
      'owner and guardian watch each other',
    );
    expectUnsent(
      await as('rootOwner', schedule, [root, 'guardian', world.governance.owner.toString()]),
      'owner and guardian watch each other',
    );
    expectUnsent(await as('rootOwner', schedule, [root, 'owner', `-1:${'1'.repeat(64)}`]), 'address of workchain -1, expected 0');
    expectUnsent(await as('rootOwner', schedule, [root, 'code']), 'that is the code already');
    expectUnsent(await as('rootOwner', schedule, [root, 'name']), "'name' is none of params, owner, guardian, timelock, code");
    expectUnsent(await as('guardian', schedule, [root, 'timelock', '1h']), 'only the owner');
  });

  it('a new owner comes into force only by its own hand', async () => {
    await as('rootOwner', schedule, [root, 'owner', stranger]);
    world.wait(TIMELOCK);
    expectUnsent(await as('rootOwner', apply, [root, 'owner']), `only the new owner ${stranger} may do this`);
    expectDone(await as('stranger', apply, [root, 'owner']), `In force: the owner becomes ${stranger}.`);
    expect((await world.root.getGovernance()).owner).toEqualAddress(world.party('stranger').address);
  });

  it('a change of the guardian waits twice as long, and only the owner cancels it', async () => {
    expectDone(await as('rootOwner', schedule, [root, 'guardian', stranger]), 'it can be applied 20 minutes later, for 10 minutes');
    expectUnsent(await as('guardian', cancel, [root, 'guardian']), 'only the owner');
    expectDone(await as('rootOwner', cancel, [root, 'guardian']), `Cancelled: the guardian becomes ${stranger}.`);
    expect((await world.root.getGovernance()).changes.size).toBe(0);
  });

  it('cancel is the guardian’s, too, for every other kind; a stranger and a second time are refused', async () => {
    await as('rootOwner', schedule, [root, 'owner', stranger]);
    expectUnsent(await as('stranger', cancel, [root, 'owner']), 'may do this, and the wallet is');
    expectDone(await as('guardian', cancel, [root, 'owner']), `Cancelled: the owner becomes ${stranger}.`);
    expectUnsent(await as('guardian', cancel, [root, 'owner']), 'no change of owner is scheduled');
  });

  it('schedule offers the code of this checkout to a root of another code', async () => {
    const address = world.root.address;
    const data = await world.data(address);
    // The same code with one bit more: another hash, and the same behaviour.
    const code = beginCell().storeSlice(codeOf('RootContract').beginParse()).storeBit(false).endCell();
    await world.chain.setShardAccount(address, createShardAccount({ address, code, data, balance: toNano('1') }));
    expectDone(await as('rootOwner', schedule, [root, 'code']), `the code becomes ${codeOf('RootContract').hash().toString('hex')}`);
    world.wait(TIMELOCK);
    expectDone(await as('stranger', apply, [root, 'code']), 'In force: the code becomes');
    const { accountState: after } = await world.chain.getContract(address);
    expect(after?.type === 'active' && after.state.code?.equals(codeOf('RootContract'))).toBe(true);
  });

  describe('deployRoot', () => {
    const terms = (networkId = '77') => [world.governance.guardian.toString(), networkId, '1d', '100', '1', '12h', '16', '32', '64'];

    it('deploys a root with usual answers, and shows it', async () => {
      const owner = world.party('stranger').address;
      const answers = [world.governance.guardian.toString(), '77', '', '', '', '', '', '', '', '', '', true];
      const said = await as('stranger', deployRoot, [], answers);
      expectDone(said, 'deploy the root of network 77', '1 TON go along and stay there for rent', 'timelock 2 days', `owner ${owner}`);
      const address = /at (EQ\S+)/.exec(said.lines.join('\n'))?.[1] ?? '';
      const params = {
        minProxyStake: toNano('100'),
        registrationFee: toNano('1'),
        minProxyDelay: 259_200,
        maxImages: 64,
        maxModels: 256,
        maxProxies: 256,
      };
      const governance = { owner, guardian: world.governance.guardian, networkId: 77, timelock: 172_800, params };
      expect(RootContract.create(governance).address.toString()).toBe(address);
      expect(await world.chain.openContract(RootContract.create(governance)).getGovernance()).toMatchObject({
        networkId: 77,
        timelock: 172_800,
        params,
      });
    });

    it('refuses a second time, a guardian who is the owner, no timelock, and too little for rent', async () => {
      const owner = world.party('stranger').address.toString();
      expectDone(await as('stranger', deployRoot, [...terms(), owner, '1']), 'network 77');
      expectUnsent(await as('stranger', deployRoot, [...terms(), owner, '1']), 'the root with these terms is deployed already');
      expectUnsent(await as('guardian', deployRoot, [...terms(), world.governance.guardian.toString(), '1']), 'they must differ');
      expectUnsent(await as('stranger', deployRoot, [...terms('78'), owner, '2', 'more']), "unexpected argument 'more'");
      expectUnsent(await as('stranger', deployRoot, [owner, '77', '0']), 'duration of 0 seconds, expected 1 to');
      expectUnsent(await as('stranger', deployRoot, [...terms(), owner, '0.5']), 'coins for rent of 0.5 TON, expected at least 0.55 TON');
      expectUnsent(await as('stranger', deployRoot, [owner, '2147483648']), 'is not a whole number from -2147483648 to 2147483647');
    });
  });
});
