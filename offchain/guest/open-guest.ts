import { createHash } from 'node:crypto';
import { chmodSync, existsSync, lstatSync, rmSync } from 'node:fs';
import type { Registry } from 'prom-client';
import type { GpuAttester } from '../attestation/platform/gpu-attester';
import { collectEvidence, NvattestAttester } from '../attestation/platform/nvattest';
import type { Platform } from '../attestation/platform/platform';
import { RemoteGpuAttester } from '../attestation/platform/remote-gpu-attester';
import { openTdxPlatform, type TdxMachine } from '../attestation/platform/tdx';
import { loadTrustRoots } from '../attestation/trust-root';
import { OffsetClock, systemClock } from '../core/clock';
import { ConfigError, codeOf } from '../core/errors';
import type { GuestStatus, HostBlock } from '../protocol/calls';
import { localSocketPath } from '../runtime/control';
import type { Logger } from '../runtime/log';
import type { Network } from '../runtime/network';
import { nodeCrypto } from '../runtime/node-crypto';
import { MAX_RELAY_BODY } from '../sealing/relay-body';
import { http2Server } from '../transport/server';
import { listen, localListener } from '../transport/tls';
import type { GuestConfig } from './config';
import type { Engine } from './engine/engine';
import { llamaCommand } from './engine/engine-command';
import { type FileSystemType, fileSystemType, requireInMemory } from './engine/model-storage';
import { SupervisedEngine } from './engine/supervised-engine';
import { parseEngineUrl, UrlEngine } from './engine/url-engine';
import { type DeviceMapper, linuxDeviceMapper } from './engine/verity-mount';
import { Guest, type ModelProof } from './guest';
import { imageConfigDigest } from './guest-image';
import { GuestMetrics } from './metrics';
import { MODEL_CHANGED, weightsProof } from './model-proof';
import { guestService } from './service';
import { SteadyClock } from './steady-clock';

/** The embedded engine: llama.cpp as engine/llama/native-addon.ts pins it. */
const LLAMA_IDENTITY = { name: 'llama.cpp', version: 'node-llama-cpp 3.21.1' } as const;

/** What is asked about the place that a model lies in. */
interface ModelPlace {
  readonly fileSystemType: FileSystemType;
  readonly deviceMapper: DeviceMapper;
}

const THIS_PLACE: ModelPlace = { fileSystemType, deviceMapper: linuxDeviceMapper };

export interface GuestSurroundings {
  readonly network: Network;
  readonly log: Logger;
  readonly metrics: Registry;
  /** What a guest on TDX takes from the machine; this one's unless told otherwise. */
  readonly machine?: TdxMachine & ModelPlace;
  onStatus(status: GuestStatus): void;
}

/** A guest that listens on its socket. */
export interface OpenGuest {
  readonly guest: Guest;
  readonly engine: Engine;
  /** Whether no hardware protects this guest: say SIMULATED wherever a person sees it. */
  readonly simulated: boolean;
  /** Ends the running requests with their receipts, then the engine and the socket. */
  close(): Promise<void>;
}

/**
 * Puts a guest together and has it listen; the model is then hashed and the engine started while it already tells how far it is.
 * @throws ConfigError what is wrong in config, network or the platform; TransportError connect_failed
 */
export async function openGuest(config: GuestConfig, surroundings: GuestSurroundings): Promise<OpenGuest> {
  const { network, log } = surroundings;
  const platform = await openPlatform(config, network, log, surroundings.machine);
  const { engine, proof } = chooseEngine(config, log, surroundings.machine ?? THIS_PLACE);
  const metrics = new GuestMetrics(surroundings.metrics);
  const blockClock = new OffsetClock();
  const guest = new Guest(
    {
      engine,
      proof,
      platform,
      gpu: chooseGpuAttester(config),
      metrics,
      log,
      crypto: nodeCrypto,
      clock: new SteadyClock(network.clock === 'chain' ? blockClock : systemClock),
      onStatus: surroundings.onStatus,
    },
    { ...config, image: config.image ?? IMAGE_NAME[platform.kind], network: network.root, contextLength: config.contextLength ?? null },
  );

  const service = guestService(guest, (block: HostBlock) => blockClock.setNow(block.atSec));
  const server = http2Server(service, {
    maxBodySize: MAX_RELAY_BODY,
    onError: (error) => log.error({ code: codeOf(error) }, 'call failed unexpectedly'),
  });
  const listener = localListener((socket) => server.serve(socket));
  const path = localSocketPath(config.socket);
  makeRoom(path);
  await listen(listener, { path });
  if (!isPipe(path)) chmodSync(path, 0o600);

  void guest.boot();
  return {
    guest,
    engine,
    simulated: platform.kind === 'simulated',
    close: async () => {
      listener.close();
      await guest.stop();
      server.close();
    },
  };
}

