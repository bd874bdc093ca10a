import { Address } from '@ton/core';
import { hex, makeGuest, type TestGuest, testCollateral } from '../client/guest.test-kit';
import { CallError } from '../protocol/json';
import type { SignedChallenge } from '../protocol/statements-json';
import type { Connection } from '../transport/exchange';
import { PRICE, TestCaller } from './caller.test-kit';
import { type RunningProxy, until, World } from './running-proxy.test-kit';
import { EARNED, TestWorker } from './worker.test-kit';

// What a proxy believes of a worker's keys: from the challenge when it connects to the last request under replaced keys.

let world: World;
let proxy: RunningProxy;
let worker: TestWorker;
let caller: TestCaller;
let connection: Connection;

jest.setTimeout(30_000);

beforeEach(async () => {
  world = await World.make();
  worker = new TestWorker(world.guest);
  caller = new TestCaller(world);
  caller.hold();
  proxy = await world.start();
  connection = await proxy.connect();
});

afterEach(async () => {
  await world.end();
  expect(proxy.failures).toEqual([]);
  expect(worker.defects).toEqual([]);
});

const offered = () => proxy.workers.offers(null).map(({ keys }) => keys.evidence);
const dropped = () => until(() => proxy.workers.size === 0);
const refused = () => [...proxy.workers.all()][0]?.refused ?? null;
const owed = () => proxy.debts.get(world.workerContract(worker.owner).address.toRawString()).total;
const standing = () => proxy.requests.standing(caller.id);

/** A round that is over for the worker: another has begun. */
async function round(): Promise<void> {
  for (let rounds = 0; rounds < 2; rounds++) {
    const before = worker.countOf('GET /v1/worker');
    await until(() => {
      proxy.workers.refreshAll();
      return worker.countOf('GET /v1/worker') > before;
    });
  }
}

/** Begins round after round until it is so. */
function refreshedUntil(isSo: () => boolean): Promise<void> {
  return until(() => {
    proxy.workers.refreshAll();
    return isSo();
  });
}

/** Dials, and waits for the refusal of its evidence. */
async function refusalOf(guest: TestGuest): Promise<readonly string[]> {
  worker = new TestWorker(guest);
  await proxy.dial(worker);
  await until(() => refused() !== null);
  expect(offered()).toEqual([]);
  expect(worker.countOf('POST /v1/challenge')).toBe(0);
  return refused()?.checks ?? [];
}

/** No block is asked for in the name of another network. */
const NO_BLOCK = ['block-known', 'block-age', 'block-not-future'];

describe('a worker that connects is not offered, and dropped, when it', () => {
  /** Connects once honestly, and gives what its guest signed then. */
  async function recorded(): Promise<SignedChallenge> {
    const seen: SignedChallenge[] = [];
    worker.alterChallenge = (signed) => {
      seen.push(signed);
      return signed;
    };
    await proxy.attach(worker);
    worker.cut();
    await dropped();
    const [signed] = seen;
    if (signed === undefined) throw new Error('no challenge');
    return signed;
  }

  async function isDropped(): Promise<void> {
    const before = worker.countOf('POST /v1/challenge');
    await proxy.dial(worker);
    await until(() => worker.countOf('POST /v1/challenge') > before);
    await dropped();
    expect(offered()).toEqual([]);
  }

  it("shows another guest's evidence and signs with a key of its own", async () => {
    const own = await makeGuest();
    worker = new TestWorker(world.guest, own.receipt);
    await isDropped();
  });

  it('answers with the signature of an older challenge', async () => {
    const old = await recorded();
    worker.alterChallenge = ({ challenge }) => ({ challenge, signature: old.signature });
    await isDropped();
  });

  it('answers with an older challenge and its signature', async () => {
    const old = await recorded();
    worker.alterChallenge = () => old;
    await isDropped();
  });

  it('has its guest sign for another proxy', async () => {
    worker.challengeOf = (honest) => ({ ...honest, proxy: Address.parseRaw(`0:${hex(0x99)}`) });
    await isDropped();
  });

  it('signs another nonce', async () => {
    worker.challengeOf = (honest) => ({ ...honest, nonce: honest.nonce + 1n });
    await isDropped();
  });

  it('signs nothing', async () => {
    worker.before = async ({ path }) => {
      if (path === '/v1/challenge') throw new CallError('not_ready', 'no');
    };
    await isDropped();
  });
});

