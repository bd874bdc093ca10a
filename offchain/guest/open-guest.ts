import { createHash } from 'node:crypto';
import { chmodSync, existsSync, lstatSync, rmSync } from 'node:fs';
import type { Registry } from 'prom-client';
import { openSimulatedPlatform } from '../attestation/platform/simulated';
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
import { modelHash } from './engine/model-hash';
import { SupervisedEngine } from './engine/supervised-engine';
import { parseEngineUrl, UrlEngine } from './engine/url-engine';
import { Guest, type ModelProof } from './guest';
import { guestMachine } from './guest-image';
import { GuestMetrics } from './metrics';
import { guestService } from './service';
import { SteadyClock } from './steady-clock';

/** The embedded engine: llama.cpp as engine/llama/native-addon.ts pins it. */
const LLAMA_IDENTITY = { name: 'llama.cpp', version: 'node-llama-cpp 3.21.1' } as const;

export interface GuestSurroundings {
  readonly network: Network;
  readonly log: Logger;
  readonly metrics: Registry;
  onStatus(status: GuestStatus): void;
}

/** A guest that listens on its socket. */
export interface OpenGuest {
  readonly guest: Guest;
  readonly engine: Engine;
  /** Ends the running requests with their receipts, then the engine and the socket. */
  close(): Promise<void>;
}

/**
 * Puts a guest together and has it listen; the model is then hashed and the engine started while it already tells how far it is.
 * @throws ConfigError what is wrong in config, network or the platform's folder; TransportError connect_failed
 */
export async function openGuest(config: GuestConfig, surroundings: GuestSurroundings): Promise<OpenGuest> {
  const { network, log } = surroundings;
  refuseRealNetwork(network);
  const platform = await openSimulatedPlatform({ ...(await guestMachine()), folder: config.platform.folder });
  log.warn('SIMULATED: quotes come from the simulated platform, no hardware protects this guest');
  const { engine, proof } = chooseEngine(config, log);
  const metrics = new GuestMetrics(surroundings.metrics);
  const blockClock = new OffsetClock();
  const guest = new Guest(
    {
      engine,
      proof,
      platform,
      metrics,
      log,
      crypto: nodeCrypto,
      clock: new SteadyClock(network.clock === 'chain' ? blockClock : systemClock),
      onStatus: surroundings.onStatus,
    },
    { ...config, network: network.root, contextLength: config.contextLength ?? null },
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
    close: async () => {
      listener.close();
      await guest.stop();
      server.close();
    },
  };
}

/** Simulated quotes hold under a development root only; on another network they would be refused one by one. */
function refuseRealNetwork(network: Network): void {
  if (network.trustRoots.some((root) => root.kind !== 'development')) {
    throw new ConfigError('simulated_platform', `network ${network.name} has a real trust root, and the platform is simulated`);
  }
}

function chooseEngine(config: GuestConfig, log: Logger): { readonly engine: Engine; readonly proof: ModelProof } {
  if (config.engine.kind === 'url') {
    return { engine: new UrlEngine(parseEngineUrl(config.engine.url)), proof: { kind: 'unproven', nameHash: unprovenHash } };
  }
  const { modelPath } = config.engine;
  if (!existsSync(modelPath)) throw new ConfigError('model_not_found', `no model at ${modelPath}`, { path: modelPath });
  const engine = new SupervisedEngine({
    identity: LLAMA_IDENTITY,
    command: llamaCommand({ modelPath, ...(config.contextLength === undefined ? {} : { contextLength: config.contextLength }) }),
    log: (level, message, fields) => log[level](fields, message),
  });
  return { engine, proof: { kind: 'files', prove: (onProgress) => modelHash(modelPath, (done, total) => onProgress(done / total)) } };
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
