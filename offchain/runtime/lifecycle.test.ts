import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startChild } from './child';
import { controlSocketPath, getControl } from './control';

// Processes start here, and on a busy machine each takes a second or more.
jest.setTimeout(60_000);

const script = join(__dirname, 'scripted.test-process');
let folder = '';
const spawned: ChildProcessWithoutNullStreams[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cocoon-life-'));
});
afterEach(() => {
  for (const child of spawned.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

function configFile(behaviour: string, name = 'state', more: object = {}): string {
  const path = join(folder, `${name}.json`);
  writeFileSync(path, JSON.stringify({ stateFolder: join(folder, name), behaviour, ...more }));
  return path;
}

const logOf = (name = 'state') => readFileSync(join(folder, name, 'log', 'scripted.log'), 'utf8');
const socketOf = (name = 'state') => controlSocketPath(join(folder, name));

/** Runs it without a parent, as a person does. */
function run(args: string[]): { child: ChildProcessWithoutNullStreams; ended: Promise<{ code: number | null; stderr: string }> } {
  const child = spawn(process.execPath, ['--require', 'ts-node/register/transpile-only', `${script}.ts`, ...args]);
  spawned.push(child);
  let stderr = '';
  child.stderr.on('data', (part: Buffer) => {
    stderr += part.toString();
  });
  const ended = once(child, 'close').then(([code]) => ({ code: typeof code === 'number' ? code : null, stderr }));
  return { child, ended };
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((done) => setTimeout(done, 10));
}

const healthOf = async (name?: string) => {
  const answer = await getControl(socketOf(name), '/healthz').catch(() => null);
  return answer === null ? null : JSON.parse(answer.body).status;
};

describe('a process that a person starts', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('ends in good order on %s', async (signal) => {
    const { child, ended } = run(['--config', configFile('serve')]);
    await until(async () => (await healthOf()) === 'ok');
    child.kill(signal);
    expect(await ended).toEqual({ code: 0, stderr: '' });
    expect(logOf()).toContain('stopped in good order');
    expect(existsSync(socketOf())).toBe(false);
  });

  test.each([
    [[], 'usage: --config FILE'],
    [['--config'], 'usage: --config FILE'],
    [['--config', '/none/such.json'], '/none/such.json does not exist'],
    [['--config', 'FILE', '--verbose'], 'usage: --config FILE'],
  ])('says in one line what is wrong with the arguments %j', async (args, line) => {
    expect(await run(args).ended).toEqual({ code: 2, stderr: `cocoon scripted: ${line}\n` });
  });

  test('says a mistake in one line without a stack', async () => {
    expect(await run(['--config', configFile('mistake')]).ended).toEqual({ code: 2, stderr: 'cocoon scripted: port 1 is in use\n' });
  });

  test.each([
    ['break', 'something broke'],
    ['break later', 'broke later'],
    ['fail later', 'cannot go on'],
  ])('says in one line that it had to %s, and where the log with the stack is', async (behaviour, message) => {
    const { code, stderr } = await run(['--config', configFile(behaviour)]).ended;
    expect(stderr).toBe(`cocoon scripted: ${message} (log: ${join(folder, 'state', 'log', 'scripted.log')})\n`);
    expect(code).toBe(1);
    expect(logOf()).toMatch(/"level":60.*scripted\.test-process\.ts/);
  });

  test('ends when it is told to stop while it is still starting', async () => {
    const { child, ended } = run(['--config', configFile('start for ever')]);
    await until(async () => (await healthOf()) === 'starting');
    child.kill('SIGTERM');
    expect(await ended).toEqual({ code: 0, stderr: '' });
  });

  test.each(['stop for ever', 'stop badly'])('ends with a failure when it would %s', async (behaviour) => {
    const { child, ended } = run(['--config', configFile(behaviour)]);
    await until(async () => (await healthOf()) === 'ok');
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 1 });
  });

  test('refuses to run twice on one state folder', async () => {
    const first = run(['--config', configFile('serve')]);
    await until(async () => (await healthOf()) === 'ok');
    const { code, stderr } = await run(['--config', configFile('serve')]).ended;
    expect(code).toBe(2);
    expect(stderr).toMatch(/^cocoon scripted: another scripted is running on this state folder .*\n$/);
    expect(await healthOf()).toBe('ok');
    first.child.kill('SIGKILL');
    await first.ended;
    const third = run(['--config', configFile('serve')]);
    await until(async () => (await healthOf()) === 'ok');
    third.child.kill('SIGTERM');
    expect(await third.ended).toMatchObject({ code: 0 });
  });
});

