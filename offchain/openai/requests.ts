import { z } from 'zod';
import { fromUtf8, utf8 } from '../core/bytes';
import { MalformedError } from '../core/errors';

/** A cap on tokens holds for each answer, and what a request may cost holds for all of it: hence one answer. */
const one = z.literal(1, 'only one answer per request').nullish();
const onePrompt = z
  .unknown()
  .refine((prompt) => !Array.isArray(prompt) || prompt.length <= 1 || typeof prompt[0] === 'number', 'only one prompt per request');

/** The fields of a completion request that Cocoon reads; everything else goes to the engine as it came. */
const requestSchema = z.looseObject({
  model: z.string().min(1).max(256),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: z.int().min(0).nullish(),
  max_completion_tokens: z.int().min(0).nullish(),
  n: one,
  best_of: one,
  prompt: onePrompt.optional(),
});
export type CompletionRequest = z.infer<typeof requestSchema>;

/** The paths that carry prompts. */
export const COMPLETION_PATHS: readonly string[] = ['/v1/chat/completions', '/v1/completions', '/v1/embeddings'];

/** Reads a request body. @throws MalformedError bad_request with a sentence for the caller */
export function parseRequest(body: Uint8Array): CompletionRequest {
  let json: unknown;
  try {
    json = JSON.parse(fromUtf8(body));
  } catch {
    // The parser's message quotes the prompt: it is not passed on.
    throw new MalformedError('bad_request', 'the body is not JSON');
  }
  const result = requestSchema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new MalformedError('bad_request', `${issue?.path.join('.') || 'the body'}: ${issue?.message ?? 'has another form'}`);
}

/** Most tokens that the caller asked for, null when it did not say. */
export function requestedTokens(request: CompletionRequest): number | null {
  return request.max_completion_tokens ?? request.max_tokens ?? null;
}

/**
 * The request as the engine gets it: usage accounting forced on, and a cap on the tokens of its one answer.
 * `maxTokens` already is the smaller of what was asked for and what is affordable.
 * @throws MalformedError bad_request when it is nested too deeply to be written again
 */
export function forEngine(request: CompletionRequest, path: string, maxTokens: number): Uint8Array {
  if (path === '/v1/embeddings') return toJson(request);
  const { max_tokens: _, max_completion_tokens: __, ...rest } = request;
  const cap = path === '/v1/chat/completions' ? { max_completion_tokens: maxTokens, max_tokens: maxTokens } : { max_tokens: maxTokens };
  const usage =
    request.stream === true ? { stream_options: { ...request.stream_options, include_usage: true, continuous_usage_stats: true } } : {};
  return toJson({ ...rest, ...cap, ...usage });
}

function toJson(value: unknown): Uint8Array {
  try {
    return utf8(JSON.stringify(value));
  } catch {
    // Reading JSON takes any depth, writing it does not.
    throw new MalformedError('bad_request', 'the body is nested too deeply');
  }
}

/** An OpenAI error body. */
export function errorBody(
  message: string,
  code: string,
  type = 'invalid_request_error',
  extra: Readonly<Record<string, unknown>> = {},
): string {
  return JSON.stringify({ error: { message, type, param: null, code, ...extra } });
}
