import { Address } from '@ton/core';
import { hex, makeGuest, type TestGuest, testCollateral } from '../client/guest.test-kit';
import { until } from '../core/until.test-kit';
import { CallError } from '../protocol/json';
import type { SignedChallenge } from '../protocol/statements-json';
import { PRICE } from './caller.test-kit';
import { Scene } from './scene.test-kit';
import { EARNED, TestWorker } from './worker.test-kit';

// What a proxy believes of a worker's keys: from the challenge when it connects to the last request under replaced keys.

let scene: Scene;

jest.setTimeout(30_000);

beforeEach(async () => {
  scene = await Scene.open();
});

afterEach(async () => {
  await scene.end();
  expect(scene.worker.defects).toEqual([]);
});

const offered = () => scene.proxy.workers.offers(null).map(({ keys }) => keys.evidence);
const refused = () => [...scene.proxy.workers.all()][0]?.refused ?? null;

/** Dials, and waits for the refusal of its evidence. */
async function refusalOf(guest: TestGuest): Promise<readonly string[]> {
  scene.worker = new TestWorker(guest);
  await scene.proxy.dial(scene.worker);
  await until(() => refused() !== null);
  expect(offered()).toEqual([]);
  expect(scene.worker.countOf('POST /v1/challenge')).toBe(0);
  return refused()?.checks ?? [];
}

/** No block is asked for in the name of another network. */
const NO_BLOCK = ['block-known', 'block-age', 'block-not-future'];

