import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { dirname, join, relative, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import { z } from 'zod';
import { CocoonError, ConfigError, codeOf, messageOf } from '../core/errors';
import { systemErrorCode } from './system-error';

/** What /healthz says. `ok` answers 200; the others 503. `details` are values that are safe to log. */
export interface Health {
  readonly status: 'starting' | 'ok' | 'failing' | 'stopping';
  readonly details?: Readonly<Record<string, string | number | boolean>>;
}

/** A command that a person or the parent gives: JSON values in and out. It runs under the rights of whoever may open the socket. */
export type Command = (input: Readonly<Record<string, unknown>>) => Promise<unknown>;

export interface ControlOptions {
  readonly name: string;
  readonly stateFolder: string;
  readonly metrics: Registry;
  health(): Health;
  /** By name; none while the process is starting. */
  commands(): Readonly<Record<string, Command>>;
}

const MAX_COMMAND_BYTES = 65_536;

export interface Control {
  readonly socketPath: string;
  /** Stops answering and frees the state folder for another process. */
  close(): Promise<void>;
}

/** Bytes in a Unix socket's path: 108 with the final zero on Linux, 104 on macOS. */
export const SOCKET_PATH_LIMIT = 103;

/** How long a process that holds the socket has to answer before it is taken for hung, and still for alive. */
const PROBE_TIMEOUT_MS = 2000;

/** Several times what a probe can take. */
const MUTEX_LIMIT_MS = 10_000;
const MUTEX_PAUSE_MS = 10;

/** A little more than a process gives itself to stop. */
const STOPPING_LIMIT_MS = 12_000;
const STOPPING_PAUSE_MS = 50;

/**
 * Serves GET /healthz and GET /metrics on `control.sock` in the state folder. The socket is also the folder's lock: while another
 * process answers on it this one is refused; the socket of a killed process is replaced.
 *
 * @throws ConfigError already_running, socket_path_too_long, socket_path_taken
 */
export async function openControl(options: ControlOptions): Promise<Control> {
  const socketPath = controlSocketPath(options.stateFolder);
  const server = createServer((req, res) => {
    const reply = (status: number, type: string, body: string) => res.writeHead(status, { 'content-type': type }).end(body);
    if (req.method === 'POST') return void runCommand(options, req, reply);
    if (req.method !== 'GET') return void reply(405, 'text/plain', 'only GET and POST\n');
    if (req.url === '/healthz') {
      const health = options.health();
      const body = { name: options.name, pid: process.pid, ...health };
      return void reply(health.status === 'ok' ? 200 : 503, 'application/json', `${JSON.stringify(body)}\n`);
    }
    if (req.url === '/metrics') {
      options.metrics.metrics().then(
        (text) => reply(200, options.metrics.contentType, text),
        () => reply(500, 'text/plain', 'metrics cannot be collected\n'),
      );
      return;
    }
    reply(404, 'text/plain', 'there are /healthz and /metrics\n');
  });
  await listenAsOnly(server, socketPath, options.name);
  return {
    socketPath,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

/** Where the control socket of a state folder is: the shorter of its absolute path and the one relative to the working directory. */
export function controlSocketPath(stateFolder: string): string {
  return localSocketPath(join(stateFolder, 'control.sock'));
}

/**
 * The name by which a Unix socket is bound and dialled: the shorter of its absolute path and the one relative to the working directory,
 * since the system takes so few bytes. @throws ConfigError socket_path_too_long
 */
export function localSocketPath(file: string): string {
  const absolute = resolve(file);
  if (process.platform === 'win32') {
    return `\\\\.\\pipe\\cocoon-${createHash('sha256').update(absolute).digest('hex').slice(0, 32)}`;
  }
  const near = join('.', relative(process.cwd(), absolute));
  const path = Buffer.byteLength(near) < Buffer.byteLength(absolute) ? near : absolute;
  const size = Buffer.byteLength(path);
  if (size > SOCKET_PATH_LIMIT) {
    throw new ConfigError(
      'socket_path_too_long',
      `socket path of ${size} bytes, limit ${SOCKET_PATH_LIMIT}: ${path}; choose a shorter state folder, or start nearer to it`,
    );
  }
  return path;
}

/** One GET on a control socket: the status and the body. Rejects when nobody answers in time. */
export function getControl(
  socketPath: string,
  path: '/healthz' | '/metrics',
  timeoutMs = PROBE_TIMEOUT_MS,
): Promise<{ status: number; body: string }> {
  return new Promise((done, fail) => {
    const req = request({ socketPath, path, agent: false, timeout: timeoutMs }, (res) => {
      const parts: Buffer[] = [];
      res.on('data', (part: Buffer) => parts.push(part));
      res.on('end', () => done({ status: res.statusCode ?? 0, body: Buffer.concat(parts).toString() }));
      res.on('error', fail);
    });
    req.on('timeout', () => req.destroy(Object.assign(new Error(`no answer within ${timeoutMs} ms`), { code: 'ETIMEDOUT' })));
    req.on('error', fail);
    req.end();
  });
}

/** POST /<command> with a JSON object: 200 with what it gives, 422 with the error's code and message when it fails. */
async function runCommand(
  options: ControlOptions,
  req: IncomingMessage,
  reply: (status: number, type: string, body: string) => unknown,
): Promise<void> {
  const json = (status: number, value: unknown) => reply(status, 'application/json', `${JSON.stringify(value)}\n`);
  try {
    const name = (req.url ?? '/').slice(1);
    const commands = options.commands();
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (command === undefined) return void json(404, { code: 'no_such_command', message: `${options.name} has no such command now` });
    const parts: Buffer[] = [];
    let size = 0;
    for await (const part of req) {
      size += part.length;
      if (size > MAX_COMMAND_BYTES) return void json(413, { code: 'too_large', message: `command above ${MAX_COMMAND_BYTES} bytes` });
      parts.push(part);
    }
    const input = inputSchema.parse(size === 0 ? {} : JSON.parse(Buffer.concat(parts).toString()));
    json(200, (await command(input)) ?? {});
  } catch (error) {
    json(422, { code: codeOf(error), message: messageOf(error) });
  }
}

/**
 * Gives a running process a command over its control socket. @returns what it answered
 * @throws ConfigError not_running; ControlError command_failed with the process's own line
 */
export async function sendCommand(stateFolder: string, command: string, input: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
  const socketPath = controlSocketPath(stateFolder);
  const body = JSON.stringify(input);
  const answer = await new Promise<{ status: number; body: string }>((done, fail) => {
    const req = request(
      { socketPath, path: `/${command}`, method: 'POST', agent: false, headers: { 'content-length': Buffer.byteLength(body) } },
      (res) => {
        const parts: Buffer[] = [];
        res.on('data', (part: Buffer) => parts.push(part));
        res.on('end', () => done({ status: res.statusCode ?? 0, body: Buffer.concat(parts).toString() }));
        res.on('error', fail);
      },
    );
    req.on('error', (cause) => fail(new ConfigError('not_running', `no process answers on ${socketPath}: start it first`, {}, { cause })));
    req.end(body);
  });
  const value: unknown = JSON.parse(answer.body);
  if (answer.status === 200) return value;
  const { code, message } = failureSchema.parse(value);
  throw new ControlError(code, message);
}

/** A command was understood and failed: the code and the line are the process's own. */
export class ControlError extends CocoonError {}

const inputSchema = z.record(z.string(), z.unknown());
const stoppingSchema = z.object({ status: z.literal('stopping') });
const failureSchema = z.object({ code: z.string(), message: z.string() });

/** Several processes can want the folder at once, after one was killed: looking whether its socket is stale and replacing it is one step. */
async function listenAsOnly(server: Server, path: string, name: string): Promise<void> {
  await waitWhileStopping(path);
  if (process.platform === 'win32') return listenOnPipe(server, path, name);
  const mutex = join(dirname(path), 'starting');
  await lockFolder(mutex);
  try {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found !== undefined) {
      if (!found.isSocket()) throw new ConfigError('socket_path_taken', `${path} is not a socket: move it away`, { path });
      if (await isAnswering(path)) throw alreadyRunning(path, name);
      rmSync(path);
    }
    await listen(server, path);
    chmodSync(path, 0o600);
  } finally {
    rmdirSync(mutex);
  }
}

/** A process that is stopping frees the folder soon: its place is waited for as long as a stop may take. */
async function waitWhileStopping(path: string): Promise<void> {
  const endMs = Date.now() + STOPPING_LIMIT_MS;
  while ((await isStopping(path)) && Date.now() < endMs) await delay(STOPPING_PAUSE_MS);
}

async function isStopping(path: string): Promise<boolean> {
  try {
    return stoppingSchema.safeParse(JSON.parse((await getControl(path, '/healthz')).body)).success;
  } catch {
    return false;
  }
}

/** Windows removes a pipe with its process: there is none that is stale. */
async function listenOnPipe(server: Server, path: string, name: string): Promise<void> {
  try {
    await listen(server, path);
  } catch (error) {
    throw systemErrorCode(error) === 'EADDRINUSE' ? alreadyRunning(path, name) : error;
  }
}

/** A folder can be made by one process only. One that is older than anything that is done under it was left by a killed process. */
async function lockFolder(path: string): Promise<void> {
  for (;;) {
    try {
      mkdirSync(path);
      return;
    } catch (error) {
      if (systemErrorCode(error) !== 'EEXIST') throw error;
    }
    const madeMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
    if (madeMs !== undefined && Date.now() - madeMs > MUTEX_LIMIT_MS) rmSync(path, { recursive: true, force: true });
    else await delay(MUTEX_PAUSE_MS);
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', fail);
    server.listen(path, () => {
      server.off('error', fail);
      done();
    });
  });
}

/** Only a socket that nobody listens on is stale: one that accepts and stays silent belongs to a process that is busy or stopped. */
async function isAnswering(path: string): Promise<boolean> {
  try {
    await getControl(path, '/healthz');
    return true;
  } catch (error) {
    return !['ECONNREFUSED', 'ENOENT'].includes(systemErrorCode(error) ?? '');
  }
}

function alreadyRunning(path: string, name: string): ConfigError {
  return new ConfigError('already_running', `another ${name} is running on this state folder (it answers on ${path})`, { path });
}