describe('a process that another process starts', () => {
  test('tells its parent what it does and when it is ready, and stops when asked', async () => {
    const events: unknown[] = [];
    const child = await startChild({ name: 'it', script, configFile: configFile('serve'), onEvent: (...event) => events.push(event) });
    expect(child.details).toEqual({ pid: child.pid });
    expect(events).toEqual([['starting', { behaviour: 'serve' }]]);
    expect(await child.stop()).toEqual({ code: 0, signal: null, failure: null });
  });

  test.each([
    ['mistake', { code: 'child_failed', message: 'it: port 1 is in use', data: { childCode: 'port_unusable' } }],
    ['break', { code: 'child_failed', message: expect.stringMatching(/^it: something broke \(log: .*scripted.log\)$/) }],
    ['exit', { code: 'child_failed', message: 'it: ReferenceError: nothing is defined', data: { childCode: 'child_crashed' } }],
  ])('gives its reason when it could only %s', async (behaviour, error) => {
    await expect(startChild({ name: 'it', script, configFile: configFile(behaviour) })).rejects.toMatchObject(error);
  });

  test('is ended when it does not become ready in time', async () => {
    const starting = startChild({ name: 'it', script, configFile: configFile('start for ever'), readyTimeoutMs: 3000 });
    await expect(starting).rejects.toMatchObject({ code: 'child_not_ready', message: 'it was not ready after 3000 ms' });
    expect(await healthOf()).toBeNull();
  });

  test('reports its end, also when it was killed or broke later', async () => {
    const killed = await startChild({ name: 'it', script, configFile: configFile('serve') });
    process.kill(killed.pid, 'SIGKILL');
    expect(await killed.exited).toMatchObject({ code: null, signal: 'SIGKILL' });
    const broken = await startChild({ name: 'it', script, configFile: configFile('fail later') });
    expect(await broken.exited).toMatchObject({
      code: 1,
      failure: { code: 'unexpected', message: expect.stringContaining('cannot go on') },
    });
    expect(await broken.stop()).toMatchObject({ code: 1 });
    expect(await broken.kill()).toMatchObject({ code: 1 });
  });

  test("is killed when it does not stop within its parent's bound", async () => {
    const child = await startChild({ name: 'it', script, configFile: configFile('stop for ever') });
    expect(await child.stop(1)).toMatchObject({ signal: 'SIGKILL' });
  });

  test('ends with its parent, even if that is killed', async () => {
    const childConfig = configFile('serve', 'child');
    const parent = await startChild({ name: 'parent', script, configFile: configFile('have a child', 'parent', { childConfig }) });
    expect(await healthOf('child')).toBe('ok');
    await parent.kill();
    await until(async () => (await healthOf('child')) === null);
    expect(logOf('child')).toContain('parent gone');
    expect(logOf('child')).toContain('stopped in good order');
  });

  test('stops its own children first', async () => {
    const childConfig = configFile('serve', 'child');
    const parent = await startChild({ name: 'parent', script, configFile: configFile('have a child', 'parent', { childConfig }) });
    expect(await parent.stop()).toMatchObject({ code: 0 });
    expect(await healthOf('child')).toBeNull();
    expect(logOf('child')).toContain('"reason":"parent"');
  });
});
