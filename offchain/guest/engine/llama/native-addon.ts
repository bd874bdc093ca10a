/**
 * llama: the embedded engine, llama.cpp behind an OpenAI-compatible HTTP server, run as a child process of the guest.
 * It trusts the model file it is given; it never dials out, never writes a file, and keeps prompts in memory only.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { messageOf } from '../../../core/errors';
import { EngineError } from '../engine';

/**
 * The prebuilt llama.cpp addon that node-llama-cpp publishes for each platform, used without the package around it.
 * Only what is used is declared. The version is pinned: this is not a documented interface. Source: node-llama-cpp 3.21.1, llama/addon.
 */
export interface NativeAddon {
  readonly AddonModel: new (path: string, options: NativeModelOptions) => NativeModel;
  readonly AddonContext: new (model: NativeModel, options: NativeContextOptions) => NativeContext;
  readonly AddonSampler: new (model: NativeModel) => NativeSampler;
  readonly AddonGrammar: new (gbnf: string, options: { readonly addonExports: NativeAddon }) => NativeGrammar;
  readonly AddonGrammarEvaluationState: new (model: NativeModel, grammar: NativeGrammar) => NativeGrammarState;
  readonly AddonJinjaRenderer: new (template: string) => NativeTemplate;
  markLoaded(): boolean;
  /** Levels: 1 fatal, 2 error, 3 warning, 4 and above information. */
  setLogger(logger: (level: number, text: string) => void): void;
  setLoggerLogLevel(level: number): void;
  loadBackends(folder?: string): void;
  /** undefined while no backend is loaded. */
  getGpuType(): string | false | undefined;
  init(): Promise<void>;
}

interface NativeModelOptions {
  readonly addonExports: NativeAddon;
  readonly gpuLayers: number;
  readonly useMmap: boolean;
  readonly onLoadProgress: (progress: number) => void;
}

export interface NativeModel {
  /** False when the file cannot be loaded; the reason is in the log. */
  init(): Promise<boolean>;
  /** With `special`, text that spells a control token becomes that token. */
  tokenize(text: string, special: boolean): Uint32Array;
  isEogToken(token: number): boolean;
  tokenBos(): number;
  shouldPrependBosToken(): boolean;
}

interface NativeContextOptions {
  /** Tokens of all sequences together. */
  readonly contextSize: number;
  readonly batchSize: number;
  readonly sequences: number;
  readonly threads: number;
  readonly flashAttention: 'auto';
  /** Without it, models with sliding windows forget what a cached prefix needs. */
  readonly swaFullCache: true;
}

export interface NativeContext {
  init(): Promise<boolean>;
  dispose(): Promise<void>;
  /** Begins a batch of exactly `size` tokens. */
  initBatch(size: number): void;
  /** @param logitIndexes which of `tokens` are to be sampled from; answers their places in the batch */
  addToBatch(sequence: number, position: number, tokens: Uint32Array, logitIndexes: Uint32Array): Uint32Array;
  decodeBatch(): Promise<void>;
  /** -1 when nothing can follow. */
  sampleToken(place: number, sampler: NativeSampler): Promise<number>;
  disposeSequence(sequence: number): void;
  /** False when the model cannot forget a part, as recurrent ones cannot. */
  removeTokenCellsFromSequence(sequence: number, from: number, to: number): boolean;
}

export interface NativeSampler {
  applyConfig(config: NativeSamplerConfig): void;
  dispose(): void;
}

export interface NativeSamplerConfig {
  readonly temperature: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly minP?: number;
  readonly seed: number;
  readonly repeatPenalty?: number;
  readonly repeatPenaltyMaxTokens?: number;
  readonly repeatPenaltyTokens?: Uint32Array;
  readonly repeatPenaltyPresencePenalty?: number;
  readonly repeatPenaltyFrequencyPenalty?: number;
  readonly tokenBiasKeys?: Uint32Array;
  readonly tokenBiasValues?: Float32Array;
  readonly grammarEvaluationState?: NativeGrammarState;
}

export interface NativeTemplate {
  render(variables: Readonly<Record<string, unknown>>): string;
}

interface NativeGrammar {
  /** Whether the whole of `text` follows the grammar. */
  isTextCompatible(text: string): boolean;
}

/** Opaque: how far an answer has come in its grammar. */
export type NativeGrammarState = object;

const PACKAGES: Readonly<Record<string, string>> = {
  'darwin-arm64': 'mac-arm64-metal',
  'darwin-x64': 'mac-x64',
  'linux-arm64': 'linux-arm64',
  'linux-x64': 'linux-x64',
  'win32-arm64': 'win-arm64',
  'win32-x64': 'win-x64',
};

const isConstructor = (value: unknown) => typeof value === 'function';
const addonSchema = z.custom<NativeAddon>(
  (value) =>
    z
      .looseObject({
        AddonModel: z.custom(isConstructor),
        AddonContext: z.custom(isConstructor),
        AddonSampler: z.custom(isConstructor),
        AddonGrammar: z.custom(isConstructor),
        AddonGrammarEvaluationState: z.custom(isConstructor),
        AddonJinjaRenderer: z.custom(isConstructor),
        loadBackends: z.custom(isConstructor),
        init: z.custom(isConstructor),
      })
      .safeParse(value).success,
);

/** Loads llama.cpp with the code for this machine's processor. @throws EngineError no_embedded_engine */
export async function loadNativeAddon(onLog: (level: number, text: string) => void): Promise<NativeAddon> {
  const platform = `${process.platform}-${process.arch}`;
  const name = PACKAGES[platform];
  if (name === undefined) {
    throw new EngineError('no_embedded_engine', `no embedded engine for ${platform}; name a running one with --engine URL`);
  }
  const require = createRequire(__filename);
  try {
    const folder = join(dirname(dirname(require.resolve(`@node-llama-cpp/${name}`))), 'bins', name);
    const exported: unknown = require(join(folder, 'llama-addon.node'));
    const addon = addonSchema.parse(exported);
    addon.markLoaded();
    addon.setLogger(onLog);
    addon.setLoggerLogLevel(3);
    addon.loadBackends();
    if (addon.getGpuType() === undefined) addon.loadBackends(folder);
    await addon.init();
    return addon;
  } catch (cause) {
    const [reason] = messageOf(cause).split('\n');
    throw new EngineError(
      'no_embedded_engine',
      `@node-llama-cpp/${name} does not load; install it, or name a running engine with --engine URL (${reason})`,
      {},
      { cause },
    );
  }
}
