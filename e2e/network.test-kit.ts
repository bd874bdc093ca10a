/** Runs `npm run dev` as a user does, in a folder of its own, and looks at it from outside. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Address } from '@ton/core';
import OpenAI from 'openai';
import { z } from 'zod';
import { ChainClient } from '../offchain/chain/chain-client';
import { controlSocketPath, getControl, sendCommand } from '../offchain/runtime/control';

export const LAUNCHER = join(__dirname, '..', 'offchain', 'localnet', 'launch.js');

export type ProcessName = 'chain' | 'guest' | 'proxy' | 'worker' | 'client';

/** How long anything may take before a test gives up; nothing is asserted about it. */
const PATIENCE_MS = 90_000;

/** Waits for a condition. */
export async function until<T>(what: string, look: () => Promise<T | null | undefined | false>): Promise<T> {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found !== null && found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`waited ${PATIENCE_MS / 1000} s for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export interface DevOptions {
  /** Environment of the launcher and, through it, of every process. */
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  readonly stateFolder?: string;
}

/** A network that was started by the launcher. */
export class DevNetwork {
  private constructor(
    readonly stateFolder: string,
    private readonly child: ChildProcess,
    private readonly output: { text: string },
    private readonly isOwnFolder: boolean,
  ) {}

  static async start(options: DevOptions = {}): Promise<DevNetwork> {
    const stateFolder = options.stateFolder ?? mkdtempSync(join(tmpdir(), 'cocoon-e2e-'));
    const args = [LAUNCHER, '--state', stateFolder, '--port', '0', ...(options.args ?? [])];
    const child = spawn(process.execPath, args, { env: { ...process.env, ...options.env }, stdio: ['ignore', 'pipe', 'pipe'] });
    const output = { text: '' };
    const keep = (part: Buffer) => {
      output.text += part.toString();
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const network = new DevNetwork(stateFolder, child, output, options.stateFolder === undefined);
    try {
      await until('Ready.', async () => {
        if (child.exitCode !== null) throw new Error(`the network ended:\n${output.text}`);
        return output.text.includes('Ready.');
      });
    } catch (error) {
      await network.stop();
      throw error;
    }
    return network;
  }

  /** Everything that it has printed. */
  get printed(): string {
    return this.output.text;
  }

  get gatewayUrl(): string {
    return /http:\/\/127\.0\.0\.1:\d+\/v1(?=\/chat)/.exec(this.output.text)?.[0] ?? '';
  }

  get model(): string {
    return /Ready\. Model: (\S+)\. /.exec(this.output.text)?.[1] ?? '';
  }

  get openai(): OpenAI {
    return new OpenAI({ baseURL: this.gatewayUrl, apiKey: 'unused', maxRetries: 0 });
  }

  get chainUrl(): string {
    return this.file.chain[0]?.url ?? '';
  }

  get networkId(): number {
    return this.file.networkId;
  }

  private get file(): z.output<typeof networkFile> {
    return networkFile.parse(JSON.parse(readFileSync(join(this.stateFolder, 'network.json'), 'utf8')));
  }

  get chain(): ChainClient {
    return new ChainClient({ endpoint: this.chainUrl });
  }

  folder(name: ProcessName): string {
    return join(this.stateFolder, name);
  }

  config(name: ProcessName): Record<string, unknown> {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(readFileSync(join(this.folder(name), 'config.json'), 'utf8')));
  }

  async command<S extends z.ZodType>(
    name: ProcessName,
    command: string,
    schema: S,
    input: Record<string, unknown> = {},
  ): Promise<z.output<S>> {
    return schema.parse(await sendCommand(this.folder(name), command, input));
  }

  /** Process id; null while it does not answer. */
  async pid(name: ProcessName): Promise<number | null> {
    try {
      const { body } = await getControl(controlSocketPath(this.folder(name)), '/healthz');
      return z.object({ pid: z.number() }).parse(JSON.parse(body)).pid;
    } catch {
      return null;
    }
  }

  async isHealthy(name: ProcessName): Promise<boolean> {
    try {
      return (await getControl(controlSocketPath(this.folder(name)), '/healthz')).status === 200;
    } catch {
      return false;
    }
  }

  /** kill -9, and wait until the supervisor has it back, healthy, under another id. */
  async killAndHeal(name: ProcessName): Promise<void> {
    await this.kill(name);
    await this.healed(name);
  }

  /** @returns the id that was killed */
  async kill(name: ProcessName): Promise<number> {
    const pid = await until(`${name} answers`, () => this.pid(name));
    process.kill(pid, 'SIGKILL');
    this.killed.set(name, pid);
    return pid;
  }

  async healed(name: ProcessName): Promise<void> {
    const before = this.killed.get(name);
    await until(`${name} is back`, async () => {
      const pid = await this.pid(name);
      return pid !== null && pid !== before && (await this.isHealthy(name));
    });
  }

  private readonly killed = new Map<ProcessName, number>();

  /** Changes keys of a process's config and has it started again with them. */
  async reconfigure(name: ProcessName, change: Readonly<Record<string, unknown>>): Promise<void> {
    writeFileSync(join(this.folder(name), 'config.json'), JSON.stringify({ ...this.config(name), ...change }));
    await this.killAndHeal(name);
  }

  /** @returns block time afterwards; the processes learn of it when they look at the chain next */
  async increaseTime(seconds: number): Promise<number> {
    return movedSchema.parse(await this.dev('increaseTime', { seconds })).result.blockTimeSec;
  }

  /** Whether a process has seen a block of that time, or a later one. */
  async hasSeen(name: 'proxy' | 'worker' | 'client', blockTimeSec: number): Promise<boolean> {
    const { body } = await getControl(controlSocketPath(this.folder(name)), '/healthz');
    return healthSchema.parse(JSON.parse(body)).details.blockTimeSec >= blockTimeSec;
  }

  /** Coins from nothing. */
  async faucet(address: Address, amountNano: bigint): Promise<void> {
    await this.dev('faucet', { address: address.toRawString(), amountNano: amountNano.toString() });
  }

  private async dev(name: string, params: object): Promise<unknown> {
    const url = this.chainUrl.replace('/api/v2/jsonRPC', `/dev/${name}`);
    const response = await fetch(url, { method: 'POST', body: JSON.stringify(params) });
    if (!response.ok) throw new Error(`/dev/${name} answered ${response.status}`);
    return response.json();
  }

  /** Begins a streamed answer, and waits for its first piece. @returns what waits for the end and gives the whole text */
  async beginAnswer(content: string): Promise<() => Promise<string>> {
    const messages = [{ role: 'user' as const, content }];
    const stream = await this.openai.chat.completions.create({ model: this.model, messages, stream: true });
    const pieces = stream[Symbol.asyncIterator]();
    let piece = await pieces.next();
    if (piece.done) throw new Error('an answer without a piece');
    return async () => {
      let text = '';
      for (; !piece.done; piece = await pieces.next()) text += piece.value.choices[0]?.delta.content ?? '';
      return text;
    };
  }

  /** Has every voucher signed, charged and claimed that can be by now. */
  async settle(): Promise<void> {
    await this.command('client', 'settle', z.unknown());
    await this.command('proxy', 'settle', z.unknown());
    await this.command('worker', 'claim', z.unknown());
  }

  /** Ctrl-C. @returns the exit code */
  async interrupt(): Promise<number | null> {
    this.child.kill('SIGINT');
    return until('the launcher ends', async () => (this.child.exitCode === null ? null : { code: this.child.exitCode })).then(
      ({ code }) => code,
    );
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null) await this.interrupt();
    if (this.isOwnFolder) rmSync(this.stateFolder, { recursive: true, force: true });
  }
}

const movedSchema = z.object({ result: z.object({ blockTimeSec: z.number() }) });
const healthSchema = z.object({ details: z.object({ blockTimeSec: z.number() }) });
const networkFile = z.object({ networkId: z.int(), chain: z.array(z.object({ url: z.string() })) });

/** Address of a raw text. */
export function raw(text: unknown): Address {
  return Address.parseRaw(String(text));
}
