import type { CollateralSource } from '../attestation/collateral';
import { DEFAULT_LIMITS } from '../attestation/policy';
import { failedChecks } from '../attestation/report';
import { VerifierMemory } from '../attestation/verifier-memory';
import type { BlockLookup, ListedImage, ListedModel } from '../attestation/verify-evidence';
import { ChainError } from '../chain/chain-error';
import { FixedClock } from '../core/clock';
import { nodeCrypto } from '../runtime/node-crypto';
import { BLOCK, hex, makeGuest, NOW, noGpuEvidence, ROOT, type TestGuest, testCollateral, testRoot } from './guest.test-kit';
import { GuestVerifier, type GuestVerifierOptions } from './guest-verifier';

// How long a verdict is used, and what ends it: the client's verifier with a clock, a chain and collateral that a test moves.

let guest: TestGuest;
beforeAll(async () => {
  guest = await makeGuest();
});

/** No block is asked for in the name of an image that is not listed. */
const NO_BLOCK = ['block-known', 'block-age', 'block-not-future'];

/** A verifier whose world a test changes; `bundles` counts how often evidence was fetched. */
async function open(limits: Partial<typeof DEFAULT_LIMITS> = {}, change: Partial<GuestVerifierOptions> = {}) {
  const clock = new FixedClock(NOW);
  const images = new Map<string, ListedImage>([[guest.imageHash, { roles: ['worker'], activeFromSec: NOW - 100 }]]);
  const models = new Map<string, ListedModel>([[guest.offer.model.hash, { kind: guest.offer.model.kind, activeFromSec: NOW - 100 }]]);
  const world = { bundles: 0, isChainDown: false, collateral: testCollateral() };
  const read = <T>(value: T): T => {
    if (world.isChainDown) throw new ChainError('chain_unread', 'the root contract was last read long ago');
    return value;
  };
  const verifier = new GuestVerifier({
    crypto: nodeCrypto,
    clock,
    policy: { ...DEFAULT_LIMITS, ...limits, trustRoots: [await testRoot()] },
    network: ROOT,
    allowlist: { image: (hash) => read(images.get(hash) ?? null), model: (hash) => read(models.get(hash) ?? null) },
    blocks: (seqno) => read(seqno === BLOCK.seqno ? { rootHash: BLOCK.rootHash, atSec: NOW - 600 } : null),
    collateral: { collateralFor: (query) => world.collateral.collateralFor(query), drop: () => undefined },
    memory: new VerifierMemory(),
    fetchBundle: async () => {
      world.bundles++;
      return guest.bundle;
    },
    fetchGpuEvidence: noGpuEvidence,
    ...change,
  });
  /** Names of the checks that failed; none for a guest that is trusted. */
  const failed = async (offer = guest.offer) => {
    const verdict = await verifier.verify(offer);
    return verdict.trusted ? [] : failedChecks(verdict.report).map(({ name }) => name);
  };
  return { verifier, clock, images, models, world, failed };
}

type Opened = Awaited<ReturnType<typeof open>>;

/** A lookup that answers when it is told to, and tells when it was asked. */
function heldLookup(): {
  readonly lookup: BlockLookup;
  readonly asked: Promise<void>;
  readonly counted: { asks: number };
  release(): void;
} {
  let release = () => {};
  let ask = () => {};
  const counted = { asks: 0 };
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const asked = new Promise<void>((resolve) => {
    ask = resolve;
  });
  const lookup = async () => {
    counted.asks++;
    ask();
    await released;
    return { rootHash: BLOCK.rootHash, atSec: NOW - 600 };
  };
  return { lookup, asked, counted, release: () => release() };
}

test('is used again for exactly the same question, without asking for the bundle', async () => {
  const { failed, world } = await open();
  expect(await failed()).toEqual([]);
  expect(await failed()).toEqual([]);
  expect(world.bundles).toBe(1);
  expect(await failed({ ...guest.offer, owner: `0:${hex(0x99)}` })).toEqual(['claims-owner']);
  expect(world.bundles).toBe(2);
});

test('is shared by those who ask at the same time: one fetch, one verification', async () => {
  const held = heldLookup();
  const { verifier, world } = await open({}, { blocks: held.lookup });
  const asking = Array.from({ length: 20 }, () => verifier.verify(guest.offer));
  await held.asked;
  asking.push(verifier.verify(guest.offer));
  held.release();
  expect((await Promise.all(asking)).every((verdict) => verdict.trusted)).toBe(true);
  expect([world.bundles, held.counted.asks]).toEqual([1, 1]);
});

