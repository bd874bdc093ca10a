import { z } from 'zod';
import { EngineError } from '../engine';
import { readGgufMetadata } from './gguf-metadata';
import type { NativeAddon, NativeModel, NativeTemplate } from './native-addon';
import { TOKEN_TYPE, type TokenList } from './token-bytes';

/** What the metadata of a model file says, as far as it is used. */
export interface ModelFacts {
  readonly name: string;
  readonly trainedContext: number;
  readonly chatTemplate: string | null;
  readonly tokens: TokenList;
  readonly bosToken: string;
  readonly eosToken: string;
  /** Texts of the tokens that frame messages, and that no message may contain as tokens. */
  readonly controlTokens: readonly string[];
  /** Sampling that the model's makers recommend. */
  readonly sampling: {
    readonly temperature: number | null;
    readonly topP: number | null;
    readonly topK: number | null;
    readonly minP: number | null;
  };
  /** Bytes of attention memory per token, in half precision; 0 where the file does not say. */
  readonly cacheBytesPerToken: number;
}

/** Types whose text must not become a token when a message spells it. */
const CONTROL_TYPES: readonly unknown[] = [TOKEN_TYPE.unknown, TOKEN_TYPE.control];
const HALF_BYTES = 2;

const text = z.string();
const count = z.int().min(0);
const texts = z.array(z.string());
const counts = z.array(z.number());
/** Heads per layer come as one number or as a list. */
const countOrLargest = z.union([count, counts.transform((list) => Math.max(0, ...list))]);

/** Reads a model's facts. @param fallbackName for files without a name @throws EngineError bad_model_file */
export function readModelFacts(path: string, fallbackName: string): ModelFacts {
  const metadata = readGgufMetadata(path);
  const read = <Value>(key: string, schema: z.ZodType<Value>): Value | null => {
    const result = schema.safeParse(metadata.get(key));
    return result.success ? result.data : null;
  };
  const architecture = read('general.architecture', text);
  if (architecture === null) throw new EngineError('bad_model_file', 'model file names no architecture');
  const tokens: TokenList = {
    kind: read('tokenizer.ggml.model', text) ?? '',
    texts: read('tokenizer.ggml.tokens', texts) ?? [],
    types: read('tokenizer.ggml.token_type', counts) ?? [],
  };
  const tokenText = (key: string) => tokens.texts[read(key, count) ?? -1] ?? '';
  const heads = read(`${architecture}.attention.head_count`, countOrLargest) ?? 0;
  const cacheHeads = read(`${architecture}.attention.head_count_kv`, countOrLargest) ?? heads;
  const headWidth = heads === 0 ? 0 : (read(`${architecture}.embedding_length`, count) ?? 0) / heads;
  const keyWidth = read(`${architecture}.attention.key_length`, count) ?? headWidth;
  const valueWidth = read(`${architecture}.attention.value_length`, count) ?? headWidth;
  return {
    name: read('general.name', text) || fallbackName,
    trainedContext: read(`${architecture}.context_length`, count) ?? 0,
    chatTemplate: read('tokenizer.chat_template', text),
    tokens,
    bosToken: tokenText('tokenizer.ggml.bos_token_id'),
    eosToken: tokenText('tokenizer.ggml.eos_token_id'),
    controlTokens: tokens.texts.filter((token, id) => token.length > 0 && CONTROL_TYPES.includes(tokens.types[id])),
    sampling: {
      temperature: read('general.sampling.temp', z.number()),
      topP: read('general.sampling.top_p', z.number()),
      topK: read('general.sampling.top_k', count),
      minP: read('general.sampling.min_p', z.number()),
    },
    cacheBytesPerToken: (read(`${architecture}.block_count`, count) ?? 0) * cacheHeads * (keyWidth + valueWidth) * HALF_BYTES,
  };
}

/** A model in memory. */
export interface LoadedModel {
  readonly facts: ModelFacts;
  readonly native: NativeModel;
  readonly template: NativeTemplate | null;
}

/** Loads weights on the processor, mapped from the file. @throws EngineError model_not_loaded */
export async function loadModel(
  addon: NativeAddon,
  path: string,
  facts: ModelFacts,
  onProgress: (progress: number) => void,
): Promise<LoadedModel> {
  const native = new addon.AddonModel(path, { addonExports: addon, gpuLayers: 0, useMmap: true, onLoadProgress: onProgress });
  if (!(await native.init())) throw new EngineError('model_not_loaded', 'llama.cpp does not load this model file');
  return { facts, native, template: facts.chatTemplate === null ? null : new addon.AddonJinjaRenderer(facts.chatTemplate) };
}
