import type { ModelKind } from '../attestation/claims';
import { ConfigError } from '../core/errors';
import { EngineError } from './engine/engine';
import { modelHash } from './engine/model-hash';
import { type DeviceMapper, verityRootOfMount } from './engine/verity-mount';

/** `onProgress` is told 0 to 1. Gives lower-case hex. */
type HashWeights = (onProgress: (progress: number) => void) => Promise<string>;

/** Code of the error that says that a model is not what it was when the guest started. */
export const MODEL_CHANGED = 'model_changed';

/** Proves weights before the engine may load them, each time with the same result or not at all. */
export class WeightsProof {
  private proven: string | null = null;

  constructor(
    readonly kind: Exclude<ModelKind, 'unproven'>,
    private readonly hashWeights: HashWeights,
    /** What the config says that the hash is; null where it says nothing. */
    private readonly expected: string | null,
  ) {}

  /**
   * The hash that stands in the claims, lower-case hex.
   * @throws EngineError model_changed when an earlier call gave another one; ConfigError model_differs when the config names another one,
   * and what the hash itself throws
   */
  async prove(onProgress: (progress: number) => void): Promise<string> {
    const hash = await this.hashWeights(onProgress);
    if (this.proven !== null && hash !== this.proven) {
      throw new EngineError(MODEL_CHANGED, `the model's hash is ${hash}, and was ${this.proven} when the guest started: start it again`);
    }
    if (this.expected !== null && hash !== this.expected) {
      throw new ConfigError('model_differs', `the model's hash is ${hash}, and the config names ${this.expected}`);
    }
    this.proven = hash;
    return hash;
  }
}

export interface WeightsSource {
  readonly modelPath: string;
  readonly proof: WeightsProof['kind'];
  /** What the hash has to be, lower-case hex; null for whatever it is. */
  readonly modelHash: string | null;
  /** Refuses files in a place where others can change them after they were hashed. */
  requireSafePlace(path: string): Promise<void>;
  /** What says how the device that the weights lie on is verified. */
  readonly deviceMapper: DeviceMapper;
}

/** How the weights of a config are proven. */
export function weightsProof({ modelPath, proof, modelHash: expected, requireSafePlace, deviceMapper }: WeightsSource): WeightsProof {
  if (proof === 'verity') return new WeightsProof('verity', () => verityRootOfMount(modelPath, deviceMapper), expected);
  const hashFiles: HashWeights = async (onProgress) => {
    await requireSafePlace(modelPath);
    return modelHash(modelPath, (done, total) => onProgress(done / total));
  };
  return new WeightsProof('files', hashFiles, expected);
}
