import type { CollateralSource } from '../attestation/collateral';
import { decodeBundle, encodeBundle, evidenceDigest } from '../attestation/evidence';
import { documentFor, policyOf } from '../attestation/gpu/gpu.test-kit';
import { PccsError } from '../attestation/pcs-source';
import { intelRoot, makePki, platformOf, realQuote } from '../attestation/platform/forgery.test-kit';
import { writeQuote } from '../attestation/platform/quote-writer';
import { GPU_CHECKS } from '../attestation/report';
import { toHex } from '../core/bytes';
import { until } from '../core/until.test-kit';
import { generateSigner, nodeCrypto } from '../runtime/node-crypto';
import { generateSealingKey } from '../sealing/keys';
import {
  CHAT_URL,
  chat,
  hex,
  MODEL,
  makeGuest,
  NOW,
  openTestClient,
  type TestClient,
  type TestClientOptions,
  type TestGuest,
  TestProxy,
  testCollateral,
} from './client.test-kit';

const CANARY = 'zyzzogeton';
/** No block is asked for in the name of an image that is not listed. */
const NO_BLOCK = ['block-known', 'block-age', 'block-not-future'] as const;

const session = generateSigner();
let guest: TestGuest;
let peer: TestProxy;

beforeAll(async () => {
  guest = await makeGuest();
});

beforeEach(async () => {
  peer = await TestProxy.open(session.publicKey, [guest]);
});

afterEach(async () => {
  await peer.close();
  expect(peer.defects).toEqual([]);
});

/** The checks that a request names when it is refused; nothing may have left then, sealed or not. */
async function refusedChecks(client: TestClient): Promise<readonly string[]> {
  const response = await client.fetch(CHAT_URL, chat(`my secret is ${CANARY}`));
  const body: unknown = await response.json();
  expect(response.status).toBe(403);
  expect(body).toMatchObject({ error: { code: 'evidence_refused', type: 'permission_error', checks: expect.any(Array) } });
  expect(peer.relays).toEqual([]);
  expect(peer.calls.filter((call) => !call.startsWith('GET '))).toEqual([]);
  expect(client.book.lastNumber).toBe(0n);
  expect(client.defects).toEqual([]);
  await client.close();
  const checks: string[] = [];
  if (typeof body === 'object' && body !== null && 'error' in body) {
    const { error } = body;
    if (typeof error === 'object' && error !== null && 'checks' in error && Array.isArray(error.checks))
      checks.push(...error.checks.map(String));
  }
  return checks;
}

function client(options: Partial<TestClientOptions> = {}): Promise<TestClient> {
  return openTestClient(peer, { session, ...options });
}

test('seals to a guest whose evidence holds, and asks for its bundle once', async () => {
  const honest = await client();
  expect((await honest.fetch(CHAT_URL, chat('one'))).status).toBe(200);
  expect((await honest.fetch(CHAT_URL, chat('two'))).status).toBe(200);
  expect(peer.countOf('GET /v1/evidence/')).toBe(1);
  expect(honest.reports.map(({ simulated, modelProven }) => ({ simulated, modelProven }))).toEqual([
    { simulated: true, modelProven: true },
    { simulated: true, modelProven: true },
  ]);
  await honest.close();
});

describe('a guest with a GPU', () => {
  let withGpu: TestGuest;
  beforeAll(async () => {
    withGpu = await makeGuest(MODEL, undefined, {}, documentFor);
  });
  beforeEach(() => {
    peer.guests.splice(0, 1, withGpu);
    peer.offered = [withGpu.offer];
  });

  test('is sealed to by who lists its GPU, and its GPU evidence is asked for once', async () => {
    const honest = await client({ policy: { gpu: await policyOf() } });
    expect((await honest.fetch(CHAT_URL, chat('one'))).status).toBe(200);
    expect((await honest.fetch(CHAT_URL, chat('two'))).status).toBe(200);
    expect(peer.countOf('GET /v1/gpu-evidence/')).toBe(1);
    await honest.close();
  });

  test('is refused by who believes no GPUs (gpu-root, gpu-mode, gpu-driver, gpu-vbios)', async () => {
    expect(await refusedChecks(await client())).toEqual(['gpu-root', 'gpu-mode', 'gpu-driver', 'gpu-vbios', 'gpu-chain']);
  });

  test('is refused when its GPU evidence is kept back, or is of another guest (gpu-evidence)', async () => {
    const policy = { gpu: await policyOf() };
    peer.guests.splice(0, 1, { ...withGpu, gpuEvidence: null });
    expect(await refusedChecks(await client({ policy }))).toEqual(GPU_CHECKS);
    const other = await makeGuest(MODEL, undefined, {}, documentFor);
    peer.guests.splice(0, 1, { ...withGpu, gpuEvidence: other.gpuEvidence });
    expect(await refusedChecks(await client({ policy }))).toEqual(GPU_CHECKS);
  });

  test("is refused with another guest's GPU evidence in its own claims (gpu-nonce, gpu-appraisal)", async () => {
    const stolen = await makeGuest(MODEL, undefined, {}, async () => withGpu.gpuEvidence);
    peer.guests.splice(0, 1, stolen);
    peer.offered = [stolen.offer];
    expect(await refusedChecks(await client({ policy: { gpu: await policyOf() } }))).toEqual([
      ...['gpu-nonce', 'gpu-appraisal', 'gpu-manifests', 'gpu-debug', 'gpu-revocation'],
    ]);
  });

  test('that shows no GPU is refused where one is required (gpu-evidence)', async () => {
    peer.guests.splice(0, 1, guest);
    peer.offered = [guest.offer];
    expect(await refusedChecks(await client({ policy: { gpu: await policyOf() } }))).toEqual(GPU_CHECKS);
  });
});