describe('a worker that connects is not offered, nor challenged, with evidence', () => {
  it('of another network (claims-network)', async () => {
    expect(await refusalOf(await makeGuest(undefined, undefined, { network: `0:${hex(0x12)}` }))).toEqual(['claims-network', ...NO_BLOCK]);
  });

  it('of another worker, to be paid for its work (claims-owner)', async () => {
    const named = worker.info;
    const checks = refusalOf(world.guest);
    worker.info = { ...named, owner: `0:${hex(0x99)}` };
    expect(await checks).toEqual(['claims-owner']);
  });

  it('of yesterday (keys-not-expired, block-age)', async () => {
    world.clock.advance(25 * 3600 - 600 + 1);
    expect(await refusalOf(world.guest)).toEqual(['keys-not-expired', 'block-age']);
  });

  it('of a block that the chain does not have (block-known)', async () => {
    const guest = await makeGuest(undefined, undefined, { block: { seqno: 1001, rootHash: hex(0x66) } });
    expect((await refusalOf(guest))[0]).toBe('block-known');
  });

  it('that names another hash of its block (block-known)', async () => {
    const guest = await makeGuest(undefined, undefined, { block: { seqno: 1000, rootHash: hex(0x67) } });
    expect((await refusalOf(guest))[0]).toBe('block-known');
  });

  it('that needs a chain which cannot be read (block-known, image-listed, model-listed), and is when it can be', async () => {
    world.isChainDown = true;
    const checks = await refusalOf(world.guest);
    expect(checks).toEqual(expect.arrayContaining(['block-known', 'image-listed', 'model-listed']));
    world.isChainDown = false;
    world.clock.advance(10);
    await refreshedUntil(() => offered().length === 1);
    expect(refused()).toBeNull();
  });

  it('for which no collateral can be had (collateral-available)', async () => {
    world.collateral = { collateralFor: () => null, drop: () => undefined };
    expect((await refusalOf(world.guest))[0]).toBe('collateral-available');
  });
});

describe('a verdict', () => {
  it.each([
    ['image', () => world.images.clear()],
    ['model', () => world.models.clear()],
  ])('ends at the next use when the %s is removed, however long the worker takes over its round', async (_what, remove) => {
    await proxy.attach(worker);
    // The worker answers no call of a round any more.
    worker.before = ({ path }) => (path === '/v1/relay' ? Promise.resolve() : new Promise(() => {}));
    proxy.workers.refreshAll();
    remove();
    expect(offered()).toEqual([]);
    expect(await caller.ask(connection, world.guest)).toMatchObject({ code: 'worker_gone' });
    expect(worker.countOf('POST /v1/relay')).toBe(0);
  });

  it('ends when the chain was not read for too long, and the evidence is verified anew when it is again', async () => {
    await proxy.attach(worker);
    world.isChainDown = true;
    expect(offered()).toEqual([]);
    await round();
    world.isChainDown = false;
    await refreshedUntil(() => offered().length === 1);
    expect(worker.countOf('POST /v1/challenge')).toBe(2);
  });

  it('is made anew after an hour, from what newer collateral says', async () => {
    await proxy.attach(worker);
    world.collateral = testCollateral({ standing: { platform: 'Revoked' } });
    world.clock.advance(3599);
    await round();
    expect(offered()).toEqual([world.guest.digest]);
    world.clock.advance(1);
    await round();
    await until(() => offered().length === 0);
    expect(refused()?.checks[0]).toBe('tcb-level');
  });

  it('that is made anew keeps its offer, and asks the worker for nothing', async () => {
    await proxy.attach(worker);
    const calls = () => [worker.countOf('GET /v1/evidence'), worker.countOf('POST /v1/challenge')];
    world.clock.advance(3600);
    await round();
    expect(offered()).toEqual([world.guest.digest]);
    expect(calls()).toEqual([1, 1]);
  });

  it("ends with the keys' life", async () => {
    await proxy.attach(worker);
    world.clock.advance(86_400 - 1);
    expect(offered()).toEqual([world.guest.digest]);
    world.clock.advance(1);
    expect(offered()).toEqual([]);
  });
});

