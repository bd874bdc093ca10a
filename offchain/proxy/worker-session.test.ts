import { documentFor, policyOf } from '../attestation/gpu/gpu.test-kit';
import { MAX_GPU_DOCUMENT_SIZE } from '../attestation/gpu/gpu-document';
import { hex, makeGuest, NOW } from '../client/guest.test-kit';
import { toHex } from '../core/bytes';
import { until } from '../core/until.test-kit';
import { CallError } from '../protocol/json';
import { generateSigner } from '../runtime/node-crypto';
import { readAll } from '../transport/exchange';
import { PRICE } from './caller.test-kit';
import type { World } from './running-proxy.test-kit';
import { Scene } from './scene.test-kit';
import { EARNED, TestWorker } from './worker.test-kit';

let scene: Scene;

jest.setTimeout(30_000);

beforeEach(async () => {
  scene = await Scene.open();
});

afterEach(() => scene.end());

const offers = () => scene.proxy.workers.offers(null);

describe('a worker', () => {
  it('is offered once its evidence is verified and accounts are agreed', async () => {
    await scene.attach();
    expect(offers()).toMatchObject([
      { owner: scene.worker.info.owner, keys: { evidence: scene.world.guest.digest }, load: { running: 0, capacity: 4 } },
    ]);
    expect(scene.worker.newest?.voucher).toMatchObject({ total: 0n, tokens: 0n });
  });

  it('is not offered while its image is not active', async () => {
    scene.world.images.set(scene.world.guest.imageHash, { roles: ['worker'], activeFromSec: NOW + 10 });
    await scene.proxy.dial(scene.worker);
    await until(() => scene.worker.newest !== null);
    await scene.round();
    expect(offers()).toEqual([]);
    scene.world.clock.advance(10);
    scene.proxy.workers.refreshAll();
    await until(() => offers().length === 1);
  });

  it.each([
    ['image was removed', (of: World) => of.images.clear()],
    ['model was removed', (of: World) => of.models.clear()],
    [
      'image was listed anew and is not active yet',
      (of: World) => of.images.set(of.guest.imageHash, { roles: ['worker'], activeFromSec: NOW + 5 }),
    ],
    [
      'model is listed as another kind',
      (of: World) => of.models.set(of.guest.offer.model.hash, { kind: 'verity', activeFromSec: NOW - 100 }),
    ],
    ['image may no longer be a worker', (of: World) => of.images.set(of.guest.imageHash, { roles: ['proxy'], activeFromSec: NOW - 5 })],
  ])('is no longer offered once its %s', async (_what, change) => {
    await scene.attach();
    change(scene.world);
    await scene.round();
    await until(() => offers().length === 0);
    expect(await scene.caller.ask(scene.connection, scene.world.guest)).toMatchObject({ code: 'worker_gone' });
  });

  it('is no longer offered once its image was removed, though it answers nothing any more', async () => {
    await scene.attach();
    scene.worker.before = () => new Promise(() => {});
    scene.proxy.workers.refreshAll();
    scene.world.images.clear();
    scene.proxy.workers.refreshAll();
    await until(() => offers().length === 0);
    expect(scene.proxy.workers.size).toBe(1);
  });

  it('whose evidence was refused is asked for it again after ten seconds, not with every round', async () => {
    scene.world.images.clear();
    await scene.proxy.dial(scene.worker);
    await until(() => scene.worker.newest !== null);
    for (let rounds = 0; rounds < 3; rounds++) await scene.round();
    expect(scene.worker.countOf('GET /v1/evidence')).toBe(1);
    scene.world.clock.advance(10);
    await scene.round();
    expect(scene.worker.countOf('GET /v1/evidence')).toBe(2);
  });

  it('that shows the evidence of another guest is dropped', async () => {
    await scene.proxy.dial(new TestWorker(scene.world.guest, generateSigner()));
    await until(() => scene.proxy.workers.size === 1);
    await scene.dropped();
  });

  it('is offered with the keys that were verified, whatever it says later', async () => {
    await scene.attach();
    const { guest } = scene.worker.info;
    if (guest === null) throw new Error('no guest');
    scene.worker.info = {
      ...scene.worker.info,
      guest: { ...guest, keys: { ...guest.keys, receipt: hex(0x99) }, model: { ...guest.model, name: 'other' } },
    };
    await scene.round();
    expect(offers()).toMatchObject([
      { keys: { receipt: scene.world.guest.offer.keys.receipt }, model: { name: scene.world.guest.offer.model.name } },
    ]);
  });

  it.each([
    ['names another owner', (of: TestWorker) => ({ ...of.info, owner: `0:${hex(0x23)}` })],
    ['asks prices that no statement can carry', (of: TestWorker) => ({ ...of.info, prices: { ...of.info.prices, answer: 1n << 48n } })],
  ])('that %s is dropped, and the offers of others stand', async (_what, change) => {
    const other = new TestWorker(await makeGuest());
    scene.world.list(other.guest);
    await scene.attach();
    await scene.proxy.attach(other);
    scene.worker.info = change(scene.worker);
    scene.proxy.workers.refreshAll();
    await until(() => scene.proxy.workers.size === 1);
    expect(offers().map(({ keys }) => keys.evidence)).toEqual([other.guest.digest]);
  });

  it('that does not answer keeps no other waiting', async () => {
    await scene.attach();
    scene.worker.before = () => new Promise(() => {});
    scene.proxy.workers.refreshAll();
    const other = new TestWorker(await makeGuest());
    scene.world.list(other.guest);
    await scene.proxy.attach(other);
    await scene.round(other);
    await scene.round(other);
    expect(scene.proxy.workers.size).toBe(2);
  });

  it('with a GPU is offered where its GPU is believed, and clients get its GPU evidence as it came', async () => {
    const strict = await policyOf();
    scene.world.gpu = strict;
    await scene.restart();
    const withGpu = new TestWorker(await makeGuest(undefined, undefined, {}, documentFor));
    scene.world.list(withGpu.guest);
    await scene.proxy.attach(withGpu);
    const { digest, gpuEvidence } = withGpu.guest;
    expect(withGpu.countOf(`GET /v1/gpu-evidence/${digest}`)).toBe(1);
    scene.connection = await scene.proxy.connect();
    const served = await scene.connection.call({ method: 'GET', path: `/v1/gpu-evidence/${digest}` });
    expect(served.status).toBe(200);
    expect(toHex(await readAll(served.body, MAX_GPU_DOCUMENT_SIZE))).toBe(toHex(gpuEvidence ?? new Uint8Array(0)));
    const none = await scene.connection.call({ method: 'GET', path: `/v1/gpu-evidence/${scene.world.guest.digest}` });
    expect(none.status).toBe(404);
  });

  it.each([
    ['whose GPU nobody lists', async () => makeGuest(undefined, undefined, {}, documentFor), async () => ({})],
    ['that shows no GPU where one is required', async () => makeGuest(), policyOf],
    [
      "that shows another worker's GPU",
      async () => makeGuest(undefined, undefined, {}, async () => documentFor({ sealing: [], receipt: hex(0x44) })),
      policyOf,
    ],
  ])('%s is not offered', async (_what, make, gpu) => {
    scene.world.gpu = { ...scene.world.gpu, ...(await gpu()) };
    await scene.restart();
    const refused = new TestWorker(await make());
    scene.world.list(refused.guest);
    await scene.proxy.dial(refused);
    await until(() => refused.newest !== null);
    await scene.round(refused);
    expect(offers()).toEqual([]);
  });

  it('that takes no vouchers gets no work', async () => {
    scene.worker.before = async (call) => {
      if (call.path === '/v1/vouchers') throw new CallError('voucher_refused', 'no');
    };
    await scene.proxy.dial(scene.worker);
    await until(() => scene.worker.countOf('POST /v1/vouchers') > 0);
    await scene.round();
    expect(offers()).toEqual([]);
    scene.worker.before = async () => {};
    scene.proxy.workers.refreshAll();
    await until(() => offers().length === 1);
  });

  it('that raises its prices behind an offer is paid by the offer', async () => {
    await scene.attach();
    const doubled = Object.entries(scene.worker.info.prices).map(([name, price]) => [name, price * 2n] as const);
    const prices = { uncachedPrompt: 0n, cachedPrompt: 0n, answer: 0n, reasoning: 0n, ...Object.fromEntries(doubled) };
    scene.worker.info = { ...scene.worker.info, prices };
    await scene.round();
    expect(await scene.caller.ask(scene.connection, scene.world.guest)).toBeNull();
    expect(scene.standing().outstanding).toBe(PRICE);
    expect(scene.owed()).toBe(EARNED);
  });

  it('serves its evidence from what was verified', async () => {
    await scene.attach();
    const asked = scene.worker.countOf('GET /v1/evidence');
    const path = `/v1/evidence/${scene.world.guest.digest}`;
    for (let i = 0; i < 3; i++) expect((await scene.connection.call({ method: 'GET', path })).status).toBe(200);
    expect(scene.worker.countOf('GET /v1/evidence')).toBe(asked);
    expect((await scene.connection.call({ method: 'GET', path: `/v1/evidence/${hex(1)}` })).status).toBe(404);
  });
});
