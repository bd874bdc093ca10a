import OpenAI from 'openai';
import { z } from 'zod';
import { usageSchema } from '../../openai/usage';
import { DEMO_MODEL_PATH } from './demo-model';
import { llamaCommand } from './engine-command';
import { EngineProcess } from './engine-process';
import { slotsFor } from './llama-server';

const CONTEXT = 400;
const process = new EngineProcess(llamaCommand({ modelPath: DEMO_MODEL_PATH, contextLength: CONTEXT }), () => {});
let base: string;
let openai: OpenAI;

beforeAll(async () => {
  base = `http://127.0.0.1:${await process.port}`;
  openai = new OpenAI({ baseURL: `${base}/v1`, apiKey: 'none', maxRetries: 0 });
});
afterAll(() => process.terminate(5000));

const user = (content: string) => ({ model: 'cocoon-demo', messages: [{ role: 'user' as const, content }] });

/** A request with any JSON, for what the client library's types do not allow. */
async function post(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}) {
  const response = await fetch(base + path, { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) });
  const json: unknown = await response.json();
  return { status: response.status, json };
}

const errorSchema = z.object({ error: z.object({ message: z.string(), type: z.string(), code: z.string() }) });
const chunkUsage = z.object({ usage: usageSchema.extend({ prompt_tokens_details: z.object({ cached_tokens: z.number() }) }) });

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${base}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);
}

/** Looks at a metric until it is as expected. */
async function metricBecomes(name: string, value: number): Promise<void> {
  while ((await metric(name)) !== value) await new Promise((resolve) => setImmediate(resolve));
}

describe('answers of the llama server', () => {
  it('serves the stock OpenAI client, whole and streamed, with the same text', async () => {
    const whole = await openai.chat.completions.create(user('What is a proxy?'));
    expect(whole.choices[0]?.message.content).toMatch(/^A proxy offers workers/);
    let streamed = '';
    for await (const chunk of await openai.chat.completions.create({ ...user('What is a proxy?'), stream: true })) {
      streamed += chunk.choices[0]?.delta.content ?? '';
    }
    expect(streamed).toBe(whole.choices[0]?.message.content);
    expect((await openai.models.list()).data.map(({ id }) => id)).toEqual(['cocoon-demo']);
  });

  it('reports usage that adds up, and the prompt tokens that were cached', async () => {
    const request = { ...user('Where does the cached part of a prompt show?'), temperature: 0, max_tokens: 4 };
    await openai.chat.completions.create(request);
    const { usage, choices } = await openai.chat.completions.create(request);
    expect(choices[0]?.finish_reason).toBe('length');
    expect(usage?.completion_tokens).toBe(4);
    expect(usage?.total_tokens).toBe((usage?.prompt_tokens ?? 0) + 4);
    expect(usage?.prompt_tokens_details?.cached_tokens).toBe((usage?.prompt_tokens ?? 0) - 1);
  });

  it('shares cached prompts only between requests of the same salt', async () => {
    const ask = async (cache_salt: string) => {
      const { json } = await post('/v1/chat/completions', {
        ...user('Does a stranger see that somebody asked this?'),
        max_tokens: 1,
        cache_salt,
      });
      return chunkUsage.parse(json).usage.prompt_tokens_details.cached_tokens;
    };
    await ask('anna');
    expect(await ask('boris')).toBe(0);
    expect(await ask('anna')).toBeGreaterThan(5);
  });

  it('puts usage so far into every event when asked to, and whole usage at the end', async () => {
    const stream = await openai.chat.completions.create({
      ...user('What is a quote?'),
      stream: true,
      stream_options: { include_usage: true, ...{ continuous_usage_stats: true } },
    });
    const counts: number[] = [];
    for await (const chunk of stream) counts.push(chunk.usage?.completion_tokens ?? -1);
    expect(counts[0]).toBe(0);
    expect(counts.every((count, i) => count >= (counts[i - 1] ?? 0))).toBe(true);
    expect(counts.at(-1)).toBeGreaterThan(20);
  });

  it('ends before a stop string, also when it spans tokens', async () => {
    const answer = await openai.chat.completions.create({ ...user('What is a proxy?'), stop: ['ers by mod', 'never'] });
    expect(answer.choices[0]?.message.content).toBe('A proxy offers work');
    expect(answer.choices[0]?.finish_reason).toBe('stop');
  });

  it('repeats itself with the same seed and not with another', async () => {
    const ask = async (seed: number) => {
      const request = { ...user('zebra'), temperature: 10, top_p: 1, top_k: 0, min_p: 0, seed, max_tokens: 24 };
      return JSON.stringify((await openai.chat.completions.create(request)).choices);
    };
    expect(await ask(7)).toBe(await ask(7));
    expect(await ask(7)).not.toBe(await ask(8));
  });

  it('keeps to a JSON schema, with a model that knows no JSON', async () => {
    const schema = {
      type: 'object',
      properties: { part: { enum: ['proxy', 'worker'] }, count: { type: 'integer' }, sure: { type: 'boolean' } },
      required: ['part', 'count', 'sure'],
      additionalProperties: false,
    };
    const answer = await openai.chat.completions.create({
      ...user('What is a proxy?'),
      max_tokens: 200,
      response_format: { type: 'json_schema', json_schema: { name: 'part', schema } },
    });
    const shape = z.strictObject({ part: z.enum(['proxy', 'worker']), count: z.int(), sure: z.boolean() });
    expect(shape.safeParse(JSON.parse(answer.choices[0]?.message.content ?? '')).success).toBe(true);
  });

  it('continues a bare prompt under /v1/completions', async () => {
    const prompt = '<|im_start|>user\nWhat is TON?<|im_end|>\n<|im_start|>assistant\n';
    const answer = await openai.completions.create({ model: 'cocoon-demo', prompt, max_tokens: 100 });
    expect(answer.choices[0]?.text).toMatch(/^TON is the blockchain/);
  });

  it('counts a prompt without running it', async () => {
    const before = await metric('cocoon_engine_prompt_tokens_total');
    const { json } = await post('/tokenize', user('What is a guest?'));
    expect(json).toEqual({ count: expect.any(Number), max_model_len: CONTEXT });
    expect(await metric('cocoon_engine_prompt_tokens_total')).toBe(before);
  });

  it('ignores parameters that it does not know', async () => {
    const { status } = await post('/v1/chat/completions', {
      ...user('Hello'),
      max_tokens: 1,
      user: 'me',
      metadata: { a: 'b' },
      store: true,
    });
    expect(status).toBe(200);
  });

  it('runs eight requests at once and lets others wait; a caller that leaves frees its place', async () => {
    const leave = new AbortController();
    /** With every end of answer forbidden, these run until the context is full. */
    const endless = { ...user('Hello'), logit_bias: { 1021: -100, 1023: -100 }, stream: true };
    const calls = Array.from({ length: 12 }, () =>
      fetch(`${base}/v1/chat/completions`, { method: 'POST', body: JSON.stringify(endless), signal: leave.signal }).then((response) =>
        response.text(),
      ),
    );
    const results = Promise.allSettled(calls);
    while ((await metric('cocoon_engine_running_requests')) + (await metric('cocoon_engine_waiting_requests')) === 0);
    expect(await metric('cocoon_engine_running_requests')).toBeLessThanOrEqual(8);
    leave.abort();
    await results;
    await metricBecomes('cocoon_engine_running_requests', 0);
    await metricBecomes('cocoon_engine_waiting_requests', 0);
    expect((await openai.chat.completions.create(user('What is TON?'))).choices[0]?.message.content).toMatch(/^TON is/);
  });
});

