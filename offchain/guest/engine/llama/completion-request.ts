import { randomInt } from 'node:crypto';
import { z } from 'zod';
import { EngineError } from '../engine';
import { anyObjectGrammar, schemaGrammar } from './json-grammar';
import type { LoadedModel, ModelFacts } from './model';
import type { NativeSamplerConfig } from './native-addon';
import { chatTokens, completionTokens } from './prompt';

const textPart = z.looseObject({ type: z.literal('text'), text: z.string() });
const messageSchema = z.looseObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content: z.union([z.string(), z.array(textPart).transform((parts) => parts.map(({ text }) => text).join(''))]).nullish(),
});

const promptFields = {
  model: z.string().nullish(),
  chat_template_kwargs: z.record(z.string(), z.unknown()).nullish(),
};

/** Fields that change the answer; others are ignored, as OpenAI-compatible servers do. */
const optionFields = {
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish(), continuous_usage_stats: z.boolean().nullish() }).nullish(),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  temperature: z.number().min(0).max(10).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().min(-1).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  seed: z.int().nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  repetition_penalty: z.number().min(0.01).max(10).nullish(),
  logit_bias: z.record(z.string().regex(/^\d{1,7}$/), z.number().min(-100).max(100)).nullish(),
  stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(16)]).nullish(),
  response_format: z
    .discriminatedUnion('type', [
      z.looseObject({ type: z.literal('text') }),
      z.looseObject({ type: z.literal('json_object') }),
      z.looseObject({ type: z.literal('json_schema'), json_schema: z.looseObject({ schema: z.unknown() }) }),
    ])
    .nullish(),
  cache_salt: z.string().max(256).nullish(),
  n: z.int().max(1, 'one answer per request').nullish(),
  best_of: z.int().max(1, 'one answer per request').nullish(),
  logprobs: z.union([z.literal(false), z.literal(0)], 'log probabilities are not supported').nullish(),
  echo: z.literal(false, 'echo is not supported').nullish(),
  tools: z.array(z.unknown()).max(0, 'this engine calls no tools').nullish(),
  tool_choice: z.enum(['none', 'auto'], 'this engine calls no tools').nullish(),
};

const chatFields = { ...promptFields, messages: z.array(messageSchema).min(1) };
const completionFields = { ...promptFields, prompt: z.string() };
const chatSchema = z.looseObject({ ...chatFields, ...optionFields });
const completionSchema = z.looseObject({ ...completionFields, ...optionFields });
const countSchema = z.union([z.looseObject(chatFields), z.looseObject(completionFields)]);

type Options = z.infer<z.ZodObject<typeof optionFields>>;
type Prompt = z.infer<z.ZodObject<typeof chatFields>> | z.infer<z.ZodObject<typeof completionFields>>;

/** A request that can run. */
export interface ParsedCompletion {
  readonly kind: 'chat' | 'completion';
  readonly prompt: Uint32Array;
  readonly maxTokens: number;
  readonly sampling: NativeSamplerConfig;
  readonly grammar: string | null;
  readonly stops: readonly string[];
  readonly cacheSalt: string;
  readonly stream: { readonly includeUsage: boolean; readonly continuousUsage: boolean } | null;
}

/**
 * Checks a request body and prepares it.
 * @throws EngineError bad_request, model_not_found, prompt_too_long, bad_schema and what prompts throw; all are the caller's to mend
 */
export function parseCompletion(model: LoadedModel, contextLength: number, kind: 'chat' | 'completion', body: unknown): ParsedCompletion {
  const request: Options & Prompt = kind === 'chat' ? check(chatSchema, body) : check(completionSchema, body);
  requireModel(model, request.model);
  const prompt = promptOf(model, request);
  if (prompt.length >= contextLength) {
    throw new EngineError(
      'prompt_too_long',
      `prompt of ${prompt.length} tokens, and the context of this model holds ${contextLength} with the answer`,
    );
  }
  const room = contextLength - prompt.length;
  return {
    kind,
    prompt,
    maxTokens: Math.min(request.max_completion_tokens ?? request.max_tokens ?? room, room),
    sampling: samplingOf(model.facts, request),
    grammar: grammarOf(request.response_format),
    stops: typeof request.stop === 'string' ? [request.stop] : (request.stop ?? []),
    cacheSalt: request.cache_salt ?? '',
    stream:
      request.stream === true
        ? {
            includeUsage: request.stream_options?.include_usage === true,
            continuousUsage: request.stream_options?.continuous_usage_stats === true,
          }
        : null,
  };
}

/** Tokens of the prompt in a request body, which need not be complete otherwise. @throws EngineError as parseCompletion */
export function countPrompt(model: LoadedModel, body: unknown): number {
  const request = check(countSchema, body);
  requireModel(model, request.model);
  return promptOf(model, request).length;
}

function check<Value>(schema: z.ZodType<Value>, body: unknown): Value {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.join('.') || 'the body';
  throw new EngineError('bad_request', `${where}: ${issue?.message ?? 'has another form'}`);
}

function requireModel({ facts }: LoadedModel, asked: string | null | undefined): void {
  if (asked !== null && asked !== undefined && asked !== facts.name) {
    throw new EngineError('model_not_found', `no such model here; this engine serves ${facts.name}`);
  }
}

function promptOf(model: LoadedModel, request: Prompt): Uint32Array {
  if ('prompt' in request) return completionTokens(model, request.prompt);
  const messages = request.messages.map((message) => ({ ...message, content: message.content ?? null }));
  return chatTokens(model, messages, request.chat_template_kwargs ?? {});
}

/** What llama.cpp samples with when neither the request nor the model file says. */
const DEFAULT_SAMPLING = { temperature: 0.8, topP: 0.95, topK: 40, minP: 0.05 } as const;
const MAX_SEED = 2 ** 32 - 1;

function samplingOf({ sampling }: ModelFacts, request: Options): NativeSamplerConfig {
  const presence = request.presence_penalty ?? 0;
  const frequency = request.frequency_penalty ?? 0;
  const repetition = request.repetition_penalty ?? 1;
  const bias = Object.entries(request.logit_bias ?? {});
  return {
    temperature: request.temperature ?? sampling.temperature ?? DEFAULT_SAMPLING.temperature,
    topP: request.top_p ?? sampling.topP ?? DEFAULT_SAMPLING.topP,
    topK: Math.max(0, request.top_k ?? sampling.topK ?? DEFAULT_SAMPLING.topK),
    minP: request.min_p ?? sampling.minP ?? DEFAULT_SAMPLING.minP,
    seed: request.seed === null || request.seed === undefined ? randomInt(MAX_SEED) : request.seed >>> 0,
    ...(presence === 0 && frequency === 0 && repetition === 1
      ? {}
      : {
          repeatPenalty: repetition,
          repeatPenaltyMaxTokens: PENALTY_WINDOW,
          repeatPenaltyPresencePenalty: presence,
          repeatPenaltyFrequencyPenalty: frequency,
        }),
    ...(bias.length === 0
      ? {}
      : {
          tokenBiasKeys: Uint32Array.from(bias, ([token]) => Number(token)),
          tokenBiasValues: Float32Array.from(bias, ([, value]) => value),
        }),
  };
}

/** Tokens of the answer that penalties look back on. */
const PENALTY_WINDOW = 1024;

function grammarOf(format: Options['response_format']): string | null {
  switch (format?.type) {
    case undefined:
    case 'text':
      return null;
    case 'json_object':
      return anyObjectGrammar();
    case 'json_schema':
      return schemaGrammar(format.json_schema.schema);
  }
}
