/** The network as a whole: makes its files, starts its processes in order, starts again what dies. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import codes from '../../wrappers/code.json';
import { DEVELOPMENT_FILES } from '../attestation/platform/development-files';
import { createDevelopmentRoot } from '../attestation/platform/development-root';
import { ChainClient } from '../chain/chain-client';
import { ConfigError, codeOf } from '../core/errors';
import { formatTon } from '../core/money';
import { type ExitInfo, type RunningChild, startChild } from '../runtime/child';
import { controlSocketPath, getControl, sendCommand } from '../runtime/control';
import type { Details } from '../runtime/parent-link';
import { pause } from '../runtime/repeat';
import { openStateFolder, writeFileAtomic } from '../runtime/state-folder';
import type { EngineChoice } from './engine-choice';
import { ensureListed, type Listing, rootContract } from './governance';
import { LocalnetError, Parties } from './parties';
import { type PccsServer, servePccs } from './pccs-server';
import { CHANNEL_DEPOSIT, NETWORK_ID, NETWORK_NAME, POLL_MS, type Ports, PROXY_STAKE, WITHDRAW_DELAY_SEC, WORKER_PRICES } from './settings';

/** The processes, in the order in which they are stopped. */
export const PROCESS_NAMES = ['client', 'worker', 'proxy', 'guest', 'chain'] as const;
export type ProcessName = (typeof PROCESS_NAMES)[number];

export interface LocalNetworkOptions {
  /** Everything that the network keeps lies under it. */
  readonly stateFolder: string;
  /** 0 asks for a free port. */
  readonly ports: Ports;
  readonly engine: EngineChoice;
  /** Whether a process that ends by itself is started again. */
  readonly isSupervised: boolean;
  /** Aborted, it ends a start that is under way. */
  readonly signal: AbortSignal;
  onProgress(step: string, text: string): void;
  onEvent(process: ProcessName, event: string, details: Details): void;
}

const stateSchema = z.strictObject({ format: z.literal(1), contracts: z.string() });
const RESTART_MS = 500;
const STATE_FILE = 'state.json';

export class LocalNetwork {
  private readonly children = new Map<ProcessName, RunningChild>();
  private readonly stopping = new AbortController();
  private readonly starting = new Set<Promise<RunningChild>>();
  private readonly taken = new Map<ProcessName, number>();
  private client: ChainClient | null = null;
  private pccs: PccsServer | null = null;
  private models: readonly string[] = [];
  /** Why the guest does not serve, if it has said so. */
  private guestFailure: string | null = null;

  private constructor(
    private readonly options: LocalNetworkOptions,
    readonly parties: Parties,
  ) {}

  /** Makes or continues the network in its folder, and starts it. @throws ConfigError, ChildError; nothing is left running */
  static async start(options: LocalNetworkOptions): Promise<LocalNetwork> {
    checkState(options.stateFolder);
    const network = new LocalNetwork(options, new Parties(options.stateFolder));
    options.signal.addEventListener('abort', () => network.stopping.abort(), { once: true });
    if (options.signal.aborted) network.stopping.abort();
    try {
      await network.startAll();
      return network;
    } catch (error) {
      await network.stop();
      throw error;
    }
  }

  get chain(): ChainClient {
    if (this.client === null) throw new LocalnetError('not_started', 'the chain is not running');
    return this.client;
  }

  /** The id of the model that is served. */
  get modelName(): string {
    return this.models[0] ?? '';
  }

  /** Base of the OpenAI interface. */
  get gatewayUrl(): string {
    return `http://127.0.0.1:${this.portOf('client')}/v1`;
  }

  get chainUrl(): string {
    return `http://127.0.0.1:${this.portOf('chain')}/api/v2/jsonRPC`;
  }

  get devUrl(): string {
    return `http://127.0.0.1:${this.portOf('chain')}/dev`;
  }

  folder(name: ProcessName): string {
    return join(this.options.stateFolder, name);
  }

  get networkFile(): string {
    return join(this.options.stateFolder, 'network.json');
  }

  child(name: ProcessName): RunningChild {
    const child = this.children.get(name);
    if (child === undefined) throw new LocalnetError('not_started', `${name} is not running`);
    return child;
  }

  isRunning(name: ProcessName): boolean {
    return this.children.has(name);
  }

  command(name: ProcessName, command: string, input: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    return sendCommand(this.folder(name), command, input);
  }

  /** Starts one process anew; it takes the port that it had. @throws ChildError */
  startProcess(name: ProcessName): Promise<RunningChild> {
    const start = this.startNow(name);
    this.starting.add(start);
    start.catch(() => undefined).finally(() => this.starting.delete(start));
    return start;
  }

  private async startNow(name: ProcessName): Promise<RunningChild> {
    const child = await startChild({
      name,
      signal: this.stopping.signal,
      script: join(__dirname, SCRIPTS[name]),
      configFile: join(this.folder(name), 'config.json'),
      readyTimeoutMs: 120_000,
      onEvent: (event, details) => {
        if (name === 'guest' && event === 'state') this.guestFailure = details.state === 'failed' ? String(details.reason) : null;
        this.options.onEvent(name, event, details);
      },
    });
    this.children.set(name, child);
    void child.exited.then((exit) => this.onExit(name, child, exit));
    return child;
  }

