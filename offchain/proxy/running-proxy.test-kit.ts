import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Address } from '@ton/core';
import { type GpuPolicy, NO_GPUS } from '../attestation/gpu/gpu-policy';
import { DEFAULT_LIMITS } from '../attestation/policy';
import { VerifierMemory } from '../attestation/verifier-memory';
import type { ListedImage, ListedModel } from '../attestation/verify-evidence';
import { ChainError } from '../chain/chain-error';
import { ProxyContract, WorkerContract } from '../chain/contracts';
import { MessageValues } from '../chain/message-values';
import { Pending } from '../chain/pending';
import { setProxyContract, TestChain, TestWallet } from '../chain/plain-chain.test-kit';
import { BLOCK, hex, makeGuest, NOW, ROOT, type TestGuest, testCollateral, testRoot } from '../client/guest.test-kit';
import { fromBigEndian } from '../core/bytes';
import { FixedClock } from '../core/clock';
import { until } from '../core/until.test-kit';
import { Ledger } from '../ledger/ledger';
import { silentLog } from '../runtime/log';
import { generateSigner, nodeCrypto } from '../runtime/node-crypto';
import type { Connection } from '../transport/exchange';
import { connectionOver } from '../transport/session';
import { createTlsIdentity, dialTls, type TlsIdentity } from '../transport/tls';
import { ChannelKeys } from './channel-keys';
import { Channels } from './channels';
import { MAX_WATCHED, type ProxyConfig, ProxyConfigSchema } from './config';
import { PublicListener } from './listener';
import { ReceiptSettlement } from './receipt-settlement';
import { RequestBook } from './requests';
import { proxyService } from './service';
import { Settlement } from './settlement';
import type { TestWorker } from './worker.test-kit';
import { WorkerDebts } from './worker-debts';
import { WorkerFunding } from './worker-funding';
import { WorkerPool } from './worker-pool';

// The proxy's real parts around a real ledger and real sockets; the chain is what a test says, and rounds come when a test says.

const PROXY_OWNER = Address.parseRaw(`0:${hex(0x71)}`);
export const OPERATOR = Address.parseRaw(`0:${hex(0x72)}`);
export const WITHDRAW_DELAY = 3600;
const PROXY_TERMS = { owner: PROXY_OWNER, root: Address.parseRaw(ROOT), withdrawDelay: WITHDRAW_DELAY, index: 0 };
export const PROXY = ProxyContract.create(PROXY_TERMS).address;

let identity: Promise<TlsIdentity> | null = null;

/** What outlives a process: the chain, the folder, the keys. */
export class World {
  readonly clock = new FixedClock(NOW);
  readonly chain = new TestChain(this.clock);
  readonly folder = mkdtempSync(join(tmpdir(), 'cocoon-proxy-'));
  readonly payer = generateSigner();
  readonly contract = setProxyContract(this.chain, PROXY_TERMS, 5_000_000_000n);
  readonly images = new Map<string, ListedImage>();
  readonly models = new Map<string, ListedModel>();
  /** Collateral as it can be had now. */
  collateral = testCollateral();
  /** Whether allowlist and blocks cannot be read. */
  isChainDown = false;
  /** What its proxies accept of GPUs, from their start on. */
  gpu: GpuPolicy = NO_GPUS;
  private readonly running: RunningProxy[] = [];

  constructor(readonly guest: TestGuest) {
    this.list(guest);
  }

  static async make(): Promise<World> {
    return new World(await makeGuest());
  }

  list(guest: TestGuest): void {
    this.images.set(guest.imageHash, { roles: ['worker'], activeFromSec: NOW - 100 });
    this.models.set(guest.offer.model.hash, { kind: guest.offer.model.kind, activeFromSec: NOW - 100 });
  }

  /** What the chain answers, while it does. */
  read<T>(value: T): T {
    if (this.isChainDown) throw new ChainError('chain_unread', 'the chain was last read long ago');
    return value;
  }

  /** Starts a proxy on a ledger's folder; one at a time, as processes would. */
  async start(config: Readonly<Record<string, unknown>> = {}, callTimeoutMs = 10_000): Promise<RunningProxy> {
    identity ??= createTlsIdentity('test proxy');
    const proxy = await RunningProxy.start(this, await identity, config, callTimeoutMs);
    this.running.push(proxy);
    return proxy;
  }

  async end(): Promise<void> {
    for (const proxy of this.running) await proxy.stop();
    rmSync(this.folder, { recursive: true });
  }

  /** The contract by which a worker is paid. */
  workerContract(owner: Address): WorkerContract {
    const payerKey = fromBigEndian(this.payer.publicKey);
    return WorkerContract.create({ owner, proxy: PROXY, payerKey, withdrawDelay: WITHDRAW_DELAY });
  }
}

export class RunningProxy {
  private readonly connections: Connection[] = [];
  private isStopped = false;

