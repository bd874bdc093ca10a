import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadIntelRoot } from '../attestation/intel-root';
import { createDevelopmentRoot } from '../attestation/platform/development-root';
import { guestStatus } from '../protocol/calls';
import { readJson } from '../protocol/json';
import { type RunningChild, startChild } from '../runtime/child';
import { controlSocketPath, getControl } from '../runtime/control';
import { nodeCrypto } from '../runtime/node-crypto';
import { type Connection, readAll } from '../transport/exchange';
import { connectionOver } from '../transport/session';
import { dialLocal } from '../transport/tls';
import { NOW_SEC, OWNER, ROOT } from './guest.test-kit';
import { ScriptedEngine } from './scripted-engine.test-kit';

describe('the guest process', () => {
  let folder: string;
  let engine: ScriptedEngine;
  const open: Connection[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-guest-'));
    engine = await ScriptedEngine.start();
    const der = await createDevelopmentRoot(join(folder, 'platform'), NOW_SEC);
    writeNetwork('network.json', { kind: 'development', der: Buffer.from(der).toString('base64') });
  });
  afterAll(() => {
    for (const connection of open) connection.close();
    engine.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  function writeNetwork(name: string, root: object): void {
    const network = {
      name: 'test',
      networkId: -3,
      root: ROOT,
      chain: [{ url: 'http://127.0.0.1:1' }],
      trustRoots: [root],
      pccs: 'http://127.0.0.1:9',
      clock: 'system',
    };
    writeFileSync(join(folder, name), JSON.stringify(network));
  }

  function start(more: object = {}): Promise<RunningChild> {
    const config = {
      stateFolder: join(folder, 'state'),
      network: join(folder, 'network.json'),
      socket: join(folder, 'guest.sock'),
      owner: OWNER,
      platform: { kind: 'simulated', folder: join(folder, 'platform') },
      engine: { kind: 'url', url: engine.url },
      ...more,
    };
    writeFileSync(join(folder, 'guest.json'), JSON.stringify(config));
    return startChild({ name: 'guest', script: join(__dirname, 'main'), configFile: join(folder, 'guest.json') });
  }

  async function isServing(): Promise<boolean> {
    const connection = connectionOver(await dialLocal(join(folder, 'guest.sock')));
    open.push(connection);
    const answer = await connection.call({ method: 'GET', path: '/v1/guest' });
    return readJson(guestStatus, await readAll(answer.body, 65_536)).simulated;
  }

  it('serves its socket, its health and its metrics, survives a kill, and stops when it is told', async () => {
    const killed = await start();
    expect(killed.details).toMatchObject({ simulated: true, modelProven: false });
    expect(await isServing()).toBe(true);
    await killed.kill();

    const guest = await start();
    expect(await isServing()).toBe(true);
    const control = controlSocketPath(join(folder, 'state'));
    expect(JSON.parse((await getControl(control, '/healthz')).body)).toMatchObject({ name: 'guest', details: { simulated: true } });
    expect((await getControl(control, '/metrics')).body).toContain('cocoon_guest_ready 0');
    expect(await guest.stop()).toMatchObject({ code: 0 });
    await expect(dialLocal(join(folder, 'guest.sock'))).rejects.toThrow('cannot connect');
  }, 60_000);

  it("refuses in one line to simulate a machine on a network with Intel's root", async () => {
    const { der } = (await loadIntelRoot(nodeCrypto)).certificate;
    writeNetwork('real.json', { kind: 'intel', der: Buffer.from(der).toString('base64') });
    await expect(start({ network: join(folder, 'real.json') })).rejects.toThrow('network test has a real trust root');
  }, 60_000);

  it('refuses a configuration that names both kinds of engine', async () => {
    const both = { kind: 'url', url: engine.url, modelPath: 'x.gguf' };
    await expect(start({ engine: both })).rejects.toThrow(/guest\.json: .*modelPath/);
  }, 60_000);
});
