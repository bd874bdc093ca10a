import { execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDevelopmentRoot } from '../offchain/attestation/platform/development-root';
import { modelHash } from '../offchain/guest/engine/model-hash';
import { controlSocketPath, getControl } from '../offchain/runtime/control';
import { LAUNCHER } from './network.test-kit';

const CLI = join(__dirname, '..', 'dist', 'offchain', 'cli.js');

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(script: string, ...args: string[]): Promise<Outcome> {
  return new Promise((done) => {
    execFile(process.execPath, [script, ...args], { timeout: 120_000 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      done({ code, stdout, stderr });
    });
  });
}

/** One line for a person, no stack. */
function expectOneLine(outcome: Outcome, pattern: RegExp): void {
  expect(outcome.stderr.trim().split('\n')).toHaveLength(1);
  expect(outcome.stderr).toMatch(pattern);
  expect(outcome.stderr).not.toMatch(/\n\s+at /);
}

describe('npm run dev', () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-cli-'));
  });

  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('asks one question with --once, shows answer, evidence, receipt, transactions and balances, and ends with 0', async () => {
    const { code, stdout, stderr } = await run(LAUNCHER, '--once', 'What is Cocoon?');
    expect(stderr).toBe('');
    expect(stdout).toMatch(/Answer: .*Confidential Compute Open Network/);
    expect(stdout).toContain('Evidence verified');
    expect(stdout).toContain('SIMULATED');
    expect(stdout).toContain('Receipt verified');
    expect(stdout).toContain('operatorClientCharge');
    expect(stdout).toContain('anyWorkerClaim');
    expect(stdout).toMatch(/worker owner +10 +10\.\d+ +\+0\.\d+/);
    expect(stdout).not.toContain('FAIL');
    expect(code).toBe(0);
  });

  it('shows --help and --version and ends with 0', async () => {
    const help = await run(LAUNCHER, '--help');
    expect(help).toMatchObject({ code: 0, stderr: '' });
    for (const flag of ['--once', '--model', '--engine', '--reset', '--port', '--state']) expect(help.stdout).toContain(flag);
    expect(await run(LAUNCHER, '--version')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });

  it.each<readonly [string, readonly string[], RegExp]>([
    ['an unknown flag', ['--onse', 'x'], /unknown option '--onse'.*--help/],
    ['a flag without its value', ['--once'], /--once.*argument missing.*--help/],
    ['an empty question', ['--once', ' '], /--once needs a question/],
    ['a port that is none', ['--port', '99999'], /port from 1 to 65532/],
    ['a model file that is not there', ['--model', '/no/such.gguf'], /there is no model file \/no\/such\.gguf/],
    ['two engines', ['--model', 'a', '--engine', 'http://127.0.0.1:1'], /--model or --engine, not both/],
    ['an engine that is no URL', ['--engine', 'nonsense'], /--engine: this is no URL/],
    [
      'an engine that does not answer',
      ['--once', 'x', '--engine', 'http://127.0.0.1:9'],
      /no OpenAI-compatible server answers at http:\/\/127\.0\.0\.1:9/,
    ],
  ])('says what is wrong in one line: %s', async (_what, args, pattern) => {
    const outcome = await run(LAUNCHER, '--state', join(folder, 'unused'), ...args);
    expect(outcome.code).toBe(2);
    expectOneLine(outcome, pattern);
  });

  it('names the port that is in use', async () => {
    const other = createServer();
    await new Promise<void>((done) => other.listen(0, '127.0.0.1', done));
    const address = other.address();
    const taken = typeof address === 'object' && address !== null ? address.port : 0;
    try {
      const outcome = await run(LAUNCHER, '--state', join(folder, 'taken'), '--port', String(taken - 2));
      expect(outcome.code).not.toBe(0);
      expectOneLine(outcome, new RegExp(`port ${taken} on 127\\.0\\.0\\.1 is in use; --port NUMBER takes others`));
    } finally {
      other.close();
    }
  });

  it('ends in order when Ctrl-C comes while it is still starting, and leaves nothing running', async () => {
    const child = spawn(process.execPath, [LAUNCHER, '--state', join(folder, 'early'), '--port', '0'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let text = '';
    child.stdout.on('data', (part: Buffer) => {
      if (!text.includes('contracts') && String(part).includes('contracts')) child.kill('SIGINT');
      text += part.toString();
    });
    const code = await new Promise<number | null>((done) => child.on('exit', done));
    expect(code).toBe(0);
    for (const name of ['chain', 'guest', 'proxy', 'worker', 'client']) {
      await expect(getControl(controlSocketPath(join(folder, 'early', name)), '/healthz')).rejects.toThrow();
    }
  });

  it('never resets a folder that is no network', async () => {
    const mine = join(folder, 'mine');
    mkdirSync(mine);
    writeFileSync(join(mine, 'thesis.txt'), 'important');
    const outcome = await run(LAUNCHER, '--reset', '--state', mine);
    expect(outcome.code).toBe(2);
    expectOneLine(outcome, /holds no local network/);
    expect(readFileSync(join(mine, 'thesis.txt'), 'utf8')).toBe('important');
  });

  it('refuses a model file that is no model, and leaves nothing running', async () => {
    const bad = join(folder, 'bad.gguf');
    writeFileSync(bad, 'this is not a model');
    const outcome = await run(LAUNCHER, '--once', 'x', '--model', bad);
    expect(outcome.code).not.toBe(0);
    expectOneLine(outcome, /model/i);
  });
});

describe('cocoon', () => {
  it('shows its commands', async () => {
    const help = await run(CLI, '--help');
    expect(help.code).toBe(0);
    for (const command of [
      'proxy',
      'worker',
      'guest',
      'client',
      'status',
      'balance',
      'withdraw',
      'receipt',
      'model-hash',
      'explain-hash',
      'verify',
      'doctor',
    ]) {
      expect(help.stdout).toContain(command);
    }
  });

  it.each<readonly [string, readonly string[], RegExp]>([
    ['no command', [], /name a command/],
    ['an unknown command', ['prox'], /unknown command 'prox'/],
    ['a process without its config', ['proxy'], /--config <file>/],
    ['a config file that is not there', ['proxy', '--config', '/no/such.json'], /\/no\/such\.json does not exist/],
    ['a process that is not running', ['balance', '--state', '/no/such'], /no process answers/],
    ['nothing to hash', ['model-hash'], /name the folder or file of a model/],
    ['a model that is not there', ['model-hash', '/no/such.gguf'], /no model at \/no\/such\.gguf/],
    ['an event log that is not there', ['explain-hash', '/no/such.log'], /\/no\/such\.log does not exist/],
    ['a file to verify that is not there', ['verify', '/no/such.json'], /\/no\/such\.json does not exist/],
    ['nothing to verify', ['verify'], /missing required argument 'file'/],
    ['a doctor for two places', ['doctor', '--host', '--guest'], /--host or --guest, not both/],
  ])('says what is wrong in one line: %s', async (_what, args, pattern) => {
    const outcome = await run(CLI, ...args);
    expect(outcome.code).toBe(2);
    expectOneLine(outcome, pattern);
  });

  it('hashes the built-in model as the local network lists it', async () => {
    const model = join(__dirname, '..', 'offchain', 'guest', 'engine', 'demo', 'cocoon-demo.gguf');
    expect(await run(CLI, 'model-hash', model)).toMatchObject({ code: 0, stdout: `${await modelHash(model)}\n` });
  });

  it('looks at this machine, whatever it is, and ends with 0 only if nothing failed', async () => {
    const { code, stdout, stderr } = await run(CLI, 'doctor');
    expect(stderr).toBe('');
    expect(stdout).toMatch(/ok {4}node/);
    expect(code).toBe(/^ {2}FAIL/m.test(stdout) ? 1 : 0);
  });

  it("refuses a network that names a development root beside Intel's, and one that passes the one off as the other", async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cocoon-roots-'));
    const intel = readFileSync(join(__dirname, '..', 'offchain', 'attestation', 'fixtures', 'intel-sgx-root-ca.der'));
    const development = await createDevelopmentRoot(join(folder, 'platform'), 1_790_000_000);
    const base64 = (der: Uint8Array) => Buffer.from(der).toString('base64');
    const address = `0:${'11'.repeat(32)}`;
    const refused = async (trustRoots: readonly { readonly kind: string; readonly der: string }[], pattern: RegExp) => {
      const network = join(folder, 'network.json');
      const chain = [{ url: 'http://127.0.0.1:9/api/v2/jsonRPC' }];
      const shared = { name: 'main', networkId: -239, root: address, chain, pccs: 'http://127.0.0.1:9', clock: 'system' };
      writeFileSync(network, JSON.stringify({ ...shared, trustRoots }));
      const config = join(folder, 'proxy.json');
      writeFileSync(config, JSON.stringify({ stateFolder: join(folder, 'proxy'), network, owner: address }));
      const outcome = await run(CLI, 'proxy', '--config', config);
      expect(outcome.code).toBe(2);
      expectOneLine(outcome, pattern);
    };
    const both = [
      { kind: 'intel', der: base64(intel) },
      { kind: 'development', der: base64(development) },
    ];
    await refused(both, /Intel's root and a development root/);
    await refused([{ kind: 'intel', der: base64(development) }], /has key id/);
    await refused([{ kind: 'development', der: base64(intel) }], /is Intel's/);
    rmSync(folder, { recursive: true, force: true });
  });
});