describe('refusals of the llama server', () => {
  it.each([
    ['several answers', { ...user('Hello'), n: 2 }, /^n: one answer per request/],
    ['log probabilities', { ...user('Hello'), logprobs: true }, /^logprobs: log probabilities are not supported/],
    ['tools', { ...user('Hello'), tools: [{ type: 'function', function: { name: 'f' } }] }, /^tools: this engine calls no tools/],
    ['no tokens', { ...user('Hello'), max_tokens: 0 }, /^max_tokens: /],
    ['no messages', { model: 'cocoon-demo', messages: [] }, /^messages: /],
    ['an unknown role', { model: 'cocoon-demo', messages: [{ role: 'root', content: 'x' }] }, /^messages\.0\.role: /],
    [
      'pictures',
      { model: 'cocoon-demo', messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] },
      /^messages\.0\.content/,
    ],
    [
      'a schema that it does not understand',
      { ...user('Hello'), response_format: { type: 'json_schema', json_schema: { schema: { type: 'string', pattern: '^a$' } } } },
      /keyword "pattern" at root is not supported/,
    ],
    ['what is not JSON', '{', /^the body is not JSON/],
  ])('refuses %s with 400', async (_, body, message) => {
    const { status, json } = await post('/v1/chat/completions', body);
    expect(status).toBe(400);
    expect(errorSchema.parse(json).error).toMatchObject({ type: 'invalid_request_error', message: expect.stringMatching(message) });
  });

  it('refuses a prompt longer than the context with 400, naming both numbers', async () => {
    const { status, json } = await post('/v1/chat/completions', user('word '.repeat(500)));
    expect(status).toBe(400);
    expect(errorSchema.parse(json).error.message).toMatch(
      /^prompt of \d+ tokens, and the context of this model holds 400 with the answer$/,
    );
  });

  it('refuses another model with 404, an unknown path with 404, and web pages with 403', async () => {
    expect((await post('/v1/chat/completions', { ...user('Hello'), model: 'gpt-5' })).status).toBe(404);
    expect((await post('/v1/embeddings', { input: 'x' })).status).toBe(404);
    expect((await post('/v1/chat/completions', user('Hello'), { origin: 'https://evil.example' })).status).toBe(403);
  });

  it('refuses a body above 8 MiB with 413', async () => {
    expect((await post('/v1/chat/completions', user('x'.repeat(8 * 1024 * 1024)))).status).toBe(413);
  });
});

describe('slotsFor', () => {
  it('runs eight at once, and fewer where their attention would not fit two GiB', () => {
    expect(slotsFor({ cacheBytesPerToken: 1152 }, 2048)).toBe(8);
    expect(slotsFor({ cacheBytesPerToken: 147_456 }, 4096)).toBe(3);
    expect(slotsFor({ cacheBytesPerToken: 1_000_000 }, 32_768)).toBe(1);
    expect(slotsFor({ cacheBytesPerToken: 0 }, 4096)).toBe(8);
  });
});