  private constructor(
    readonly config: ProxyConfig,
    readonly failures: readonly unknown[],
    readonly ledger: Ledger,
    readonly debts: WorkerDebts,
    readonly requests: RequestBook,
    readonly channels: Channels,
    readonly wallet: TestWallet,
    readonly workers: WorkerPool,
    readonly settlement: Settlement,
    private readonly listener: PublicListener,
    readonly port: number,
    private readonly pin: string,
  ) {}

  static async start(
    world: World,
    tls: TlsIdentity,
    settings: Readonly<Record<string, unknown>>,
    callTimeoutMs: number,
  ): Promise<RunningProxy> {
    const folder = join(world.folder, 'ledger');
    const config = ProxyConfigSchema.parse({ stateFolder: folder, network: 'none', owner: PROXY_OWNER.toRawString(), ...settings });
    const { chain, clock, contract } = world;
    const failures: unknown[] = [];
    const fail = (error: unknown) => {
      failures.push(error);
    };
    const log = silentLog();
    const ledger = Ledger.open(folder);
    const debts = new WorkerDebts(ledger, world.payer, nodeCrypto);
    const requests = new RequestBook(ledger, debts, nodeCrypto);
    const values = new MessageValues({ client: chain, clock });
    const keys = new ChannelKeys(clock, nodeCrypto);
    const receipts = new ReceiptSettlement({ config, requests, values, keys, clock });
    const channels = new Channels({
      client: chain,
      watcher: chain,
      clock,
      terms: { proxy: PROXY, operator: OPERATOR, withdrawDelay: WITHDRAW_DELAY },
      maxWatched: MAX_WATCHED,
      activity: (channel) => (receipts.isPossible(channel) ? 'busy' : requests.activity(channel, config.minChargeNano)),
      onForgotten: (id) => {
        requests.forget(id).catch(fail);
      },
    });
    const workers = new WorkerPool({
      config,
      proxy: PROXY,
      root: Address.parseRaw(ROOT),
      payerKey: world.payer.publicKey,
      policy: { ...DEFAULT_LIMITS, gpu: world.gpu, trustRoots: [await testRoot()] },
      allowlist: {
        image: (hash) => world.read(world.images.get(hash) ?? null),
        model: (hash) => world.read(world.models.get(hash) ?? null),
      },
      collateral: { collateralFor: (query) => world.collateral.collateralFor(query), drop: () => undefined },
      memory: new VerifierMemory(),
      blocks: (seqno) => world.read(seqno === BLOCK.seqno ? { rootHash: BLOCK.rootHash, atSec: NOW - 600 } : null),
      clock,
      crypto: nodeCrypto,
      debts,
      requests,
      log,
      callTimeoutMs,
      fail,
    });
    const pending = new Pending(clock);
    const wallet = new TestWallet(OPERATOR);
    const funding = new WorkerFunding({ config, contract, client: chain, watcher: chain, debts, workers, pending, log });
    const settlement = new Settlement({
      config,
      operator: wallet,
      channels,
      requests,
      receipts,
      values,
      keys,
      funding,
      pending,
      log,
    });
    const { listener, port } = await PublicListener.open(tls, '127.0.0.1', 0);
    const info = () => ({
      contract: PROXY.toRawString(),
      root: ROOT,
      operator: OPERATOR.toRawString(),
      payerKey: hex(0x73),
      feeBasisPoints: config.feeBasisPoints,
      withdrawDelaySec: WITHDRAW_DELAY,
      creditWindow: config.creditWindowNano,
      limits: { maxBodySize: 1, maxValidSec: 600, maxOpen: 1024 },
      simulated: true,
      version: '0.1.0',
    });
    const service = proxyService({ config, address: PROXY, channels, requests, workers, clock, crypto: nodeCrypto, log, fail, info });
    listener.serve(service, { onError: fail }, (connection) => workers.add(connection));
    return new RunningProxy(config, failures, ledger, debts, requests, channels, wallet, workers, settlement, listener, port, tls.pin);
  }

  async connect(): Promise<Connection> {
    const connection = connectionOver(await dialTls(`https://127.0.0.1:${this.port}`, this.pin, 'h2'));
    this.connections.push(connection);
    return connection;
  }

  async dial(worker: TestWorker): Promise<void> {
    await worker.dial(this.port, this.pin);
  }

  /** Has a worker dial, and waits until its guest may be used. */
  async attach(worker: TestWorker): Promise<void> {
    await this.dial(worker);
    await until(() => this.workers.find(worker.guest.digest) !== null);
  }

  /** Lets go of everything, and finishes nothing that a kill would not. */
  async stop(): Promise<void> {
    if (this.isStopped) return;
    this.isStopped = true;
    for (const connection of this.connections) connection.close();
    this.listener.close();
    await this.workers.close();
    await this.ledger.close();
  }
}