const IMAGE_NAME: Readonly<Record<Platform['kind'], string>> = { simulated: 'cocoon-guest (SIMULATED)', tdx: 'cocoon-guest' };

async function openPlatform(config: GuestConfig, network: Network, log: Logger, machine?: TdxMachine): Promise<Platform> {
  const kinds = new Set((await loadTrustRoots(network.trustRoots, nodeCrypto)).map((root) => root.kind));
  switch (config.platform.kind) {
    case 'simulated': {
      // Simulated quotes hold under a development root only; on another network they would be refused one by one.
      if (kinds.has('intel')) {
        throw new ConfigError('simulated_platform', `network ${network.name} has a real trust root, and the platform is simulated`);
      }
      // Loaded here alone: a guest on TDX has nothing in it that makes quotes of its own.
      const { openSimulatedGuest }: typeof import('./simulated-machine') = require('./simulated-machine');
      const platform = await openSimulatedGuest(config.platform.folder);
      log.warn('SIMULATED: quotes come from the simulated platform, no hardware protects this guest');
      return platform;
    }
    case 'tdx':
      if (kinds.has('development')) {
        throw new ConfigError(
          'tdx_platform',
          `network ${network.name} has a development root, which vouches for no hardware, and the platform is tdx`,
        );
      }
      // Nobody may seal to an unproven model under Intel's root, so that such a guest would wait for nothing.
      if (config.engine.kind === 'url') {
        throw new ConfigError(
          'model_not_proven',
          'the engine is a url, whose model nothing proves: on TDX the guest starts the engine itself',
        );
      }
      return openTdxPlatform(imageConfigDigest(), machine);
  }
}

/** Long enough for services at the other end of the world, asked about eight GPUs. */
const GPU_TIMEOUT_MS = 120_000;

function chooseGpuAttester({ gpu, stateFolder }: GuestConfig): GpuAttester | null {
  const timeoutMs = GPU_TIMEOUT_MS;
  switch (gpu.kind) {
    case 'none':
      return null;
    case 'nvattest':
      return new NvattestAttester({ ...gpu, timeoutMs, tempFolder: stateFolder });
    case 'remote':
      return new RemoteGpuAttester({ url: gpu.url, timeoutMs, fetch, collect: (nonce) => collectEvidence({ ...gpu, timeoutMs }, nonce) });
  }
}

function chooseEngine(config: GuestConfig, log: Logger, place: ModelPlace): { readonly engine: Engine; readonly proof: ModelProof } {
  if (config.engine.kind === 'url') {
    return { engine: new UrlEngine(parseEngineUrl(config.engine.url)), proof: { kind: 'unproven', nameHash: unprovenHash } };
  }
  const { modelPath } = config.engine;
  if (!existsSync(modelPath)) throw new ConfigError('model_not_found', `no model at ${modelPath}`, { path: modelPath });
  const proof = weightsProof({
    ...config.engine,
    // The disks of a TDX guest are its host's.
    requireSafePlace: (path) => (config.platform.kind === 'tdx' ? requireInMemory(path, place.fileSystemType) : Promise.resolve()),
    deviceMapper: place.deviceMapper,
  });
  const engine = new SupervisedEngine({
    identity: LLAMA_IDENTITY,
    command: llamaCommand({ modelPath, ...(config.contextLength === undefined ? {} : { contextLength: config.contextLength }) }),
    log: (level, message, fields) => log[level](fields, message),
    // The weights are loaded anew, so they are proven anew.
    beforeRestart: { check: (onProgress) => proof.prove(onProgress), finalCode: MODEL_CHANGED },
  });
  return { engine, proof };
}

/** The hash that stands in claims where nothing is proven: of the name alone. Lower-case hex. */
export function unprovenHash(modelName: string): string {
  return createHash('sha256').update(`cocoon unproven model\n${modelName}`).digest('hex');
}

/** Takes away the socket that a killed guest left. The state folder's lock says that no other guest listens on it. */
function makeRoom(path: string): void {
  if (isPipe(path)) return;
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!stats.isSocket()) throw new ConfigError('socket_path_taken', `${path} is there and no socket`, { path });
  rmSync(path);
}

/** A named pipe, which is no file. */
function isPipe(path: string): boolean {
  return path.startsWith('\\\\');
}