test('is not shared with who asks after the allowlist has dropped the image under the verification', async () => {
  const held = heldLookup();
  const { verifier, images } = await open({}, { blocks: held.lookup });
  const early = verifier.verify(guest.offer);
  await held.asked;
  // By now the verification has found the image listed.
  images.clear();
  const late = verifier.verify(guest.offer);
  held.release();
  expect((await early).trusted).toBe(true);
  const verdict = await late;
  expect(verdict.trusted ? [] : failedChecks(verdict.report).map(({ name }) => name)).toEqual([
    'image-listed',
    ...NO_BLOCK,
    'image-role',
    'image-active',
  ]);
});

test('that failed is nobody else’s: the next question is verified anew', async () => {
  const { failed, images } = await open();
  const listed = [...images];
  images.clear();
  expect((await failed())[0]).toBe('image-listed');
  for (const [hash, image] of listed) images.set(hash, image);
  expect(await failed()).toEqual([]);
});

test('leaves nothing behind when the bundle cannot be had', async () => {
  let isGone = true;
  const { failed } = await open(
    {},
    {
      fetchBundle: async () => {
        if (isGone) throw new RangeError('gone');
        return guest.bundle;
      },
    },
  );
  await expect(Promise.all([failed(), failed()])).rejects.toThrow('gone');
  isGone = false;
  expect(await failed()).toEqual([]);
});

describe('ends with the first of', () => {
  const lateCollateral = (lifeSec: number): CollateralSource => testCollateral({ nowSec: NOW - 3600, lifeSec });

  test.each([
    ['the age of its block', { maxBlockAgeSec: 1000 }, {}, 'block-age'],
    ['the age of its collateral', { maxCollateralAgeSec: 4000 }, {}, 'collateral-age'],
    ['the validity of its collateral', {}, { collateral: lateCollateral(4000) }, 'pck-crl'],
  ])('%s', async (_what, limits, change, check) => {
    const { failed, clock, world } = await open(limits, change);
    expect(await failed()).toEqual([]);
    clock.advance(399);
    expect(await failed()).toEqual([]);
    expect(world.bundles).toBe(1);
    clock.advance(2);
    expect((await failed())[0]).toBe(check);
  });

  test("the keys' life", async () => {
    const { failed, clock } = await open({ maxBlockAgeSec: 30 * 86_400 });
    clock.advance(86_399);
    expect(await failed()).toEqual([]);
    clock.advance(1);
    expect(await failed()).toEqual(['keys-not-expired']);
  });

  test('an hour, when newer collateral says that the platform is revoked', async () => {
    const { failed, clock, world } = await open();
    expect(await failed()).toEqual([]);
    world.collateral = testCollateral({ standing: { platform: 'Revoked' } });
    clock.advance(3599);
    expect(await failed()).toEqual([]);
    clock.advance(1);
    expect((await failed())[0]).toBe('tcb-level');
  });
});

describe('holds only while the allowlist', () => {
  const setImage = ({ images }: Opened, image: ListedImage) => images.set(guest.imageHash, image);
  const setModel = ({ models }: Opened, model: Partial<ListedModel>) => {
    const { hash, kind } = guest.offer.model;
    models.set(hash, { kind, activeFromSec: NOW - 100, ...model });
  };

  test.each<[string, (of: Opened) => unknown, readonly string[]]>([
    ['has the image', ({ images }) => images.clear(), ['image-listed', ...NO_BLOCK, 'image-role', 'image-active']],
    ['has the model', ({ models }) => models.clear(), ['model-listed', 'model-active']],
    ['has the image for workers', (of) => setImage(of, { roles: ['proxy'], activeFromSec: NOW - 100 }), ['image-role', ...NO_BLOCK]],
    ['has the model as the same kind', (of) => setModel(of, { kind: 'verity' }), ['model-listed']],
    ['has the image active', (of) => setImage(of, { roles: ['worker'], activeFromSec: NOW + 5 }), ['image-active']],
    ['has the model active', (of) => setModel(of, { activeFromSec: NOW + 5 }), ['model-active']],
  ])('%s', async (_what, change, checks) => {
    const opened = await open();
    expect(await opened.failed()).toEqual([]);
    change(opened);
    expect(await opened.failed()).toEqual(checks);
  });

  test('can be read: refused while the chain is down, and verified anew when it is back', async () => {
    const { failed, world } = await open();
    expect(await failed()).toEqual([]);
    world.isChainDown = true;
    expect(await failed()).toEqual(['image-listed', 'model-listed', ...NO_BLOCK, 'image-role', 'image-active', 'model-active']);
    world.isChainDown = false;
    expect(await failed()).toEqual([]);
  });
});
