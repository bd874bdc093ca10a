/** The guest's course: prove the model, start the engine, make keys, serve, replace the keys, drain. */
import { type Challenge, packChallenge, statementHash } from '../../wrappers/statements';
import type { EngineIdentity, ModelIdentity } from '../attestation/claims';
import type { GpuAttester } from '../attestation/platform/gpu-attester';
import type { Platform } from '../attestation/platform/platform';
import { toBigEndian } from '../core/bytes';
import type { Clock } from '../core/clock';
import type { CryptoProvider } from '../core/crypto';
import { codeOf, messageOf } from '../core/errors';
import type { GuestStatus, HostBlock, ModelInfo } from '../protocol/calls';
import { hashValue } from '../protocol/fields';
import { CallError } from '../protocol/json';
import type { SignedChallenge } from '../protocol/statements-json';
import type { Logger } from '../runtime/log';
import type { Engine, EngineModel } from './engine/engine';
import { KeyRing } from './key-ring';
import { makeKeySet } from './key-set';
import type { GuestMetrics } from './metrics';
import type { WeightsProof } from './model-proof';
import { type LoggedReceipt, ReceiptLog } from './receipt-log';
import { Relay, type RelayLimits } from './relay';

/** How the weights are proven before the engine may load them: gives their hash, lower-case hex. `onProgress` is told 0 to 1. */
export type ModelProof =
  | WeightsProof
  /** Nothing can be proven of an engine that the guest did not start. The hash then only names the model. */
  | { readonly kind: 'unproven'; nameHash(modelName: string): string };

export interface GuestParts {
  readonly engine: Engine;
  readonly proof: ModelProof;
  readonly platform: Platform;
  readonly gpu: GpuAttester | null;
  readonly crypto: CryptoProvider;
  /** Must never go back. */
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: GuestMetrics;
  /** Told at every change that a person may want to see. */
  onStatus(status: GuestStatus): void;
}

export interface GuestOptions extends RelayLimits {
  /** Raw address of the root contract. */
  readonly network: string;
  readonly owner: string;
  readonly image: string;
  /** Where the engine does not say it, or where less of it is to be used. */
  readonly contextLength: number | null;
  readonly maxRemembered: number;
  /** For how long one key set may be used, in seconds; see KEY_LIFE_SEC. */
  readonly keyLifeSec: number;
}

type Phase = Pick<GuestStatus, 'state' | 'reason' | 'progress'>;

const MAX_REASON_SIZE = 500;
/** How long a platform that failed is left alone while the keys before still serve. */
const RETRY_SEC = 60;

export class Guest {
  readonly relay: Relay;
  private readonly keys: KeyRing;
  private readonly receipts = new ReceiptLog();
  private hashing: { readonly progress: number } | { readonly failure: string } | 'done' = { progress: 0 };
  private provenHash = '';
  private model: ModelInfo | null = null;
  private keyFailure: string | null = null;
  private retryAtSec = 0;
  private block: HostBlock | null = null;
  private making: Promise<void> | null = null;
  private isDraining = false;

  constructor(
    private readonly parts: GuestParts,
    private readonly options: GuestOptions,
  ) {
    const { engine, clock, log, metrics } = parts;
    this.keys = new KeyRing(clock, options.keyLifeSec);
    this.relay = new Relay(
      { engine, clock, log, metrics, keys: this.keys, receipts: this.receipts, serving: () => this.serving() },
      options,
    );
    metrics.show({
      running: () => this.relay.running,
      receiptsWaiting: () => this.receipts.size,
      isReady: () => this.phase().state === 'ready',
    });
    engine.onChange(() => this.engineChanged());
  }

  /** Proves the model, then starts the engine. Does not throw: what goes wrong is the status. */
  async boot(): Promise<void> {
    const { proof, engine, log } = this.parts;
    try {
      if (proof.kind !== 'unproven') this.provenHash = await proof.prove((progress) => this.show({ progress }));
      else log.warn('MODEL NOT PROVEN: the engine was not started from weights that this guest has hashed');
    } catch (error) {
      log.error({ code: codeOf(error) }, 'model cannot be hashed');
      this.show({ failure: messageOf(error) });
      return;
    }
    this.show('done');
    if (this.isDraining) return;
    try {
      await engine.start();
    } catch (error) {
      log.error({ code: codeOf(error) }, 'engine did not start');
    }
  }

  status(): GuestStatus {
    const { engine, platform } = this.parts;
    return {
      boot: this.receipts.boot,
      ...this.phase(),
      simulated: platform.kind === 'simulated',
      image: this.options.image,
      engine: this.model === null ? null : engine.identity,
      model: this.model,
      keys: this.keys.current?.info ?? null,
      running: this.relay.running,
    };
  }

  /** Takes the host's word for a recent block; evidence names it, verifiers look it up. Replaces keys when it is time. */
  async tellBlock(block: HostBlock): Promise<void> {
    this.block = block;
    this.keys.sweep();
    const making = this.makeKeysIfDue();
    // While there are keys to serve with, a platform that takes its time keeps no caller waiting.
    if (this.keys.current === null) await making;
  }

  /**
   * Proves to a proxy that this guest is there, with the receipt key of this evidence. Keys that were replaced prove it as long as they
   * accept: the proxy may have been shown them a moment ago.
   *
   * @throws CallError not_ready, key_expired
   */
  async challenge(proxy: Challenge['proxy'], nonce: string, evidence: string): Promise<SignedChallenge> {
    if (this.keys.current === null) throw new CallError('not_ready', 'there are no keys yet', {}, true);
    const set = this.keys.acceptingFor(evidence);
    if (set === null) throw new CallError('key_expired', 'the evidence is not, or no longer, that of this guest', {}, true);
    const challenge = { proxy, nonce: hashValue(nonce), at: this.parts.clock.nowSec() };
    return { challenge, signature: await set.keys.receipt.sign(toBigEndian(statementHash(packChallenge(challenge)), 32)) };
  }