describe('refuses, and sends nothing, for', () => {
  test("evidence of another guest's keys (bundle-digest, sealing-key, receipt-key)", async () => {
    const other = await makeGuest();
    peer.offered = [other.offer];
    expect(await refusedChecks(await client())).toEqual(['bundle-digest', 'sealing-key', 'receipt-key']);
  });

  test('an offer with a key that the evidence does not have (sealing-key)', async () => {
    const { publicKey } = await generateSealingKey();
    const sealing = guest.offer.keys.sealing.map((entry) => ({ ...entry, publicKey: toHex(publicKey) }));
    peer.offered = [{ ...guest.offer, keys: { ...guest.offer.keys, sealing } }];
    expect(await refusedChecks(await client())).toEqual(['sealing-key']);
  });

  test('an image that is not listed, or was removed (image-listed)', async () => {
    const refusing = await client();
    refusing.images.clear();
    expect(await refusedChecks(refusing)).toEqual(['image-listed', ...NO_BLOCK, 'image-role', 'image-active']);
  });

  test('an image that is listed and not active yet (image-active)', async () => {
    const refusing = await client();
    refusing.images.set(guest.imageHash, { roles: ['worker'], activeFromSec: NOW + 5 });
    expect(await refusedChecks(refusing)).toEqual(['image-active']);
  });

  test('an image that is listed for proxies only (image-role)', async () => {
    const refusing = await client();
    refusing.images.set(guest.imageHash, { roles: ['proxy'], activeFromSec: NOW - 5 });
    expect(await refusedChecks(refusing)).toEqual(['image-role', ...NO_BLOCK]);
  });

  test('a model that is not listed (model-listed)', async () => {
    const refusing = await client();
    refusing.models.clear();
    expect(await refusedChecks(refusing)).toEqual(['model-listed', 'model-active']);
  });

  test('a model that nothing proves (model-proven)', async () => {
    const unproven = await makeGuest({ ...MODEL, kind: 'unproven' });
    peer.guests.splice(0, 1, unproven);
    expect(await refusedChecks(await client())).toEqual(['model-proven']);
  });

  test('a model with another name than its evidence has (claims-model)', async () => {
    peer.offered = [{ ...guest.offer, model: { ...guest.offer.model, hash: hex(0x01) } }];
    expect(await refusedChecks(await client())).toEqual(['claims-model']);
  });

  test('a stale block (block-age)', async () => {
    expect(await refusedChecks(await client({ block: { rootHash: hex(0x66), atSec: NOW - 26 * 3600 } }))).toEqual(['block-age']);
  });

  test('a block from the future (block-not-future)', async () => {
    expect(await refusedChecks(await client({ block: { rootHash: hex(0x66), atSec: NOW + 120 } }))).toEqual(['block-not-future']);
  });

  test('a block that the chain does not know (block-known)', async () => {
    expect(await refusedChecks(await client({ block: null }))).toEqual(['block-known', 'block-age', 'block-not-future']);
  });

  test('another owner than the evidence names (claims-owner)', async () => {
    peer.offered = [{ ...guest.offer, owner: `0:${hex(0x99)}` }];
    expect(await refusedChecks(await client())).toEqual(['claims-owner']);
  });

  test("a real quote under Intel's root over other claims, with a development root's collateral (root-crl, report-data)", async () => {
    const { claims } = decodeBundle(guest.bundle);
    const bundle = encodeBundle({ quote: realQuote('fmspc-90c06f'), claims });
    const digest = await evidenceDigest(bundle, nodeCrypto);
    const offer = { ...guest.offer, keys: { ...guest.offer.keys, evidence: digest } };
    peer.guests.splice(0, 1, { ...guest, bundle, digest, offer });
    const checks = await refusedChecks(await client({ policy: { trustRoots: [await intelRoot()] } }));
    expect(checks[0]).toBe('root-crl');
    expect(checks).toContain('report-data');
  });

  test('a quote under a development root that is not the one of the network (trust-root)', async () => {
    const { pck, ca, root } = makePki();
    const foreign = await makeGuest(MODEL, (td) => writeQuote(td, platformOf([pck, ca, root])));
    peer.guests.splice(0, 1, foreign);
    const [first] = await refusedChecks(await client());
    expect(first).toBe('trust-root');
  });

  test('a platform that is out of date (tcb-level)', async () => {
    const [first] = await refusedChecks(await client({ collateral: testCollateral({ standing: { platform: 'OutOfDate' } }) }));
    expect(first).toBe('tcb-level');
  });

  test('a platform whose collateral cannot be had (collateral-available)', async () => {
    const collateral: CollateralSource = {
      collateralFor: () => {
        throw new PccsError('pccs_unreachable', 'no answer');
      },
      drop: () => undefined,
    };
    const [first] = await refusedChecks(await client({ collateral }));
    expect(first).toBe('collateral-available');
  });

  test('evidence whose keys have expired (keys-not-expired)', async () => {
    const late = await client({ policy: { maxBlockAgeSec: 30 * 86_400 } });
    late.clock.advance(86_400);
    expect(await refusedChecks(late)).toEqual(['keys-not-expired']);
  });
});

