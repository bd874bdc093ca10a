import { z } from 'zod';
import { utf8 } from '../../core/bytes';
import { usageSchema } from '../../openai/usage';
import { DEMO_MODEL_PATH } from './demo-model';
import type { Engine, EngineState } from './engine';
import { llamaCommand } from './engine-command';
import { readText } from './engine-http';
import { EngineProcess } from './engine-process';
import { SupervisedEngine } from './supervised-engine';
import { UrlEngine } from './url-engine';

const wholeSchema = z.object({
  choices: z.tuple([z.object({ message: z.object({ content: z.string() }), finish_reason: z.string() })]),
  usage: usageSchema,
});

const never = new AbortController().signal;
const question = (content: string, more: Readonly<Record<string, unknown>> = {}) =>
  utf8(JSON.stringify({ model: 'cocoon-demo', messages: [{ role: 'user', content }], ...more }));

/** A whole engine process of its own behind a URL, as a user of --engine has it. */
async function startUrlEngine(): Promise<{ engine: Engine; end: () => Promise<void> }> {
  const process = new EngineProcess(llamaCommand({ modelPath: DEMO_MODEL_PATH }), () => {});
  const engine = new UrlEngine(new URL(`http://127.0.0.1:${await process.port}`));
  return { engine, end: () => process.terminate(5000) };
}

async function startSupervisedEngine(): Promise<{ engine: Engine; end: () => Promise<void> }> {
  const command = llamaCommand({ modelPath: DEMO_MODEL_PATH });
  const engine = new SupervisedEngine({ identity: { name: 'llama.cpp', version: 'test' }, command, log: () => {} });
  return { engine, end: async () => {} };
}

describe.each([
  { kind: 'SupervisedEngine', create: startSupervisedEngine, modelProven: true },
  { kind: 'UrlEngine', create: startUrlEngine, modelProven: false },
])('Engine, as $kind', ({ create, modelProven }) => {
  let engine: Engine;
  let end: () => Promise<void>;
  const states: EngineState[] = [];

  beforeAll(async () => {
    ({ engine, end } = await create());
    engine.onChange((state) => {
      states.push(state);
    });
    expect(engine.state()).toEqual({ tag: 'stopped' });
    await expect(engine.call({ path: '/v1/chat/completions', body: question('Hello'), signal: never })).rejects.toMatchObject({
      code: 'engine_not_ready',
    });
    await engine.start();
  });
  afterAll(async () => {
    await engine.stop();
    expect(engine.state()).toEqual({ tag: 'stopped' });
    await end();
  });

  it('is ready after start, with the model, its context and what it can do', () => {
    expect(engine.state()).toEqual({
      tag: 'ready',
      models: [{ name: 'cocoon-demo', contextLength: 2048, capabilities: ['chat', 'completion', 'json_schema'] }],
    });
    expect(states[0]?.tag).toBe('starting');
    expect(states.at(-1)?.tag).toBe('ready');
    expect(engine.modelProven).toBe(modelProven);
  });

  it('answers a request with its usage', async () => {
    const response = await engine.call({ path: '/v1/chat/completions', body: question('What is a voucher?'), signal: never });
    expect(response.status).toBe(200);
    expect(response.headers['content-type']).toBe('application/json');
    const answer = wholeSchema.parse(JSON.parse(await readText(response.body)));
    expect(answer.choices[0].message.content).toContain('signed running total');
    expect(answer.choices[0].finish_reason).toBe('stop');
    expect(answer.usage.completion_tokens).toBeGreaterThan(20);
  });

  it('streams an answer as it is made', async () => {
    const body = question('What is a receipt?', { stream: true, stream_options: { include_usage: true } });
    const response = await engine.call({ path: '/v1/chat/completions', body, signal: never });
    expect(response.headers['content-type']).toBe('text/event-stream');
    const text = await readText(response.body);
    expect(text.match(/^data: /gm)?.length).toBeGreaterThan(20);
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
  });

  it('passes the refusals of the engine on', async () => {
    const response = await engine.call({ path: '/v1/chat/completions', body: question('Hello', { n: 2 }), signal: never });
    expect(response.status).toBe(400);
    expect(await readText(response.body)).toContain('one answer per request');
  });

  it('counts the tokens of a prompt as usage does', async () => {
    const body = question('How do I pay for all of this?');
    const request = { path: '/v1/chat/completions', body, signal: never };
    const answer = wholeSchema.parse(JSON.parse(await readText((await engine.call(request)).body)));
    expect(await engine.countPromptTokens(request)).toBe(answer.usage.prompt_tokens);
  });

  it.each(['/v1/models', '/metrics', '/tokenize', '/v1/chat/completions/', '/v1/chat/../../update_weights', '/V1/CHAT/COMPLETIONS'])(
    'sends nothing to %s (path_not_allowed)',
    async (path) => {
      await expect(engine.call({ path, body: question('Hello'), signal: never })).rejects.toMatchObject({ code: 'path_not_allowed' });
    },
  );

  it('fails with engine_aborted when the caller aborts before or during the answer', async () => {
    const early = AbortSignal.abort();
    await expect(engine.call({ path: '/v1/chat/completions', body: question('Hello'), signal: early })).rejects.toMatchObject({
      code: 'engine_aborted',
    });
    const late = new AbortController();
    const body = question('What is Cocoon?', { stream: true });
    const response = await engine.call({ path: '/v1/chat/completions', body, signal: late.signal });
    const read = async () => {
      for await (const chunk of response.body) if (chunk.length > 0) late.abort();
    };
    await expect(read()).rejects.toMatchObject({ code: 'engine_aborted' });
  });

  it('answers ten requests at once, each its own question', async () => {
    const questions = ['What is a proxy?', 'What is a worker?', 'What is a guest?', 'What is TON?', 'What is TDX?'];
    const answers = await Promise.all(
      [...questions, ...questions].map(async (content) => {
        const response = await engine.call({ path: '/v1/chat/completions', body: question(content), signal: never });
        return wholeSchema.parse(JSON.parse(await readText(response.body))).choices[0].message.content.slice(0, 8);
      }),
    );
    const expected = ['A proxy ', 'A worker', 'The gues', 'TON is t', 'TDX is a'];
    expect(answers).toEqual([...expected, ...expected]);
  });

  it('refuses new requests when it drains (engine_not_ready)', async () => {
    engine.drain();
    expect(engine.state()).toEqual({ tag: 'draining' });
    await expect(engine.call({ path: '/v1/chat/completions', body: question('Hello'), signal: never })).rejects.toMatchObject({
      code: 'engine_not_ready',
    });
  });
});
