import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Counter, Registry } from 'prom-client';
import { ConfigError } from '../core/errors';
import {
  type Command,
  type Control,
  controlSocketPath,
  getControl,
  type Health,
  openControl,
  SOCKET_PATH_LIMIT,
  sendCommand,
} from './control';

let folder = '';
let health: Health = { status: 'ok' };
let commands: Readonly<Record<string, Command>> = {};
const open: Control[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cocoon-control-'));
  health = { status: 'ok' };
  commands = {};
});
afterEach(async () => {
  for (const control of open.splice(0)) await control.close();
  rmSync(folder, { recursive: true });
});

async function start(metrics = new Registry()): Promise<Control> {
  const control = await openControl({ name: 'proxy', stateFolder: folder, metrics, health: () => health, commands: () => commands });
  open.push(control);
  return control;
}

/** A socket file as a killed process leaves it. */
async function leaveStaleSocket(): Promise<void> {
  const path = controlSocketPath(folder);
  const child = spawn(process.execPath, ['-e', `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`]);
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'close');
  expect(existsSync(path)).toBe(true);
}

test('tells health and metrics to the owner of the folder', async () => {
  const metrics = new Registry();
  new Counter({ name: 'cocoon_proxy_requests_total', help: 'requests', registers: [metrics] }).inc(3);
  const { socketPath } = await start(metrics);
  expect(statSync(socketPath).mode & 0o077).toBe(0);

  const answer = await getControl(socketPath, '/healthz');
  expect(answer.status).toBe(200);
  expect(JSON.parse(answer.body)).toEqual({ name: 'proxy', pid: process.pid, status: 'ok' });
  expect((await getControl(socketPath, '/metrics')).body).toContain('cocoon_proxy_requests_total 3');

  health = { status: 'failing', details: { workers: 0 } };
  const failing = await getControl(socketPath, '/healthz');
  expect(failing.status).toBe(503);
  expect(JSON.parse(failing.body)).toMatchObject(health);
});

test.each([
  ['GET', '/', 404],
  ['PUT', '/healthz', 405],
  ['POST', '/healthz', 404],
  ['POST', '/toString', 404],
])('answers %s %s with %i', async (method, path, status) => {
  const { socketPath } = await start();
  const got = await new Promise((done) => request({ socketPath, method, path }, (res) => done(res.resume().statusCode)).end());
  expect(got).toBe(status);
});

test('hands commands over with their input, and their failures with code and line', async () => {
  commands = {
    add: async ({ a, b }) => ({ sum: Number(a) + Number(b) }),
    refuse: async () => {
      throw new ConfigError('too_early', 'wait 5 s');
    },
  };
  await expect(sendCommand(folder, 'add')).rejects.toMatchObject({ code: 'not_running' });
  await start();
  expect(await sendCommand(folder, 'add', { a: 1, b: 2 })).toEqual({ sum: 3 });
  await expect(sendCommand(folder, 'refuse')).rejects.toMatchObject({ name: 'ControlError', code: 'too_early', message: 'wait 5 s' });
  await expect(sendCommand(folder, 'other')).rejects.toMatchObject({ code: 'no_such_command' });
  await expect(sendCommand(folder, 'add', { a: 'x'.repeat(70_000) })).rejects.toMatchObject({ code: 'too_large' });
});

test('refuses a second process on the same folder, in one line', async () => {
  const first = await start();
  await expect(start()).rejects.toMatchObject({
    name: 'ConfigError',
    code: 'already_running',
    message: expect.stringMatching(/^another proxy is running on this state folder/),
  });
  expect((await getControl(first.socketPath, '/healthz')).status).toBe(200);
});

test('waits for the place of a process that is stopping', async () => {
  const first = await start();
  const asked = new Promise<void>((done) => {
    health = {
      get status() {
        done();
        return 'stopping' as const;
      },
    };
  });
  const second = start();
  await asked;
  await first.close();
  expect((await getControl((await second).socketPath, '/healthz')).status).toBe(503);
});

test('refuses while the holder of the socket is alive and silent', async () => {
  const silent = createServer();
  silent.listen(controlSocketPath(folder));
  await once(silent, 'listening');
  try {
    await expect(start()).rejects.toMatchObject({ code: 'already_running' });
  } finally {
    silent.close();
  }
});

test('takes the place of a killed process', async () => {
  await leaveStaleSocket();
  const { socketPath } = await start();
  expect((await getControl(socketPath, '/healthz')).status).toBe(200);
});

test('lets exactly one of several have the place of a killed process', async () => {
  await leaveStaleSocket();
  const outcomes = await Promise.allSettled([start(), start(), start(), start()]);
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  expect((await getControl(controlSocketPath(folder), '/healthz')).status).toBe(200);
});

test('is not held up by a process that was killed while it started', async () => {
  const left = join(folder, 'starting');
  mkdirSync(left);
  utimesSync(left, 0, 0);
  await start();
  expect(existsSync(left)).toBe(false);
});

test('takes a folder again after a clean end', async () => {
  const first = await start();
  await first.close();
  expect(existsSync(first.socketPath)).toBe(false);
  await start();
});

test('takes the shorter of two names for a socket, and refuses one that no system could bind', () => {
  const near = join(process.cwd(), 'x'.repeat(60));
  expect(controlSocketPath(near)).toBe(join('x'.repeat(60), 'control.sock'));
  expect(controlSocketPath('/a')).toBe('/a/control.sock');
  const far = `/${'x'.repeat(SOCKET_PATH_LIMIT)}`;
  expect(() => controlSocketPath(far)).toThrow(
    expect.objectContaining({ code: 'socket_path_too_long', message: expect.stringContaining('bytes, limit 103') }),
  );
});

test('binds a path of exactly the limit, also in the place of a killed process', async () => {
  const base = folder;
  // Counted from the path that is used, which may be the one relative to the working directory.
  const room = SOCKET_PATH_LIMIT - Buffer.byteLength(controlSocketPath(join(base, 'x')));
  folder = join(base, 'x'.repeat(1 + room));
  mkdirSync(folder);
  expect(Buffer.byteLength(controlSocketPath(folder))).toBe(SOCKET_PATH_LIMIT);
  await leaveStaleSocket();
  await start();
  for (const control of open.splice(0)) await control.close();
  folder = base;
});

test('does not touch a file of another kind', async () => {
  writeFileSync(controlSocketPath(folder), 'mine');
  await expect(start()).rejects.toMatchObject({ code: 'socket_path_taken' });
  expect(readFileSync(controlSocketPath(folder), 'utf8')).toBe('mine');
});
