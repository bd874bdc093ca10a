import { TOKEN_TYPE } from '../llama/token-bytes';
import { CHAT_TEMPLATE } from './chat-format';
import { encodeGguf, type GgufTensor, type GgufValue } from './gguf-writer';
import type { Matrix } from './matrix';
import type { Parameters } from './parameters';
import type { Shape } from './shape';
import { SPECIAL_TOKENS, type SpecialToken, type Vocabulary } from './tokenizer';

/** The name under which the model is offered. */
const MODEL_NAME = 'cocoon-demo';

/** Source: llama.cpp, LLAMA_FTYPE_MOSTLY_Q8_0. */
const FILE_TYPE_Q8_0 = 7;

/** The trained model as a GGUF file of architecture `llama`, matrices quantised to Q8_0. */
export function encodeModel(shape: Shape, vocabulary: Vocabulary, parameters: Parameters): Uint8Array {
  return encodeGguf(modelMetadata(shape, vocabulary), modelTensors(shape, parameters));
}

function modelMetadata(shape: Shape, { tokens, merges }: Vocabulary): ReadonlyMap<string, GgufValue> {
  const u32 = (value: number): GgufValue => ({ type: 'u32', value });
  const f32 = (value: number): GgufValue => ({ type: 'f32', value });
  const string = (value: string): GgufValue => ({ type: 'string', value });
  const token = (special: SpecialToken) => u32(tokens.indexOf(special));
  const firstSpecial = tokens.length - SPECIAL_TOKENS.length;
  const types = tokens.map((text, id) => {
    if (id >= firstSpecial) return TOKEN_TYPE.control;
    return text.startsWith('<|unused') ? TOKEN_TYPE.unused : TOKEN_TYPE.normal;
  });
  return new Map<string, GgufValue>([
    ['general.architecture', string('llama')],
    ['general.type', string('model')],
    ['general.name', string(MODEL_NAME)],
    ['general.description', string('The built-in demonstration model of Cocoon. It knows Cocoon and nothing else.')],
    ['general.license', string('apache-2.0')],
    ['general.sampling.temp', f32(0)],
    ['general.file_type', u32(FILE_TYPE_Q8_0)],
    ['general.quantization_version', u32(2)],
    ['llama.context_length', u32(shape.contextLength)],
    ['llama.embedding_length', u32(shape.width)],
    ['llama.block_count', u32(shape.layers)],
    ['llama.feed_forward_length', u32(shape.hidden)],
    ['llama.attention.head_count', u32(shape.heads)],
    ['llama.attention.head_count_kv', u32(shape.heads)],
    ['llama.attention.layer_norm_rms_epsilon', f32(shape.normEpsilon)],
    ['llama.rope.dimension_count', u32(shape.headWidth)],
    ['llama.rope.freq_base', f32(shape.rotaryBase)],
    ['llama.vocab_size', u32(shape.vocabulary)],
    ['tokenizer.ggml.model', string('gpt2')],
    ['tokenizer.ggml.pre', string('gpt-2')],
    ['tokenizer.ggml.tokens', { type: 'strings', value: tokens }],
    ['tokenizer.ggml.token_type', { type: 'i32s', value: types }],
    ['tokenizer.ggml.merges', { type: 'strings', value: merges }],
    ['tokenizer.ggml.bos_token_id', token('<|endoftext|>')],
    ['tokenizer.ggml.eos_token_id', token('<|im_end|>')],
    ['tokenizer.ggml.padding_token_id', token('<|endoftext|>')],
    ['tokenizer.ggml.add_bos_token', { type: 'bool', value: false }],
    ['tokenizer.chat_template', string(CHAT_TEMPLATE)],
  ]);
}

function modelTensors(shape: Shape, parameters: Parameters): GgufTensor[] {
  const vector = (name: string, { values }: Matrix): GgufTensor => ({ name, shape: [values.length], values, encoding: 'F32' });
  /** Training keeps matrices input by output, GGUF one row per output. */
  const matrix = (name: string, { values, view }: Matrix): GgufTensor => {
    const turned = new Float32Array(values.length);
    for (let i = 0; i < values.length; i++) turned[(i % view.columns) * view.rows + Math.floor(i / view.columns)] = values[i] ?? 0;
    return { name, shape: [view.rows, view.columns], values: turned, encoding: 'Q8_0' };
  };
  return [
    { name: 'token_embd.weight', shape: [shape.width, shape.vocabulary], values: parameters.embedding.weight.values, encoding: 'Q8_0' },
    vector('output_norm.weight', parameters.outputNorm.weight),
    ...parameters.layers.flatMap((layer, i) => [
      vector(`blk.${i}.attn_norm.weight`, layer.attentionNorm.weight),
      matrix(`blk.${i}.attn_q.weight`, layer.query.weight),
      matrix(`blk.${i}.attn_k.weight`, layer.key.weight),
      matrix(`blk.${i}.attn_v.weight`, layer.value.weight),
      matrix(`blk.${i}.attn_output.weight`, layer.output.weight),
      vector(`blk.${i}.ffn_norm.weight`, layer.hiddenNorm.weight),
      matrix(`blk.${i}.ffn_gate.weight`, layer.gate.weight),
      matrix(`blk.${i}.ffn_up.weight`, layer.up.weight),
      matrix(`blk.${i}.ffn_down.weight`, layer.down.weight),
    ]),
  ];
}
