import { type IncomingMessage, request } from 'node:http';
import OpenAI from 'openai';
import { until } from '../core/until.test-kit';
import { generateSigner } from '../runtime/node-crypto';
import { listen } from '../transport/tls';
import { chat, MODEL, makeGuest, openTestClient, type TestClient, TestProxy, USAGE_COST } from './client.test-kit';
import { createGateway, type Gateway } from './gateway';

const session = generateSigner();
const defects: unknown[] = [];
let peer: TestProxy;
let client: TestClient;
let gateway: Gateway;
let port: number;

beforeEach(async () => {
  peer = await TestProxy.open(session.publicKey, [await makeGuest()]);
  client = await openTestClient(peer, { session });
  gateway = createGateway({ fetch: client.fetch, maxBodySize: 10_000, onDefect: (error) => defects.push(error) });
  port = await listen(gateway.server, { host: '127.0.0.1', port: 0 });
});

afterEach(async () => {
  gateway.close();
  await client.close();
  await peer.close();
  expect(defects.splice(0)).toEqual([]);
});

const messages = [{ role: 'user' as const, content: 'What is a cocoon?' }];

function openai(): OpenAI {
  return new OpenAI({ apiKey: 'none', baseURL: `http://127.0.0.1:${port}/v1` });
}

/** A call as a browser or a program would make it, with the headers that it would send. */
async function call(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body = '',
): Promise<{ status: number; body: string }> {
  const response = await new Promise<IncomingMessage>((done, fail) => {
    request({ host: '127.0.0.1', port, method, path, headers }, done).on('error', fail).end(body);
  });
  let text = '';
  for await (const part of response) text += String(part);
  return { status: response.statusCode ?? 0, body: text };
}

test('serves the stock openai package, streaming and not, on one connection', async () => {
  const completion = await openai().chat.completions.create({ model: MODEL.name, messages });
  expect(completion.choices[0]?.message.content).toBe('Hello from inside');
  let text = '';
  for await (const chunk of await openai().chat.completions.create({ model: MODEL.name, messages, stream: true })) {
    text += chunk.choices[0]?.delta.content ?? '';
  }
  expect(text).toBe('Hello from inside');
  expect((await openai().models.list()).data.map(({ id }) => id)).toEqual([MODEL.name]);
  expect((await openai().models.retrieve(MODEL.name)).id).toBe(MODEL.name);
});

test('makes the package throw when a stream breaks, and never ask again by itself', async () => {
  peer.alter = (pieces) => [...pieces.slice(0, 2), new Error('gone')];
  const stream = await openai().chat.completions.create({ model: MODEL.name, messages, stream: true });
  await expect(
    (async () => {
      for await (const _chunk of stream);
    })(),
  ).rejects.toMatchObject({ code: 'answer_broken' });
  expect(peer.relays).toHaveLength(1);
});

test('stops the guest when the caller closes the connection, and counts the receipt', async () => {
  peer.hold = new Promise(() => {});
  const stream = await openai().chat.completions.create({ model: MODEL.name, messages, stream: true });
  for await (const _chunk of stream) break;
  await until(() => client.reports.length === 1);
  expect(peer.countOf('POST /v1/stop/')).toBe(1);
  expect(client.book.outstanding).toBe(USAGE_COST);
});

describe('refuses', () => {
  const send = (headers: Readonly<Record<string, string>>) => call('POST', '/v1/chat/completions', headers, String(chat('one').body));

  test.each([
    ['a page of another site', { origin: 'https://evil.example' }],
    ['a page of another site that looks like this machine', { origin: 'https://localhost.evil.example' }],
    ['a page without an origin', { origin: 'null' }],
    ['a foreign name that was pointed at this machine', { host: 'evil.example' }],
    ['what a browser marks as from another site', { 'sec-fetch-site': 'cross-site' }],
  ])('%s', async (_name, headers) => {
    expect(await send({ host: `127.0.0.1:${port}`, ...headers })).toMatchObject({ status: 403 });
    expect(peer.relays).toEqual([]);
  });

  test('a body above its limit', async () => {
    const { status, body } = await call('POST', '/v1/chat/completions', { host: 'localhost' }, 'x'.repeat(10_001));
    expect(status).toBe(413);
    expect(JSON.parse(body)).toMatchObject({ error: { type: 'invalid_request_error', code: 'body_too_large' } });
  });

  test('what it does not serve', async () => {
    expect((await call('GET', '/')).status).toBe(404);
    expect((await call('GET', '/healthz')).status).toBe(404);
    expect((await call('OPTIONS', '/v1/chat/completions')).status).toBe(405);
    expect((await call('POST', '/v1/models')).status).toBe(404);
  });
});

test('serves pages and programs of this machine under all its names', async () => {
  for (const host of ['localhost', `localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`]) {
    expect((await call('GET', '/v1/models', { host, origin: 'http://localhost:3000' })).status).toBe(200);
  }
});