describe('a worker that connects is not offered, and dropped, when it', () => {
  /** Connects once honestly, and gives what its guest signed then. */
  async function recorded(): Promise<SignedChallenge> {
    const seen: SignedChallenge[] = [];
    scene.worker.alterChallenge = (signed) => {
      seen.push(signed);
      return signed;
    };
    await scene.attach();
    scene.worker.cut();
    await scene.dropped();
    const [signed] = seen;
    if (signed === undefined) throw new Error('no challenge');
    return signed;
  }

  async function isDropped(): Promise<void> {
    const before = scene.worker.countOf('POST /v1/challenge');
    await scene.proxy.dial(scene.worker);
    await until(() => scene.worker.countOf('POST /v1/challenge') > before);
    await scene.dropped();
    expect(offered()).toEqual([]);
  }

  it("shows another guest's evidence and signs with a key of its own", async () => {
    const own = await makeGuest();
    scene.worker = new TestWorker(scene.world.guest, own.receipt);
    await isDropped();
  });

  it('answers with the signature of an older challenge', async () => {
    const old = await recorded();
    scene.worker.alterChallenge = ({ challenge }) => ({ challenge, signature: old.signature });
    await isDropped();
  });

  it('answers with an older challenge and its signature', async () => {
    const old = await recorded();
    scene.worker.alterChallenge = () => old;
    await isDropped();
  });

  it('has its guest sign for another proxy', async () => {
    scene.worker.challengeOf = (honest) => ({ ...honest, proxy: Address.parseRaw(`0:${hex(0x99)}`) });
    await isDropped();
  });

  it('signs another nonce', async () => {
    scene.worker.challengeOf = (honest) => ({ ...honest, nonce: honest.nonce + 1n });
    await isDropped();
  });

  it('signs nothing', async () => {
    scene.worker.before = async ({ path }) => {
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
    const named = scene.worker.info;
    const checks = refusalOf(scene.world.guest);
    scene.worker.info = { ...named, owner: `0:${hex(0x99)}` };
    expect(await checks).toEqual(['claims-owner']);
  });

  it('of yesterday (keys-not-expired, block-age)', async () => {
    scene.world.clock.advance(25 * 3600 - 600 + 1);
    expect(await refusalOf(scene.world.guest)).toEqual(['keys-not-expired', 'block-age']);
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
    scene.world.isChainDown = true;
    const checks = await refusalOf(scene.world.guest);
    expect(checks).toEqual(expect.arrayContaining(['block-known', 'image-listed', 'model-listed']));
    scene.world.isChainDown = false;
    scene.world.clock.advance(10);
    await scene.refreshedUntil(() => offered().length === 1);
    expect(refused()).toBeNull();
  });

  it('for which no collateral can be had (collateral-available)', async () => {
    scene.world.collateral = { collateralFor: () => null, drop: () => undefined };
    expect((await refusalOf(scene.world.guest))[0]).toBe('collateral-available');
  });
});

describe('a verdict', () => {
  it.each([
    ['image', () => scene.world.images.clear()],
    ['model', () => scene.world.models.clear()],
  ])('ends at the next use when the %s is removed, however long the worker takes over its round', async (_what, remove) => {
    await scene.attach();
    // The worker answers no call of a round any more.
    scene.worker.before = ({ path }) => (path === '/v1/relay' ? Promise.resolve() : new Promise(() => {}));
    scene.proxy.workers.refreshAll();
    remove();
    expect(offered()).toEqual([]);
    expect(await scene.caller.ask(scene.connection, scene.world.guest)).toMatchObject({ code: 'worker_gone' });
    expect(scene.worker.countOf('POST /v1/relay')).toBe(0);
  });

  it('ends when the chain was not read for too long, and the evidence is verified anew when it is again', async () => {
    await scene.attach();
    scene.world.isChainDown = true;
    expect(offered()).toEqual([]);
    await scene.round();
    scene.world.isChainDown = false;
    await scene.refreshedUntil(() => offered().length === 1);
    expect(scene.worker.countOf('POST /v1/challenge')).toBe(2);
  });

  it('is made anew after an hour, from what newer collateral says', async () => {
    await scene.attach();
    scene.world.collateral = testCollateral({ standing: { platform: 'Revoked' } });
    scene.world.clock.advance(3599);
    await scene.round();
    expect(offered()).toEqual([scene.world.guest.digest]);
    scene.world.clock.advance(1);
    await scene.round();
    await until(() => offered().length === 0);
    expect(refused()?.checks[0]).toBe('tcb-level');
  });

  it('that is made anew keeps its offer, and asks the worker for nothing', async () => {
    await scene.attach();
    const calls = () => [scene.worker.countOf('GET /v1/evidence'), scene.worker.countOf('POST /v1/challenge')];
    scene.world.clock.advance(3600);
    await scene.round();
    expect(offered()).toEqual([scene.world.guest.digest]);
    expect(calls()).toEqual([1, 1]);
  });

  it("ends with the keys' life", async () => {
    await scene.attach();
    scene.world.clock.advance(86_400 - 1);
    expect(offered()).toEqual([scene.world.guest.digest]);
    scene.world.clock.advance(1);
    expect(offered()).toEqual([]);
  });
});

describe('keys that are replaced', () => {
  let next: TestGuest;
  beforeEach(async () => {
    next = await makeGuest();
    await scene.attach();
  });

  it('are offered until the new ones are verified, without a gap', async () => {
    let goOn = () => {};
    const held = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    scene.worker.before = ({ path }) => (path === `/v1/evidence/${next.digest}` ? held : Promise.resolve());
    scene.worker.rotate(next);
    await scene.refreshedUntil(() => scene.worker.countOf(`GET /v1/evidence/${next.digest}`) === 1);
    expect(offered()).toEqual([scene.world.guest.digest]);
    expect(await scene.caller.ask(scene.connection, scene.world.guest)).toBeNull();
    goOn();
    await until(() => offered()[0] === next.digest);
    expect(await scene.caller.ask(scene.connection, next)).toBeNull();
  });

  it('are offered for five minutes at most when the new ones are refused', async () => {
    const foreign = await makeGuest(undefined, undefined, { network: `0:${hex(0x12)}` });
    scene.worker.rotate(foreign);
    await scene.round();
    expect(refused()).toMatchObject({ digest: foreign.digest, checks: ['claims-network', ...NO_BLOCK] });
    scene.world.clock.advance(299);
    expect(offered()).toEqual([scene.world.guest.digest]);
    scene.world.clock.advance(1);
    expect(offered()).toEqual([]);
  });

  it('are offered no longer for a worker that names other keys again and again', async () => {
    const foreign = { network: `0:${hex(0x12)}` };
    for (let i = 0; i < 2; i++) {
      scene.worker.rotate(await makeGuest(undefined, undefined, foreign));
      await scene.round();
      expect(offered()).toEqual([scene.world.guest.digest]);
      scene.world.clock.advance(150);
    }
    expect(offered()).toEqual([]);
    scene.worker.rotate(next);
    await scene.refreshedUntil(() => offered()[0] === next.digest);
  });

  it('serve what was sealed to them, and each request is answered once and charged once, to the nano', async () => {
    let release = () => {};
    scene.worker.hold = new Promise((resolve) => {
      release = resolve;
    });
    const running = [scene.caller.ask(scene.connection, scene.world.guest), scene.caller.ask(scene.connection, scene.world.guest)];
    await until(() => scene.worker.countOf('POST /v1/relay') === 2);
    scene.worker.rotate(next);
    await scene.refreshedUntil(() => offered()[0] === next.digest);
    // Sealed before the rotation and sent after it, and sealed after it.
    running.push(scene.caller.ask(scene.connection, scene.world.guest), scene.caller.ask(scene.connection, next));
    await until(() => scene.worker.countOf('POST /v1/relay') === 4);
    release();
    expect(await Promise.all(running)).toEqual([null, null, null, null]);
    await scene.round();
    expect(scene.standing()).toMatchObject({ outstanding: 4n * PRICE, reserved: 0n });
    expect(scene.owed()).toBe(4n * EARNED);
    expect(scene.worker.signed).toHaveLength(4);
    expect(scene.worker.newest?.voucher.total).toBe(4n * EARNED);
  });

  it('that the guest has forgotten refuse a request, which is charged to nobody and can be sealed to the new ones', async () => {
    scene.worker.rotate(next);
    await scene.refreshedUntil(() => offered()[0] === next.digest);
    scene.worker.forget(scene.world.guest);
    expect(await scene.caller.ask(scene.connection, scene.world.guest)).toMatchObject({ code: 'key_expired' });
    expect(scene.standing()).toMatchObject({ outstanding: 0n, reserved: 0n });
    expect(await scene.caller.ask(scene.connection, next)).toBeNull();
    expect(scene.standing()).toMatchObject({ outstanding: PRICE, reserved: 0n });
  });

  it('cannot be used to have a request run a second time under the new ones', async () => {
    const placed = await scene.caller.order(scene.world.guest);
    expect((await scene.caller.send(scene.connection, scene.world.guest, placed)).status).toBe(200);
    await until(() => scene.worker.signed.length === 1);
    scene.worker.rotate(next);
    await scene.refreshedUntil(() => offered()[0] === next.digest);
    expect((await scene.caller.send(scene.connection, scene.world.guest, placed)).status).toBe(409);
    expect((await scene.caller.send(scene.connection, next, placed)).status).toBe(403);
    expect(scene.worker.signed).toHaveLength(1);
  });

  it('answer a challenge of a proxy that was shown them a moment ago', async () => {
    scene.worker.cut();
    await scene.dropped();
    // Its guest has new keys already, which the worker does not name yet.
    const named = scene.worker.info;
    scene.worker.rotate(next);
    scene.worker.info = named;
    await scene.attach();
    expect(offered()).toEqual([scene.world.guest.digest]);
    expect(scene.proxy.workers.size).toBe(1);
  });
});