describe('keys that are replaced', () => {
  let next: TestGuest;
  beforeEach(async () => {
    next = await makeGuest();
    await proxy.attach(worker);
  });

  it('are offered until the new ones are verified, without a gap', async () => {
    let goOn = () => {};
    const held = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    worker.before = ({ path }) => (path === `/v1/evidence/${next.digest}` ? held : Promise.resolve());
    worker.rotate(next);
    await refreshedUntil(() => worker.countOf(`GET /v1/evidence/${next.digest}`) === 1);
    expect(offered()).toEqual([world.guest.digest]);
    expect(await caller.ask(connection, world.guest)).toBeNull();
    goOn();
    await until(() => offered()[0] === next.digest);
    expect(await caller.ask(connection, next)).toBeNull();
  });

  it('are offered for five minutes at most when the new ones are refused', async () => {
    const foreign = await makeGuest(undefined, undefined, { network: `0:${hex(0x12)}` });
    worker.rotate(foreign);
    await round();
    expect(refused()).toMatchObject({ digest: foreign.digest, checks: ['claims-network', ...NO_BLOCK] });
    world.clock.advance(299);
    expect(offered()).toEqual([world.guest.digest]);
    world.clock.advance(1);
    expect(offered()).toEqual([]);
  });

  it('are offered no longer for a worker that names other keys again and again', async () => {
    const foreign = { network: `0:${hex(0x12)}` };
    for (let i = 0; i < 2; i++) {
      worker.rotate(await makeGuest(undefined, undefined, foreign));
      await round();
      expect(offered()).toEqual([world.guest.digest]);
      world.clock.advance(150);
    }
    expect(offered()).toEqual([]);
    worker.rotate(next);
    await refreshedUntil(() => offered()[0] === next.digest);
  });

  it('serve what was sealed to them, and each request is answered once and charged once, to the nano', async () => {
    let release = () => {};
    worker.hold = new Promise((resolve) => {
      release = resolve;
    });
    const running = [caller.ask(connection, world.guest), caller.ask(connection, world.guest)];
    await until(() => worker.countOf('POST /v1/relay') === 2);
    worker.rotate(next);
    await refreshedUntil(() => offered()[0] === next.digest);
    // Sealed before the rotation and sent after it, and sealed after it.
    running.push(caller.ask(connection, world.guest), caller.ask(connection, next));
    await until(() => worker.countOf('POST /v1/relay') === 4);
    release();
    expect(await Promise.all(running)).toEqual([null, null, null, null]);
    await round();
    expect(standing()).toMatchObject({ outstanding: 4n * PRICE, reserved: 0n });
    expect(owed()).toBe(4n * EARNED);
    expect(worker.signed).toHaveLength(4);
    expect(worker.newest?.voucher.total).toBe(4n * EARNED);
  });

  it('that the guest has forgotten refuse a request, which is charged to nobody and can be sealed to the new ones', async () => {
    worker.rotate(next);
    await refreshedUntil(() => offered()[0] === next.digest);
    worker.forget(world.guest);
    expect(await caller.ask(connection, world.guest)).toMatchObject({ code: 'key_expired' });
    expect(standing()).toMatchObject({ outstanding: 0n, reserved: 0n });
    expect(await caller.ask(connection, next)).toBeNull();
    expect(standing()).toMatchObject({ outstanding: PRICE, reserved: 0n });
  });

  it('cannot be used to have a request run a second time under the new ones', async () => {
    const placed = await caller.order(world.guest);
    expect((await caller.send(connection, world.guest, placed)).status).toBe(200);
    await until(() => worker.signed.length === 1);
    worker.rotate(next);
    await refreshedUntil(() => offered()[0] === next.digest);
    expect((await caller.send(connection, world.guest, placed)).status).toBe(409);
    expect((await caller.send(connection, next, placed)).status).toBe(403);
    expect(worker.signed).toHaveLength(1);
  });

  it('answer a challenge of a proxy that was shown them a moment ago', async () => {
    worker.cut();
    await dropped();
    // Its guest has new keys already, which the worker does not name yet.
    const named = worker.info;
    worker.rotate(next);
    worker.info = named;
    await proxy.attach(worker);
    expect(offered()).toEqual([world.guest.digest]);
    expect(proxy.workers.size).toBe(1);
  });
});