  /** Ends every process; safe to call more than once. */
  async stop(): Promise<void> {
    this.stopping.abort();
    // What is still starting is given up by the signal; what just became ready is in the list when its start has settled.
    await Promise.allSettled(this.starting);
    for (const name of PROCESS_NAMES) await this.children.get(name)?.stop();
    await this.pccs?.close();
  }

  private async startAll(): Promise<void> {
    const { options, parties } = this;
    const progress = options.onProgress;
    const engine = options.engine.listing();
    // Awaited further down; until then a failure must wait, too.
    engine.catch(() => undefined);

    this.writeConfig('chain', { port: options.ports.chain });
    const chain = await this.startProcess('chain');
    this.remember('chain', chain, options.ports.chain);
    const client = new ChainClient({ endpoint: this.chainUrl });
    this.client = client;
    progress('chain', `local TON, real TVM, mainnet's prices: ${this.chainUrl}, block ${(await client.latestBlock()).seqno}`);

    await parties.fund(client, this.devUrl);
    const platform = await this.ensurePlatform((await client.latestBlock()).atSec);
    const listing: Listing = await engine;
    const root = rootContract(parties);
    const activeFrom = await ensureListed(client, await parties.wallet(client, 'rootOwner'), root, listing);
    progress(
      'contracts',
      `root ${root.address.toString()}, image ${listing.imageHash.slice(0, 12)}, model ${listing.model.hash.slice(0, 12)}`,
    );
    const nowSec = async () => (await client.latestBlock()).atSec;
    this.pccs = await servePccs(platform, options.ports.pccs, nowSec);
    progress('pccs', `SIMULATED collateral, always up to date: ${this.pccs.url}`);
    this.writeNetworkFile(root.address.toRawString(), platform, this.pccs.url);

    const socket = join(this.folder('guest'), 'guest.sock');
    this.writeConfig('guest', {
      socket,
      network: this.networkFile,
      owner: parties.address('workerOwner').toRawString(),
      platform: { kind: 'simulated', folder: platform },
      engine: options.engine.config,
    });
    this.writeConfig('proxy', {
      network: this.networkFile,
      owner: parties.address('proxyOwner').toRawString(),
      ownerKeyFile: parties.keyFile('proxyOwner'),
      withdrawDelaySec: WITHDRAW_DELAY_SEC,
      stakeNano: PROXY_STAKE.toString(),
      port: options.ports.proxy,
      pollMs: POLL_MS,
    });
    this.writeConfig('worker', {
      network: this.networkFile,
      guestSocket: socket,
      owner: parties.address('workerOwner').toRawString(),
      prices: WORKER_PRICES,
      pollMs: POLL_MS,
    });
    const startProxy = async () => {
      const child = await this.startProcess('proxy');
      this.remember('proxy', child, options.ports.proxy);
      progress('proxy', `${child.details.url}, staked ${formatTon(PROXY_STAKE)} TON, contract ${child.details.contract}`);
    };
    const startGuest = async () => {
      await this.startProcess('guest');
      progress('guest', `SIMULATED TDX; ${options.engine.words}`);
    };
    await Promise.all([startProxy(), startGuest()]);
    await this.startProcess('worker');
    progress('worker', `${parties.address('workerOwner').toString()} is paid; price per million tokens ${priceWords()}`);

    this.writeConfig('client', {
      network: this.networkFile,
      port: options.ports.client,
      owner: parties.address('clientOwner').toRawString(),
      ownerKeyFile: parties.keyFile('clientOwner'),
      openNano: CHANNEL_DEPOSIT.toString(),
      allowUnproven: options.engine.config.kind === 'url',
      pollMs: POLL_MS,
    });
    const gateway = await this.startProcess('client');
    this.remember('client', gateway, options.ports.client);
    progress('client', `${this.gatewayUrl}, channel ${gateway.details.channel}`);
    this.models = await this.waitForModel(activeFrom);
  }

  /** The guest is offered once its image is active, its evidence verified, and its contract funded. */
  private async waitForModel(activeFrom: number): Promise<readonly string[]> {
    let said = false;
    for (;;) {
      if (this.stopping.signal.aborted) throw new LocalnetError('stopped', 'stopped while starting');
      const models = await listModels(this.gatewayUrl);
      if (models.length > 0) return models;
      if (this.guestFailure !== null) throw new LocalnetError('guest_failed', `the guest cannot serve: ${this.guestFailure}`);
      if (!said) {
        const waitSec = Math.max(0, activeFrom - (await this.chain.latestBlock()).atSec);
        this.options.onProgress('evidence', `waiting for the allowlist's time lock (${waitSec} s) and the guest's evidence`);
      }
      said = true;
      await pause(100, this.stopping.signal);
    }
  }