  evidence(digest: string): Uint8Array | null {
    return this.keys.evidence(digest);
  }

  /** The GPU evidence beside this bundle; null where there is none. */
  gpuEvidence(digest: string): Uint8Array | null {
    return this.keys.gpuEvidence(digest);
  }

  receiptsAfter(sequence: number): { boot: string; receipts: LoggedReceipt[] } {
    return { boot: this.receipts.boot, receipts: this.receipts.after(sequence) };
  }

  /** Refuses new requests from now on; those that run go on to their end. */
  drain(): void {
    if (this.isDraining) return;
    this.isDraining = true;
    this.parts.log.info({ running: this.relay.running }, 'draining');
    this.parts.onStatus(this.status());
  }

  /** Ends the requests that run, with their receipts, and the engine. */
  async stop(): Promise<void> {
    this.drain();
    await this.relay.stopAll();
    await this.parts.engine.stop();
  }

  private serving(): ModelInfo {
    const { state } = this.phase();
    if (state !== 'ready' || this.model === null) throw new CallError('not_ready', `the guest is ${state}`, { state }, true);
    return this.model;
  }

  private phase(): Phase {
    if (this.isDraining) return { state: 'draining', reason: null, progress: 1 };
    if (this.hashing !== 'done') {
      if ('failure' in this.hashing) return failed(this.hashing.failure);
      return { state: 'loading', reason: 'hashing the model', progress: this.hashing.progress / 2 };
    }
    const state = this.parts.engine.state();
    switch (state.tag) {
      case 'stopped':
        return { state: 'booting', reason: null, progress: 0 };
      case 'starting':
        return { state: 'loading', reason: cut(state.note), progress: (1 + state.progress) / 2 };
      case 'failed':
        return failed(state.reason);
      case 'draining':
        return { state: 'draining', reason: null, progress: 1 };
      case 'ready':
        return this.servingPhase(state.models);
    }
  }

  private servingPhase(models: readonly EngineModel[]): Phase {
    if (this.model === null) return failed('the engine does not say which model it has, or how long its context is: set contextLength');
    if (!models.some((model) => model.name === this.model?.name)) return failed(`the engine no longer has ${this.model.name}`);
    if (this.keys.current !== null) return { state: 'ready', reason: null, progress: 1 };
    if (this.keyFailure !== null) return failed(this.keyFailure);
    return { state: 'loading', reason: this.block === null ? 'waiting for a block from the host' : 'making keys', progress: 1 };
  }

  private show(hashing: typeof this.hashing): void {
    this.hashing = hashing;
    this.parts.onStatus(this.status());
  }

  private engineChanged(): void {
    const state = this.parts.engine.state();
    if (state.tag === 'failed') this.parts.log.error({ reason: state.reason }, 'engine failed');
    if (state.tag === 'ready') {
      this.model ??= this.describeModel(state.models[0]);
      void this.makeKeysIfDue();
    }
    this.parts.onStatus(this.status());
  }

  private describeModel(model: EngineModel | undefined): ModelInfo | null {
    const { proof } = this.parts;
    const lengths = [model?.contextLength, this.options.contextLength].filter((length) => typeof length === 'number');
    if (model === undefined || lengths.length === 0) return null;
    return {
      name: model.name,
      kind: proof.kind,
      hash: proof.kind === 'unproven' ? proof.nameHash(model.name) : this.provenHash,
      contextLength: Math.min(...lengths),
      capabilities: [...model.capabilities],
    };
  }

  /** One at a time. Does not throw: the set before stays as long as it may, and a later block tries again. */
  private makeKeysIfDue(): Promise<void> {
    const { model, block } = this;
    if (model === null || block === null || !this.keys.isDue) return Promise.resolve();
    if (this.keys.current !== null && this.parts.clock.nowSec() < this.retryAtSec) return Promise.resolve();
    this.making ??= this.makeKeys(model, block).finally(() => {
      this.making = null;
      this.parts.onStatus(this.status());
    });
    return this.making;
  }

  private async makeKeys(model: ModelInfo, block: HostBlock): Promise<void> {
    const { engine, platform, gpu, crypto, clock, log } = this.parts;
    const { network, owner, image, maxRemembered, keyLifeSec } = this.options;
    const identity: ModelIdentity = { name: model.name, kind: model.kind, hash: model.hash };
    const engineIdentity: EngineIdentity = { name: engine.identity.name, version: engine.identity.version };
    const { seqno, rootHash } = block;
    try {
      const facts = { network, owner, image, model: identity, engine: engineIdentity, block: { seqno, rootHash } };
      const set = await makeKeySet(facts, { platform, gpu, crypto, clock, maxRemembered, lifeSec: keyLifeSec });
      this.keys.replace(set);
      this.keyFailure = null;
      log.info(
        { evidence: set.info.evidence, notAfter: set.info.notAfter, block: seqno, simulated: platform.kind === 'simulated' },
        'keys made',
      );
    } catch (error) {
      this.keyFailure = `no evidence: ${messageOf(error)}`;
      this.retryAtSec = clock.nowSec() + RETRY_SEC;
      const { current } = this.keys;
      if (current === null) log.error({ code: codeOf(error) }, 'keys cannot be made: the guest serves nobody');
      else
        log.error({ code: codeOf(error), servesUntil: current.info.notAfter }, 'keys cannot be replaced: the old ones serve to their end');
    }
  }
}

function failed(reason: string): Phase {
  return { state: 'failed', reason: cut(reason), progress: 0 };
}

function cut(reason: string): string {
  return reason.slice(0, MAX_REASON_SIZE);
}
