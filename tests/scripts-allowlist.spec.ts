import { run as allowImage } from '../scripts/allowImage';
import { run as allowModel } from '../scripts/allowModel';
import { run as revokeImage } from '../scripts/revokeImage';
import { run as revokeModel } from '../scripts/revokeModel';
import { noteOf } from '../wrappers/console/answers';
import { hex } from '../wrappers/console/words';
import { expectDone, expectUnsent, runScript, type Script } from './console';
import { TIMELOCK, World } from './world';

const KEY = 0xabcdn;
const HASH = hex(KEY);

describe('scripts for the allowlist', () => {
  let world: World;
  let fresh: Awaited<ReturnType<World['snapshot']>>;
  let root: string;

  beforeAll(async () => {
    world = await World.inUse();
    fresh = world.snapshot();
    root = world.root.address.toString();
  });

  beforeEach(() => world.restore(fresh));

  const as = (name: string, script: Script, args: readonly string[], answers?: readonly (string | boolean)[]) =>
    runScript(world.chain, world.party(name), script, args, answers);

  it('allowImage puts an image on the list and says from when it counts', async () => {
    const said = await as('rootOwner', allowImage, [root, HASH, 'both', 'first guest']);
    expectDone(said, `allow image ${HASH} for worker guest and proxy`, '0.05 TON go along for fees', /Done in transaction [0-9a-f]{64}/);
    expectDone(said, 'will count from 2026-09-21 14:23:20 UTC (in 10 minutes)');
    expect(await world.root.getImage(KEY)).toEqual({ roles: 3, activeFrom: BigInt(world.now + TIMELOCK), note: noteOf('first guest') });
  });

  it('allowImage asks for what is missing, and again for what is typed wrong', async () => {
    const said = await as('rootOwner', allowImage, [], [root, 'no hash', `0x${HASH}`, 'worker', 'a guest', true]);
    expectDone(said, "'no hash' is not a hash: expected 64 hex digits");
    expect(said.asked).toEqual([
      'address of the RootContract',
      'hash of the image',
      'hash of the image',
      'role of the image',
      'note (what this image is; its hash goes on chain)',
      'Send it?',
    ]);
    expect(await world.root.getImage(KEY)).toMatchObject({ roles: 1 });
  });

  it('allowImage sends nothing when it is not confirmed', async () => {
    const said = await as('rootOwner', allowImage, [root, HASH, 'worker', 'a guest'], [false]);
    expect(said).toMatchObject({ refusal: null, hasSent: false });
    expect(said.lines.at(-1)).toBe('Nothing was sent.');
  });

  it('allowImage refuses a second time, a full list, a stranger, and arguments that make no sense', async () => {
    await as('rootOwner', allowImage, [root, HASH, 'worker', 'a guest']);
    expectUnsent(await as('rootOwner', allowImage, [root, HASH, 'worker', 'a guest']), 'the image is on the list already');
    for (const other of [1n, 2n, 3n]) await as('rootOwner', allowImage, [root, hex(other), 'worker', 'a guest']);
    expectUnsent(await as('rootOwner', allowImage, [root, hex(4n), 'worker', 'a guest']), 'the list is full: 4 images, limit 4');
    await world.restore(fresh);
    const stranger = world.party('stranger').address;
    expectUnsent(
      await as('stranger', allowImage, [root, HASH, 'worker', 'a guest']),
      `only the owner ${world.governance.owner} may do this, and the wallet is ${stranger}`,
    );
    expectUnsent(await as('rootOwner', allowImage, ['nowhere']), "address of the RootContract: 'nowhere' is not an address");
    expectUnsent(await as('rootOwner', allowImage, [root, 'ff']), "hash of the image: 'ff' is not a hash");
    expectUnsent(await as('rootOwner', allowImage, [root, HASH, 'guest']), "'guest' is none of worker, proxy, both");
    expectUnsent(await as('rootOwner', allowImage, [root, HASH, 'worker', 'a', 'guest']), "unexpected argument 'guest'");
  });

  it('refuses what is not a root: another contract, nothing, another workchain', async () => {
    const proxy = world.proxy.address;
    expectUnsent(await as('rootOwner', allowImage, [proxy.toString()]), `${proxy} is a ProxyContract, not a RootContract`);
    const wallet = world.party('client').address;
    expectUnsent(await as('rootOwner', allowImage, [wallet.toString()]), `${wallet} is no RootContract of this checkout`);
    expectUnsent(await as('rootOwner', allowImage, [`0:${'1'.repeat(64)}`]), 'nothing is deployed there');
    expectUnsent(await as('rootOwner', allowImage, [`-1:${'1'.repeat(64)}`]), 'address of workchain -1, expected 0');
  });

  it('refuses when the wallet holds too little', async () => {
    const owner = world.party('rootOwner');
    const { balance } = await world.chain.getContract(owner.address);
    await owner.send({ to: world.party('stranger').address, value: balance - 60_000_000n });
    expectUnsent(await as('rootOwner', allowImage, [root, HASH, 'worker', 'a guest']), /holds 0\.05\d+ TON, this needs 0\.07 TON/);
  });

  it('revokeImage takes an image off at once, for the owner and for the guardian', async () => {
    for (const name of ['rootOwner', 'guardian']) {
      await as('rootOwner', allowImage, [root, HASH, 'worker', 'a guest']);
      expectDone(
        await as(name, revokeImage, [root, HASH]),
        `revoke image ${HASH} for worker guest`,
        `Off the list: image ${HASH}; 0 left.`,
      );
      expect(await world.root.getImage(KEY)).toBeNull();
    }
  });

  it('revokeImage refuses what is not listed, and a stranger', async () => {
    expectUnsent(await as('guardian', revokeImage, [root, HASH]), `image ${HASH} is not on the list`);
    await as('rootOwner', allowImage, [root, HASH, 'worker', 'a guest']);
    expectUnsent(await as('stranger', revokeImage, [root, HASH]), /^only the owner .* or the guardian .* may do this/);
  });

  it('allowModel and revokeModel do the same for a model', async () => {
    const said = await as('rootOwner', allowModel, [root, HASH, 'verity', 'a model']);
    expectDone(said, `allow model ${HASH} by dm-verity`, `On the list: ${HASH} by dm-verity, will count from`);
    expect(await world.root.getModel(KEY)).toMatchObject({ kind: 1, note: noteOf('a model') });
    expectUnsent(await as('rootOwner', allowModel, [root, HASH, 'files', 'a model']), 'the model is on the list already');
    expectUnsent(await as('stranger', revokeModel, [root, HASH]), 'may do this');
    expectDone(await as('guardian', revokeModel, [root, HASH]), `Off the list: model ${HASH}; 0 left.`);
    expect(await world.root.getModel(KEY)).toBeNull();
    expectUnsent(await as('guardian', revokeModel, [root, HASH]), 'is not on the list');
    for (const other of [1n, 2n, 3n, 4n]) await as('rootOwner', allowModel, [root, hex(other), 'unproven', 'a model']);
    expectUnsent(await as('rootOwner', allowModel, [root, HASH, 'files', 'a model']), 'the list is full: 4 models, limit 4');
    expectUnsent(await as('stranger', revokeModel, [root, hex(1n), 'x']), "unexpected argument 'x'");
  });
});