  private remember(name: 'client' | 'proxy' | 'chain', child: RunningChild, wanted: number): void {
    const port = Number(child.details.port ?? wanted);
    this.taken.set(name, port);
    // A process that is started again must be found where it was.
    const file = join(this.folder(name), 'config.json');
    const config = z.record(z.string(), z.unknown()).parse(JSON.parse(readFileSync(file, 'utf8')));
    writeFileAtomic(file, JSON.stringify({ ...config, port }, null, 2));
  }

  private portOf(name: 'client' | 'chain'): number {
    return this.taken.get(name) ?? this.options.ports[name];
  }

  private writeConfig(name: ProcessName, config: Readonly<Record<string, unknown>>): void {
    const folder = this.folder(name);
    openStateFolder(folder);
    writeFileAtomic(join(folder, 'config.json'), JSON.stringify({ stateFolder: folder, ...config }, null, 2));
  }

  private writeNetworkFile(root: string, platform: string, pccs: string): void {
    const der = readFileSync(join(platform, DEVELOPMENT_FILES.root)).toString('base64');
    writeFileAtomic(
      this.networkFile,
      JSON.stringify(
        {
          name: NETWORK_NAME,
          networkId: NETWORK_ID,
          root,
          chain: [{ url: this.chainUrl }],
          trustRoots: [{ kind: 'development', der }],
          pccs,
          clock: 'chain',
        },
        null,
        2,
      ),
      0o644,
    );
  }

  private async ensurePlatform(nowSec: number): Promise<string> {
    const folder = join(this.options.stateFolder, 'platform');
    if (!existsSync(join(folder, DEVELOPMENT_FILES.root))) await createDevelopmentRoot(folder, nowSec);
    return folder;
  }

  private async onExit(name: ProcessName, child: RunningChild, exit: ExitInfo): Promise<void> {
    if (this.children.get(name) === child) this.children.delete(name);
    if (this.stopping.signal.aborted || !this.options.isSupervised) return;
    const how = exit.signal ?? `exit code ${exit.code}`;
    this.options.onProgress(name, `ended (${how})${exit.failure === null ? '' : `: ${exit.failure.message}`}; starting it again`);
    while (!this.stopping.signal.aborted) {
      await pause(RESTART_MS, this.stopping.signal);
      if (this.stopping.signal.aborted) return;
      try {
        await this.startProcess(name);
        this.options.onProgress(name, 'is back');
        return;
      } catch (error) {
        this.options.onProgress(name, `did not start (${codeOf(error)})`);
      }
    }
  }
}

/** Modules of the processes' mains, from here. */
const SCRIPTS: Readonly<Record<ProcessName, string>> = {
  chain: 'chain/main',
  guest: '../guest/main',
  proxy: '../proxy/main',
  worker: '../worker/main',
  client: '../client/main',
};

/**
 * Deletes a network's state: only a folder that a local network has made, and only while none runs on it.
 * @throws ConfigError not_a_network, already_running
 */
export async function resetState(stateFolder: string): Promise<void> {
  if (!existsSync(stateFolder)) return;
  if (!existsSync(join(stateFolder, STATE_FILE))) {
    throw new ConfigError(
      'not_a_network',
      `${stateFolder} holds no local network, so --reset leaves it alone: delete it yourself if you mean it`,
    );
  }
  for (const name of PROCESS_NAMES) {
    const isRunning = await getControl(controlSocketPath(join(stateFolder, name)), '/healthz').then(
      () => true,
      () => false,
    );
    if (isRunning) throw new ConfigError('already_running', `a network is running in ${stateFolder} (its ${name} answers)`);
  }
  rmSync(stateFolder, { recursive: true, force: true });
}

/** Refuses state that other contract code has made: its addresses would be others now. @throws ConfigError other_contracts */
function checkState(stateFolder: string): void {
  openStateFolder(stateFolder);
  const file = join(stateFolder, STATE_FILE);
  const contracts = Object.values(codes)
    .map((code) => code.hash)
    .join(' ');
  if (!existsSync(file)) {
    writeFileAtomic(file, JSON.stringify({ format: 1, contracts }));
    return;
  }
  const state = stateSchema.safeParse(JSON.parse(readFileSync(file, 'utf8')));
  if (!state.success || state.data.contracts !== contracts) {
    throw new ConfigError('other_contracts', `the network in ${stateFolder} was made by other contract code: start it with --reset`);
  }
}

async function listModels(gatewayUrl: string): Promise<string[]> {
  const answer = z.object({ data: z.array(z.object({ id: z.string() })) });
  try {
    const response = await fetch(`${gatewayUrl}/models`);
    return response.ok ? answer.parse(await response.json()).data.map((model) => model.id) : [];
  } catch {
    return [];
  }
}

function priceWords(): string {
  return `${formatTon(BigInt(WORKER_PRICES.uncachedPrompt))} TON in, ${formatTon(BigInt(WORKER_PRICES.answer))} TON out`;
}
