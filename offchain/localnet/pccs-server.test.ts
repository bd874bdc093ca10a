import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PcsSource } from '../attestation/pcs-source';
import { createDevelopmentRoot } from '../attestation/platform/development-root';
import { NOW, refusalsOfPlatform } from '../attestation/platform/forgery.test-kit';
import { openSimulatedPlatform } from '../attestation/platform/simulated';
import { loadTrustRoot } from '../attestation/trust-root';
import { FixedClock } from '../core/clock';
import { nodeCrypto } from '../runtime/node-crypto';
import { type PccsServer, servePccs } from './pccs-server';

const machine = { mrTd: new Uint8Array(48).fill(1), configDigest: new Uint8Array(48).fill(2) };
let parent = '';
let folder = '';
let server: PccsServer | null = null;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'cocoon-pccs-'));
  folder = join(parent, 'platform');
});

afterEach(async () => {
  await server?.close();
  server = null;
  await rm(parent, { recursive: true, force: true });
});

describe("the local network's PCCS", () => {
  test('hands out collateral under which the simulated platform is up to date, at any time of the chain', async () => {
    const root = await loadTrustRoot({ kind: 'development', der: await createDevelopmentRoot(folder, NOW) }, nodeCrypto);
    const platform = await openSimulatedPlatform({ folder, ...machine });
    const clock = new FixedClock(NOW);
    server = await servePccs(folder, 0, async () => clock.nowSec());
    const quote = await platform.quote(new Uint8Array(64));
    const source = new PcsSource({ baseUrl: server.url, fetch: (url, init) => fetch(url, init), clock });
    for (const days of [0, 1, 365]) {
      clock.advance(days * 86_400);
      expect(await refusalsOfPlatform({ quote, root, collateral: source, nowSec: clock.nowSec() })).toEqual([]);
    }
  });

  test('has nothing while the time is not known (503), and answers GET only (405)', async () => {
    await createDevelopmentRoot(folder, NOW);
    server = await servePccs(folder, 0, () => Promise.reject(new Error('no chain')));
    expect((await fetch(`${server.url}/sgx/certification/v4/rootcacrl`)).status).toBe(503);
    expect((await fetch(server.url, { method: 'POST' })).status).toBe(405);
  });

  test('is refused a port that is in use (port_unusable), and a folder without a root (bad_development_root)', async () => {
    await expect(servePccs(folder, 0, async () => NOW)).rejects.toMatchObject({ code: 'bad_development_root' });
    await createDevelopmentRoot(folder, NOW);
    server = await servePccs(folder, 0, async () => NOW);
    const port = Number(new URL(server.url).port);
    await expect(servePccs(folder, port, async () => NOW)).rejects.toMatchObject({ code: 'port_unusable' });
  });
});
