import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { utf8 } from '../../core/bytes';
import { projectRoot } from '../../runtime/project-root';
import { backoffMs } from './backoff';
import { DEMO_MODEL_PATH } from './demo-model';
import type { EngineState } from './engine';
import { type EngineCommand, llamaCommand } from './engine-command';
import { readText } from './engine-http';
import { SupervisedEngine } from './supervised-engine';

const command = llamaCommand({ modelPath: DEMO_MODEL_PATH });
const never = new AbortController().signal;
const hello = utf8(JSON.stringify({ messages: [{ role: 'user', content: 'Hello' }] }));

function supervise(program: EngineCommand): { engine: SupervisedEngine; logged: string[] } {
  const logged: string[] = [];
  const log = (_: string, message: string) => {
    logged.push(message);
  };
  const engine = new SupervisedEngine({ identity: { name: 'test', version: '1' }, command: program, log, restartDelayMs: () => 0 });
  return { engine, logged };
}

/** A program of one line of JavaScript. */
const script = (code: string): EngineCommand => ({ file: process.execPath, args: ['-e', code], folder: projectRoot() });

const nextState = (engine: SupervisedEngine, tag: EngineState['tag']) =>
  new Promise<EngineState>((resolve) => {
    const forget = engine.onChange((state) => {
      if (state.tag !== tag) return;
      forget();
      resolve(state);
    });
  });

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Resolves when a process is gone: the condition is looked at between turns of the event loop. */
async function gone(pid: number): Promise<void> {
  while (isRunning(pid)) await new Promise((resolve) => setImmediate(resolve));
}

describe('SupervisedEngine', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-engine-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it('starts the engine again after it was killed, and serves again', async () => {
    const { engine, logged } = supervise(command);
    await engine.start();
    const first = engine.pid ?? 0;
    const starting = nextState(engine, 'starting');
    const ready = nextState(engine, 'ready');
    process.kill(first, 'SIGKILL');
    await starting;
    await ready;
    expect(engine.pid).not.toBe(first);
    const response = await engine.call({ path: '/v1/chat/completions', body: hello, signal: never });
    expect(await readText(response.body)).toContain('demonstration model');
    expect(logged).toEqual(['engine is ready', 'engine ended by itself', 'engine is ready']);
    await engine.stop();
  });

  it('breaks the answer that runs when the engine dies (engine_broken)', async () => {
    const { engine } = supervise(command);
    await engine.start();
    const body = utf8(JSON.stringify({ messages: [{ role: 'user', content: 'Hello' }], stream: true }));
    const response = await engine.call({ path: '/v1/chat/completions', body, signal: never });
    const pid = engine.pid ?? 0;
    process.kill(pid, 'SIGSTOP');
    process.kill(pid, 'SIGKILL');
    const read = async () => {
      for (;;) if (!(await readText(response.body)).includes('[DONE]')) return;
    };
    await expect(read()).rejects.toMatchObject({ code: 'engine_broken' });
    await engine.stop();
  });

  it('leaves no process behind when it stops, also while it starts', async () => {
    const { engine } = supervise(command);
    const start = engine.start();
    const early = engine.pid ?? 0;
    await engine.stop();
    await expect(start).rejects.toMatchObject({ code: 'engine_failed' });
    expect(isRunning(early)).toBe(false);
    await engine.start();
    const late = engine.pid ?? 0;
    expect(isRunning(late)).toBe(true);
    await engine.stop();
    expect(isRunning(late)).toBe(false);
    expect(engine.state()).toEqual({ tag: 'stopped' });
  });

  it('kills an engine that does not end when it is asked to', async () => {
    const stubborn = script(
      `process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log(JSON.stringify({ event: 'failed', reason: 'no' }));`,
    );
    const engine = new SupervisedEngine({ identity: { name: 'test', version: '1' }, command: stubborn, log: () => {}, stopGraceMs: 50 });
    await expect(engine.start()).rejects.toMatchObject({ code: 'engine_failed', message: 'no' });
    expect(isRunning(engine.pid ?? 0)).toBe(false);
  });

  it('ends the engine when its parent is killed', async () => {
    const [file, ...args] = [command.file, ...command.args];
    const parent = spawn(
      process.execPath,
      [
        '-e',
        `const c = require('child_process').spawn(${JSON.stringify(file)}, ${JSON.stringify(args)}, { stdio: ['pipe', 'pipe', 'ignore'] });` +
          `c.stdout.on('data', (d) => { if (String(d).includes('listening')) console.log(c.pid); });`,
      ],
      { cwd: command.folder, stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const pid = await new Promise<number>((resolve) => {
      parent.stdout.once('data', (data: Buffer) => {
        resolve(Number(data.toString()));
      });
    });
    expect(isRunning(pid)).toBe(true);
    parent.kill('SIGKILL');
    await gone(pid);
    expect(isRunning(pid)).toBe(false);
  });

  it('says why a model does not load, and is failed', async () => {
    const path = join(folder, 'broken.gguf');
    writeFileSync(path, 'GGUF and then nothing that makes sense');
    const { engine } = supervise(llamaCommand({ modelPath: path }));
    await expect(engine.start()).rejects.toMatchObject({ code: 'engine_failed', message: expect.stringContaining('GGUF version') });
    expect(engine.state()).toMatchObject({ tag: 'failed', reason: expect.stringContaining('GGUF version') });
    const cut = join(folder, 'cut.gguf');
    writeFileSync(cut, readFileSync(DEMO_MODEL_PATH).subarray(0, 200_000));
    await expect(supervise(llamaCommand({ modelPath: cut })).engine.start()).rejects.toMatchObject({
      message: expect.stringMatching(/does not load this model file: .+/),
    });
  });

  it('says so when the program is missing or ends before it listens', async () => {
    const missing = supervise({ file: join(folder, 'no-such-program'), args: [], folder });
    await expect(missing.engine.start()).rejects.toMatchObject({ message: expect.stringContaining('ENOENT') });
    const short = supervise(script(`console.error('out of luck')`));
    await expect(short.engine.start()).rejects.toMatchObject({ message: 'engine ended before it listened: out of luck' });
  });

  it('gives the engine none of its own environment but what programs need to start', async () => {
    process.env.COCOON_TEST_SECRET = 'secret';
    const { engine } = supervise(
      script(`console.log(JSON.stringify({ event: 'failed', reason: Object.keys(process.env).sort().join() }))`),
    );
    const error = await engine.start().catch((reason: unknown) => reason);
    delete process.env.COCOON_TEST_SECRET;
    expect(error).toMatchObject({ message: expect.stringMatching(/^((LD_LIBRARY_PATH|PATH|SystemRoot)(,|$))+$/) });
  });
});

describe('backoffMs', () => {
  it('doubles from a quarter of a second to half a minute', () => {
    expect([1, 2, 3, 8, 50].map(backoffMs)).toEqual([250, 500, 1000, 30_000, 30_000]);
  });
});
