import { type Address, beginCell, Cell, contractAddress, Dictionary, toNano } from '@ton/core';
import { run as allowImage } from '../scripts/allowImage';
import { run as apply } from '../scripts/apply';
import { run as handOverRoot } from '../scripts/handOverRoot';
import { run as revokeImage } from '../scripts/revokeImage';
import { run as schedule } from '../scripts/schedule';
import { MULTISIG_V2_CODE_HASH, multisigData, parseMultisig } from '../wrappers/console/multisig-v2';
import { hex } from '../wrappers/console/words';
import { expectDone, expectUnsent, runScript, type Script } from './console';
import published from './fixtures/multisig-v2/code.json';
import { START, TIMELOCK, World } from './world';

const WEEK = 7 * 86_400;

/** The published code, checked against its published hash. */
function publishedCode(name: keyof typeof published): Cell {
  const code = Cell.fromBase64(published[name].boc);
  expect(code.hash().toString('hex')).toBe(published[name].hash);
  return code;
}

describe('scripts for a root owned by a multisig v2', () => {
  let world: World;
  let fresh: Awaited<ReturnType<World['snapshot']>>;
  let root: string;
  let multisig: Address;

  const as = (name: string, script: Script, args: readonly string[], answers?: readonly (string | boolean)[]) =>
    runScript(world.chain, world.party(name), script, args, answers);

  /** Two of three: proxyOwner, client, workerOwner. */
  beforeAll(async () => {
    world = await World.inUse();
    root = world.root.address.toString();
    // Orders run code that the masterchain keeps as a library.
    const order = publishedCode('Order');
    const libraries = Dictionary.empty(Dictionary.Keys.Buffer(32), Dictionary.Values.Cell());
    libraries.set(order.hash(), order);
    world.chain.libs = beginCell().storeDictDirect(libraries).endCell();
    const signers = ['proxyOwner', 'client', 'workerOwner'].map((name) => world.party(name).address);
    const init = { code: publishedCode('Multisig'), data: multisigData(2, signers) };
    multisig = contractAddress(0, init);
    await world.party('proxyOwner').send({ to: multisig, value: toNano('1'), init });
    fresh = world.snapshot();
  });

  beforeEach(async () => {
    await world.restore(fresh);
    world.chain.now = START;
  });

  const handOver = async () => {
    await as('rootOwner', handOverRoot, [root, multisig.toString()]);
    world.wait(TIMELOCK);
    await as('client', handOverRoot, [root, multisig.toString()]);
    return as('workerOwner', handOverRoot, [root, multisig.toString()]);
  };

  it('the code in the fixture is the published one', () => {
    expect(publishedCode('Multisig').hash().toString('hex')).toBe(MULTISIG_V2_CODE_HASH);
  });

  it('handOverRoot goes from the owner’s schedule over two of three signers to a root that the multisig owns', async () => {
    const first = await as('rootOwner', handOverRoot, [root, multisig.toString()]);
    expectDone(first, `Multisig ${multisig}: 2 of 3 signers`, `signer ${world.party('client').address}`);
    expectDone(
      first,
      `step 1 of 2, schedule: the owner becomes ${multisig}`,
      '10 minutes later and within as long again: 2 signers run this script',
    );
    expectDone(first, 'Scheduled. The signers run this script from 2026-09-21 14:23:20 UTC (in 10 minutes)');
    expectUnsent(
      await as('client', handOverRoot, [root, multisig.toString()]),
      'too early: the change can be applied from 2026-09-21 14:23:20 UTC',
    );

    world.wait(TIMELOCK);
    expectUnsent(await as('rootOwner', handOverRoot, [root, multisig.toString()]), `only the new owner ${multisig} may do this`);
    const second = await as('client', handOverRoot, [root, multisig.toString()]);
    expectDone(
      second,
      `step 2 of 2, apply: the owner becomes ${multisig}`,
      `as an order of the multisig ${multisig}, which needs 2 approvals`,
    );
    expectDone(second, 'and approves it', '1 of 2 approvals. The other signers run the same command to approve it.');
    expectUnsent(await as('client', handOverRoot, [root, multisig.toString()]), 'this wallet has approved order');
    expect((await world.root.getGovernance()).owner).toEqualAddress(world.governance.owner);

    const third = await as('workerOwner', handOverRoot, [root, multisig.toString()]);
    expectDone(third, '1 of 2 approvals so far', /Order .* is executed\./, `The root ${root} is owned by the multisig ${multisig}.`);
    expect((await world.root.getGovernance()).owner).toEqualAddress(multisig);

    const done = await as('rootOwner', handOverRoot, [root, multisig.toString()]);
    expect(done).toMatchObject({ refusal: null, hasSent: false });
    expect(done.lines).toEqual([`The root ${root} is owned by the multisig ${multisig}: nothing is left to do.`]);
  });

  it('the multisig then governs: two signers who run the same command add an image, and two remove it', async () => {
    await handOver();
    const args = [root, hex(5n), 'worker', 'a guest'];
    expectUnsent(await as('rootOwner', allowImage, args), `only the owner ${multisig} may do this`);
    expectDone(await as('proxyOwner', allowImage, args), 'as an order of the multisig', '1 of 2 approvals');
    expect(await world.root.getImage(5n)).toBeNull();
    expectDone(await as('client', allowImage, args), 'is executed.', `On the list: ${hex(5n)} for worker guest`);
    expect(await world.root.getImage(5n)).toMatchObject({ roles: 1, activeFrom: BigInt(world.now + TIMELOCK) });
    await as('client', revokeImage, [root, hex(5n)]);
    expectDone(await as('workerOwner', revokeImage, [root, hex(5n)]), 'Off the list');
    expect(await world.root.getImage(5n)).toBeNull();
    // What was executed once is not approved again: the same command makes a new order.
    expectDone(await as('workerOwner', allowImage, args), /makes order/, '1 of 2 approvals');
    expectDone(await as('client', allowImage, args), 'is executed.');
  });

  it('commands that differ make orders of their own', async () => {
    await handOver();
    await as('proxyOwner', allowImage, [root, hex(5n), 'worker', 'a guest']);
    expectDone(await as('client', allowImage, [root, hex(5n), 'proxy', 'a guest']), '1 of 2 approvals');
    expect(await world.root.getImage(5n)).toBeNull();
    expectDone(await as('client', allowImage, [root, hex(5n), 'worker', 'a guest']), 'is executed.');
  });

  it('an order that was not approved within a week is made anew', async () => {
    await handOver();
    await as('proxyOwner', allowImage, [root, hex(5n), 'worker', 'a guest']);
    world.wait(WEEK + 1);
    expectDone(
      await as('client', allowImage, [root, hex(5n), 'worker', 'a guest']),
      /makes order .*, open until 2026-10-05/,
      '1 of 2 approvals',
    );
  });

  it('the multisig pays nothing of its own: what an order needs comes with it', async () => {
    const before = await world.balance(multisig);
    await handOver();
    expect(await world.balance(multisig)).toBeGreaterThan(before);
  });

  it('apply offers the same to the signers', async () => {
    await as('rootOwner', schedule, [root, 'owner', multisig.toString()]);
    world.wait(TIMELOCK);
    await as('proxyOwner', apply, [root, 'owner']);
    expectDone(await as('client', apply, [root, 'owner']), `In force: the owner becomes ${multisig}.`);
  });

  it('handOverRoot refuses what is no multisig v2, the guardian, and who is not the owner', async () => {
    const { guardian } = world.governance;
    expectUnsent(await as('rootOwner', handOverRoot, [root, guardian.toString()]), 'is the guardian: owner and guardian must differ');
    const wallet = world.party('client').address;
    expectUnsent(await as('rootOwner', handOverRoot, [root, wallet.toString()]), `there is no multisig v2 at ${wallet}`);
    expectUnsent(await as('rootOwner', handOverRoot, [root, `0:${'1'.repeat(64)}`]), 'there is no multisig v2 at');
    expectUnsent(await as('stranger', handOverRoot, [root, multisig.toString()]), 'only the owner');
  });

  it('handOverRoot begins anew when the change has lapsed, and says what it replaces', async () => {
    await as('rootOwner', handOverRoot, [root, multisig.toString()]);
    world.wait(2 * TIMELOCK + 1);
    expectDone(
      await as('rootOwner', handOverRoot, [root, multisig.toString()]),
      'step 1 of 2',
      `replaces what is scheduled: the owner becomes ${multisig}`,
    );
  });

  it('where orders may have any number, and a proposer makes them, signers find them all the same', async () => {
    const [proposer, ...signers] = ['stranger', 'client', 'workerOwner'].map((name) => world.party(name).address);
    const state = parseMultisig(multisigData(2, signers));
    const proposers = Dictionary.empty(Dictionary.Keys.Uint(8), Dictionary.Values.Address());
    if (proposer !== undefined) proposers.set(0, proposer);
    const rest = multisigData(2, signers).beginParse();
    rest.skip(256 + 8);
    const data = beginCell()
      .storeUint(0, 256)
      .storeUint(state.threshold, 8)
      .storeRef(rest.loadRef())
      .storeUint(2, 8)
      .storeDict(proposers)
      .storeBit(true)
      .endCell();
    const init = { code: publishedCode('Multisig'), data };
    const free = contractAddress(0, init);
    await world.party('proxyOwner').send({ to: free, value: toNano('1'), init });
    await as('rootOwner', handOverRoot, [root, free.toString()]);
    world.wait(TIMELOCK);
    expectDone(await as('stranger', handOverRoot, [root, free.toString()]), '0 of 2 approvals');
    expectUnsent(await as('stranger', handOverRoot, [root, free.toString()]), 'a proposer cannot approve it');
    await as('client', handOverRoot, [root, free.toString()]);
    expectDone(await as('workerOwner', handOverRoot, [root, free.toString()]), `is owned by the multisig ${free}.`);
    expect((await world.root.getGovernance()).owner).toEqualAddress(free);
  });
});
