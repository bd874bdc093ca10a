import { z } from 'zod';
import { utf8 } from '../../core/bytes';
import { usageSchema } from '../../openai/usage';
import { type EngineCapability, EngineError, type EngineModel, type EngineRequest } from './engine';
import { readText, sendToEngine } from './engine-http';

const CAPABILITIES: readonly EngineCapability[] = ['chat', 'completion', 'tools', 'json_schema'];
/** What engines can do that do not say. */
const USUAL_CAPABILITIES: readonly EngineCapability[] = ['chat', 'completion'];

const modelsSchema = z.object({
  data: z
    .array(
      z.looseObject({
        id: z.string().min(1).max(256),
        max_model_len: z.int().min(1).nullish(),
        capabilities: z.array(z.string()).nullish(),
      }),
    )
    .min(1, 'engine serves no model'),
});
const answerSchema = z.looseObject({ usage: usageSchema });
const countSchema = z.looseObject({ count: z.int().min(0) });

/**
 * Finds out what an engine serves, and that it does: its models, then one token from the first of them, with usage.
 * @throws EngineError engine_unreachable, engine_aborted, not_an_engine
 */
export async function probeEngine(base: URL, signal: AbortSignal): Promise<readonly EngineModel[]> {
  const listed = await exchange(base, { path: '/v1/models', method: 'GET', signal }, modelsSchema);
  const models = listed.data.map(({ id, max_model_len, capabilities }) => ({
    name: id,
    contextLength: max_model_len ?? null,
    capabilities: capabilities ? CAPABILITIES.filter((capability) => capabilities.includes(capability)) : USUAL_CAPABILITIES,
  }));
  const [first] = models;
  if (first === undefined) throw new EngineError('not_an_engine', 'engine serves no model');
  const isChat = first.capabilities.includes('chat');
  const prompt = isChat ? { messages: [{ role: 'user', content: 'Hello' }] } : { prompt: 'Hello' };
  const body = utf8(JSON.stringify({ model: first.name, ...prompt, max_tokens: 1 }));
  await exchange(base, { path: isChat ? '/v1/chat/completions' : '/v1/completions', method: 'POST', body, signal }, answerSchema);
  return models;
}

/** @throws EngineError engine_unreachable, engine_aborted, not_an_engine */
export async function requireHealthy(base: URL, signal: AbortSignal): Promise<void> {
  const { status, body } = await sendToEngine(base, { path: '/health', method: 'GET', signal });
  await readText(body);
  if (status !== 200) throw new EngineError('not_an_engine', `engine answers /health with status ${status}`);
}

/** Tokens of the prompt in a request body, as vLLM counts them under /tokenize; null where an engine cannot. @throws EngineError as probeEngine */
export async function countWithEngine(base: URL, { body, signal }: EngineRequest): Promise<number | null> {
  const answer = await sendToEngine(base, { path: '/tokenize', method: 'POST', body, signal });
  const text = await readText(answer.body);
  if (answer.status !== 200) return null;
  const counted = countSchema.safeParse(parseJson(text));
  return counted.success ? counted.data.count : null;
}

async function exchange<Value>(
  base: URL,
  request: { readonly path: string; readonly method: 'GET' | 'POST'; readonly body?: Uint8Array; readonly signal: AbortSignal },
  schema: z.ZodType<Value>,
): Promise<Value> {
  const { status, body } = await sendToEngine(base, request);
  const text = await readText(body);
  if (status !== 200) throw new EngineError('not_an_engine', `engine answers ${request.path} with status ${status}`);
  const result = schema.safeParse(parseJson(text));
  if (!result.success) throw new EngineError('not_an_engine', `engine answers ${request.path} in another form than OpenAI's`);
  return result.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