describe('a verdict that is kept', () => {
  test('ends as soon as the image is removed from the allowlist', async () => {
    const refusing = await client();
    expect((await refusing.fetch(CHAT_URL, chat('one'))).status).toBe(200);
    refusing.images.clear();
    const response = await refusing.fetch(CHAT_URL, chat(CANARY));
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ error: { checks: ['image-listed', ...NO_BLOCK, 'image-role', 'image-active'] } });
    expect(peer.relays).toHaveLength(1);
    await refusing.close();
  });

  test('ends as soon as the model is removed', async () => {
    const refusing = await client();
    expect((await refusing.fetch(CHAT_URL, chat('one'))).status).toBe(200);
    refusing.models.clear();
    expect((await refusing.fetch(CHAT_URL, chat('two'))).status).toBe(403);
    await refusing.close();
  });

  test('ends when its block has become too old', async () => {
    const refusing = await client();
    expect((await refusing.fetch(CHAT_URL, chat('one'))).status).toBe(200);
    refusing.clock.advance(25 * 3600);
    expect((await refusing.fetch(CHAT_URL, chat('two'))).status).toBe(403);
    await refusing.close();
  });

  test('ends also under a request that waits for its turn: nothing is sealed then, and the check is named', async () => {
    const refusing = await client();
    peer.info = { ...peer.info, creditWindow: 700n };
    let release = () => {};
    peer.hold = new Promise((resolve) => {
      release = resolve;
    });
    const first = refusing.fetch(CHAT_URL, chat('one'));
    await until(() => peer.relays.length === 1);
    const looks = jest.spyOn(refusing.images, 'get');
    const waiting = refusing.fetch(CHAT_URL, chat(CANARY));
    await until(() => looks.mock.calls.length > 0);
    refusing.images.clear();
    peer.hold = null;
    release();
    expect((await first).status).toBe(200);
    const response = await waiting;
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ error: { checks: ['image-listed', ...NO_BLOCK, 'image-role', 'image-active'] } });
    expect(peer.relays).toHaveLength(1);
    expect(refusing.book.reserved).toBe(0n);
    await refusing.close();
  });

  test('is not used for another owner under the same digest', async () => {
    const refusing = await client();
    expect((await refusing.fetch(CHAT_URL, chat('one'))).status).toBe(200);
    peer.offered = [{ ...guest.offer, owner: `0:${hex(0x99)}` }];
    refusing.clock.advance(60);
    const response = await refusing.fetch(CHAT_URL, chat('two'));
    expect(await response.json()).toMatchObject({ error: { checks: ['claims-owner'] } });
    await refusing.close();
  });
});

test('passes over a guest that is refused and takes the next', async () => {
  const second = await makeGuest();
  peer.guests.push(second);
  peer.offered = [{ ...guest.offer, owner: `0:${hex(0x99)}`, prices: { ...guest.offer.prices, answer: 1n } }, second.offer];
  const choosing = await client();
  const response = await choosing.fetch(CHAT_URL, chat('one'));
  expect(response.headers.get('cocoon-worker')).toBe(second.digest);
  await choosing.close();
});

test('does not connect to a server with another TLS key than the one on chain (pin_mismatch)', async () => {
  const wrong = await client({ pin: hex(0x01) });
  const response = await wrong.fetch(CHAT_URL, chat(CANARY));
  expect(response.status).toBe(502);
  expect(await response.json()).toMatchObject({ error: { code: 'pin_mismatch' } });
  expect(peer.calls).toEqual([]);
  await wrong.close();
});

test('refuses a proxy that names another operator than the chain (proxy_differs)', async () => {
  peer.info = { ...peer.info, operator: `0:${hex(0x01)}` };
  const wrong = await client();
  expect(await (await wrong.fetch(CHAT_URL, chat(CANARY))).json()).toMatchObject({ error: { code: 'proxy_differs' } });
  expect(peer.calls).toEqual(['GET /v1/proxy']);
  await wrong.close();
});
