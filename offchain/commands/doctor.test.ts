import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fixture, makePki } from '../attestation/platform/forgery.test-kit';
import { tdxGuest, tdxHost } from '../doctor/emulated-machine.test-kit';
import { listen } from '../transport/tls';
import { type DoctorOptions, doctorCommand } from './doctor';
import { RecordedTerminal } from './terminal.test-kit';

describe('cocoon doctor', () => {
  let folder: string;
  let pccs: Server;
  let port: number;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-doctor-'));
    pccs = createServer((_request, response) => response.end('x'));
    port = await listen(pccs, { host: '127.0.0.1', port: 0 });
  });
  afterAll(() => {
    pccs.close();
    pccs.closeAllConnections();
    rmSync(folder, { recursive: true });
  });

  async function run(options: DoctorOptions, machine = tdxHost()): Promise<{ readonly isHealthy: boolean; readonly text: string }> {
    const terminal = new RecordedTerminal();
    const isHealthy = await doctorCommand(options, machine, terminal);
    return { isHealthy, text: terminal.written };
  }

  function networkFile(kind: 'development' | 'intel'): string {
    const path = join(folder, `${kind}.json`);
    const chain = [{ url: `http://127.0.0.1:${port}/none` }];
    writeFileSync(
      path,
      JSON.stringify({
        name: 'test',
        networkId: -3,
        root: `0:${'1'.repeat(64)}`,
        chain,
        trustRoots: [
          { kind, der: Buffer.from(kind === 'intel' ? fixture('intel-sgx-root-ca.der') : makePki().root.der).toString('base64') },
        ],
        pccs: `http://127.0.0.1:${port}`,
        clock: 'chain',
      }),
    );
    return path;
  }

  it('is content with a host where everything is in order, and says what it did not look at', async () => {
    const { isHealthy, text } = await run({});
    expect(isHealthy).toBe(true);
    expect(text).toContain('as the host of a guest');
    expect(text).toContain('Chain and proxies were not looked at');
    expect(text).not.toContain('SIMULATED');
  });

  it('sees by itself that it is in a guest', async () => {
    const { isHealthy, text } = await run({}, tdxGuest());
    expect(isHealthy).toBe(true);
    expect(text).toContain('as a guest:');
    expect(text).toContain('ok    quote');
  });

  it('fails where something failed, with the remedy', async () => {
    const { isHealthy, text } = await run({ guest: true });
    expect(isHealthy).toBe(false);
    expect(text).toMatch(/FAIL {2}tdx .*\n +-> start this machine as a TDX guest/);
  });

  it('says SIMULATED of a network under a development root, and fails where its chain does not answer as one', async () => {
    const { isHealthy, text } = await run({ network: networkFile('development') });
    expect(text).toContain('SIMULATED: network test needs no confidential hardware');
    expect(text).toMatch(/ok {4}network +test, under a development root: SIMULATED/);
    expect(text).toMatch(/FAIL {2}chain .*127\.0\.0\.1/);
    expect(text).toMatch(/ok {4}pccs/);
    expect(isHealthy).toBe(false);
    expect((await run({ network: networkFile('intel') })).text).not.toContain('SIMULATED');
  });

  it('looks at a PCCS that is named', async () => {
    expect((await run({ pccs: `http://127.0.0.1:${port}` })).text).toMatch(/ok {4}pccs/);
  });

  it.each<readonly [string, DoctorOptions, string, RegExp]>([
    ['two places', { host: true, guest: true }, 'bad_flags', /not both/],
    ['a PCCS that is no URL', { pccs: 'pccs.example' }, 'bad_flags', /takes a URL/],
    ['a PCCS without a host', { pccs: 'http://' }, 'bad_flags', /takes a URL/],
    ['a network that is not there', { network: '/no/such.json' }, 'config_unreadable', /such\.json/],
  ])('refuses %s', async (_what, options, code, message) => {
    await expect(run(options)).rejects.toMatchObject({ name: 'ConfigError', code, message: expect.stringMatching(message) });
  });
});
