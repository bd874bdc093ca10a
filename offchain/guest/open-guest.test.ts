import { appendFileSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { decodeClaims } from '../attestation/claims';
import { decodeBundle } from '../attestation/evidence';
import { loadIntelRoot } from '../attestation/intel-root';
import { EmulatedTdx } from '../attestation/platform/emulated-tdx.test-kit';
import { makePki } from '../attestation/platform/forgery.test-kit';
import { extended } from '../attestation/platform/runtime-register';
import { parseQuote } from '../attestation/quote';
import { fromUtf8 } from '../core/bytes';
import type { GuestStatus } from '../protocol/calls';
import { parseConfig } from '../runtime/config';
import { silentLog } from '../runtime/log';
import type { Network } from '../runtime/network';
import { nodeCrypto } from '../runtime/node-crypto';
import { GuestConfigSchema } from './config';
import { DEMO_MODEL_PATH } from './engine/demo-model';
import { modelHash } from './engine/model-hash';
import { SupervisedEngine } from './engine/supervised-engine';
import { verityDevice } from './engine/verity-mount.test-kit';
import { NOW_SEC, OWNER, ROOT } from './guest.test-kit';
import { imageConfigDigest } from './guest-image';
import { type OpenGuest, openGuest } from './open-guest';

const TMPFS = 0x01021994n;
const EXT4 = 0xef53n;
const rootOf = (kind: 'intel' | 'development', der: Uint8Array) => ({ kind, der: Buffer.from(der).toString('base64') });

describe('a guest on (emulated) TDX', () => {
  let folder: string;
  let modelPath: string;
  let kernel: EmulatedTdx;
  let guest: OpenGuest | null = null;
  let mountedRoot: string;
  let changed: () => void = () => {};
  let intelRoot: Network['trustRoots'][number];
  beforeAll(async () => {
    intelRoot = rootOf('intel', (await loadIntelRoot(nodeCrypto)).certificate.der);
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-tdx-'));
    modelPath = join(folder, 'demo.gguf');
    copyFileSync(DEMO_MODEL_PATH, modelPath);
    kernel = new EmulatedTdx();
    mountedRoot = 'ab'.repeat(32);
    guest = null;
  });
  afterEach(async () => {
    await guest?.close();
    rmSync(folder, { recursive: true });
  });

  async function open(
    engine: object = { kind: 'embedded', modelPath },
    root: Network['trustRoots'][number] = intelRoot,
    fileSystem = TMPFS,
  ): Promise<OpenGuest> {
    const network: Network = {
      name: 'test',
      networkId: -3,
      root: ROOT,
      chain: [{ url: 'http://127.0.0.1:1' }],
      trustRoots: [root],
      pccs: 'http://127.0.0.1:1',
      clock: 'chain',
    };
    const config = parseConfig(
      GuestConfigSchema,
      {
        stateFolder: folder,
        network: join(folder, 'network.json'),
        socket: join(folder, 'guest.sock'),
        owner: OWNER,
        platform: { kind: 'tdx' },
        engine,
      },
      'test',
    );
    guest = await openGuest(config, {
      network,
      log: silentLog(),
      metrics: new Registry(),
      onStatus: () => changed(),
      machine: {
        files: kernel,
        kernelRelease: kernel.kernelRelease,
        fileSystemType: async () => fileSystem,
        deviceMapper: verityDevice(() => mountedRoot),
      },
    });
    return guest;
  }

  async function until(opened: OpenGuest, holds: (status: GuestStatus) => boolean): Promise<GuestStatus> {
    for (;;) {
      const status = opened.guest.status();
      if (holds(status)) return status;
      await new Promise<void>((resolve) => {
        changed = resolve;
      });
    }
  }

  async function ready(opened: OpenGuest): Promise<GuestStatus> {
    await opened.guest.tellBlock({ seqno: 7, rootHash: '7'.repeat(64), atSec: NOW_SEC });
    return until(opened, ({ state }) => state === 'ready' || state === 'failed');
  }

  it('shows evidence from its hardware, nothing of it simulated, with the image measured in RTMR3', async () => {
    const opened = await open();
    const status = await ready(opened);
    expect(status).toMatchObject({ state: 'ready', simulated: false, image: 'cocoon-guest', model: { kind: 'files' } });
    const { quote, claims } = decodeBundle(opened.guest.evidence(status.keys?.evidence ?? '') ?? new Uint8Array());
    const { td } = parseQuote(quote);
    expect(td.rtmr[3]).toEqual(extended(new Uint8Array(48), imageConfigDigest()));
    expect(decodeClaims(claims)).toMatchObject({ role: 'worker', image: 'cocoon-guest' });
    expect(fromUtf8(claims)).not.toContain('SIMULATED');
  }, 60_000);

  it('proves the model again before an engine that died is started, and never serves one that has changed', async () => {
    const opened = await open({ kind: 'embedded', modelPath, modelHash: await modelHash(modelPath) });
    await ready(opened);
    const { engine } = opened;
    if (!(engine instanceof SupervisedEngine)) throw new Error('the engine is not supervised');
    const first = engine.pid ?? 0;
    process.kill(first, 'SIGKILL');
    await until(opened, () => engine.pid !== first && engine.state().tag === 'ready');

    appendFileSync(modelPath, 'x');
    process.kill(engine.pid ?? 0, 'SIGKILL');
    const failed = await until(opened, ({ state }) => state === 'failed');
    expect(failed.reason).toMatch(/model's hash is [0-9a-f]{64}/);
  }, 60_000);

  it('asks again for the root of a mounted image before an engine that died is started, and serves no other (verity)', async () => {
    const opened = await open({ kind: 'embedded', modelPath, proof: 'verity', modelHash: mountedRoot }, intelRoot, EXT4);
    expect(await ready(opened)).toMatchObject({ state: 'ready', model: { kind: 'verity', hash: mountedRoot } });
    const { engine } = opened;
    if (!(engine instanceof SupervisedEngine)) throw new Error('the engine is not supervised');
    const first = engine.pid ?? 0;
    process.kill(first, 'SIGKILL');
    await until(opened, () => engine.pid !== first && engine.state().tag === 'ready');

    mountedRoot = 'cd'.repeat(32);
    process.kill(engine.pid ?? 0, 'SIGKILL');
    const failed = await until(opened, ({ state }) => state === 'failed');
    expect(failed.reason).toContain(`model's hash is ${mountedRoot}`);
  }, 60_000);

  it('says so while the host gives no quote, and goes on when it does', async () => {
    const opened = await open();
    kernel.failures.set('read outblob', 'ETIMEDOUT');
    expect(await ready(opened)).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining("host's quoting service did not answer"),
    });
    kernel.failures.clear();
    await opened.guest.tellBlock({ seqno: 8, rootHash: '8'.repeat(64), atSec: NOW_SEC + 1 });
    expect(await until(opened, ({ state }) => state === 'ready')).toMatchObject({ reason: null });
  }, 60_000);

  it("serves no model from a disk, which is its host's", async () => {
    const opened = await open(undefined, intelRoot, EXT4);
    expect(await until(opened, ({ state }) => state === 'failed')).toMatchObject({ reason: expect.stringContaining('lies on a disk') });
  });

  it('serves no other model than its config names', async () => {
    const opened = await open({ kind: 'embedded', modelPath, modelHash: '0'.repeat(64) });
    expect(await until(opened, ({ state }) => state === 'failed')).toMatchObject({
      reason: expect.stringContaining('the config names 0000'),
    });
  });

  it("refuses a development root that is passed off as Intel's (bad_trust_root)", async () => {
    await expect(open(undefined, rootOf('intel', makePki().root.der))).rejects.toMatchObject({ code: 'bad_trust_root' });
  });

  it('refuses a network under a development root, and an engine whose model nothing proves', async () => {
    await expect(open(undefined, rootOf('development', makePki().root.der))).rejects.toMatchObject({ code: 'tdx_platform' });
    await expect(open({ kind: 'url', url: 'http://127.0.0.1:1' })).rejects.toMatchObject({ code: 'model_not_proven' });
    expect(kernel.operations).toEqual([]);
  });

  it('does not start off TDX hardware, and says what is missing', async () => {
    kernel.folders.clear();
    await expect(open()).rejects.toMatchObject({ name: 'ConfigError', code: 'tsm_missing' });
  });

  it('has a config that names no folder: only the simulated platform has one', () => {
    const config = { stateFolder: folder, network: 'n', socket: 's', owner: OWNER, engine: { kind: 'embedded', modelPath } };
    expect(() => parseConfig(GuestConfigSchema, { ...config, platform: { kind: 'tdx', folder } }, 'test')).toThrow(/folder/);
    expect(() => parseConfig(GuestConfigSchema, { ...config, platform: { kind: 'sev' } }, 'test')).toThrow(/platform/);
  });
});
