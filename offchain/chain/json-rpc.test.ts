import { createServer, type RequestListener, type Server } from 'node:http';
import { z } from 'zod';
import { JsonRpc, type JsonRpcOptions } from './json-rpc';

let server: Server | undefined;
let requests: { readonly headers: NodeJS.Dict<string | string[]>; readonly body: string }[] = [];
let pauses: number[] = [];

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** An endpoint that answers the n-th request by the n-th answer, and all later ones by the last. */
async function endpoint(...answers: RequestListener[]): Promise<string> {
  requests = [];
  pauses = [];
  const started = createServer(async (req, res) => {
    const parts: Uint8Array[] = [];
    for await (const part of req) parts.push(part);
    requests.push({ headers: req.headers, body: Buffer.concat(parts).toString() });
    answers[Math.min(requests.length, answers.length) - 1]?.(req, res);
  });
  server = started;
  await new Promise<void>((done) => started.listen(0, '127.0.0.1', done));
  const address = started.address();
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/api`;
}

const say =
  (status: number, body: unknown): RequestListener =>
  (_, res) =>
    res.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body));
const hangUp: RequestListener = (req) => req.socket.destroy();
const fine = say(200, { ok: true, result: { n: 5 } });
const busy = say(429, { ok: false, error: 'Ratelimit exceed' });

const schema = z.object({ n: z.number() });
const rpc = (url: string, options: Partial<JsonRpcOptions> = {}) =>
  new JsonRpc({ endpoint: url, wait: async (ms) => pauses.push(ms), ...options });

test('sends method, parameters and key, and gives back the result in its form', async () => {
  const url = await endpoint(fine);
  expect(await rpc(url, { apiKey: 'key' }).call('get', { a: 1 }, schema)).toEqual({ n: 5 });
  expect(JSON.parse(requests[0]?.body ?? '')).toEqual({ id: '1', jsonrpc: '2.0', method: 'get', params: { a: 1 } });
  expect(requests[0]?.headers['x-api-key']).toBe('key');
});

test('tries again with growing pauses while the endpoint is away or busy', async () => {
  const url = await endpoint(hangUp, busy, say(503, 'starting'), say(502, ''), fine);
  expect(await rpc(url).call('get', {}, schema)).toEqual({ n: 5 });
  expect(pauses).toEqual([250, 500, 1000, 2000]);
});

test.each([
  ['chain_unreachable', hangUp],
  ['chain_busy', busy],
])('gives up with %s after its number of tries', async (code, answer) => {
  const url = await endpoint(answer);
  await expect(rpc(url, { attempts: 3 }).call('get', {}, schema)).rejects.toMatchObject({ name: 'ChainError', code });
  expect(requests).toHaveLength(3);
});

test('gives up on an endpoint that does not answer in time', async () => {
  const url = await endpoint(() => {});
  await expect(rpc(url, { attempts: 1, timeoutMs: 20 }).call('get', {}, schema)).rejects.toMatchObject({ code: 'chain_unreachable' });
});

test.each([
  ['a refusal', say(500, { ok: false, error: 'secret words' }), { code: 'chain_refused', data: expect.objectContaining({ status: 500 }) }],
  [
    'a refused message',
    say(500, { ok: false, error: 'x: exitcode=133, steps=5' }),
    { code: 'chain_refused', data: expect.objectContaining({ exitCode: 133 }) },
  ],
  ['no JSON', say(200, '<html>'), { code: 'chain_malformed' }],
  ['no envelope', say(200, { result: { n: 5 } }), { code: 'chain_malformed' }],
  ['another result', say(200, { ok: true, result: { n: '5' } }), { code: 'chain_malformed', message: 'answer to get has no valid n' }],
])('does not try again after %s', async (_, answer, error) => {
  const url = await endpoint(answer);
  const call = rpc(url).call('get', {}, schema);
  await expect(call).rejects.toMatchObject(error);
  await expect(call).rejects.toMatchObject({ message: expect.not.stringContaining('secret') });
  expect(requests).toHaveLength(1);
});
