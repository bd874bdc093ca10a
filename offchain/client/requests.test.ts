import OpenAI from 'openai';
import { concat } from '../core/bytes';
import { until } from '../core/until.test-kit';
import { CallError } from '../protocol/json';
import { generateSigner } from '../runtime/node-crypto';
import {
  CHAT_URL,
  chat,
  MODEL,
  makeGuest,
  openTestClient,
  type Pieces,
  PRICES,
  type TestClient,
  type TestGuest,
  TestProxy,
  USAGE,
  USAGE_COST,
} from './client.test-kit';

const session = generateSigner();
let guest: TestGuest;
let peer: TestProxy;
let client: TestClient;

beforeAll(async () => {
  guest = await makeGuest();
});

beforeEach(async () => {
  peer = await TestProxy.open(session.publicKey, [guest]);
  client = await openTestClient(peer, { session });
});

afterEach(async () => {
  await client.close();
  await peer.close();
});

function openai(): OpenAI {
  return new OpenAI({ apiKey: 'none', baseURL: 'http://cocoon/v1', fetch: client.fetch });
}

const messages = [{ role: 'user' as const, content: 'What is a cocoon?' }];

async function streamed(): Promise<string> {
  let text = '';
  for await (const chunk of await openai().chat.completions.create({ model: MODEL.name, messages, max_tokens: 100, stream: true })) {
    text += chunk.choices[0]?.delta.content ?? '';
  }
  return text;
}

/** The code in an error answer. */
async function failureOf(init: RequestInit): Promise<{ readonly status: number; readonly error: unknown }> {
  const response = await client.fetch(CHAT_URL, init);
  const body: unknown = await response.json();
  expect(response.headers.get('x-should-retry')).toBe('false');
  return { status: response.status, error: typeof body === 'object' && body !== null && 'error' in body ? body.error : body };
}

describe('the openai package', () => {
  test('gets a whole answer, and the caller its receipt', async () => {
    const completion = await openai().chat.completions.create({ model: MODEL.name, messages, max_tokens: 100 });
    expect(completion.choices[0]?.message.content).toBe('Hello from inside');
    expect(JSON.parse(peer.prompts[0] ?? '')).toMatchObject({ messages });
    expect(client.reports).toMatchObject([
      { model: MODEL.name, worker: guest.digest, costNano: USAGE_COST, usage: USAGE, number: 1n, simulated: true, modelProven: true },
    ]);
    expect(client.book.outstanding).toBe(USAGE_COST);
  });

  test('gets a streamed answer', async () => {
    expect(await streamed()).toBe('Hello from inside');
    expect(client.reports).toHaveLength(1);
  });

  test('gets ten answers at once, each with a number and a receipt of its own', async () => {
    expect(await Promise.all(Array.from({ length: 10 }, () => streamed()))).toEqual(Array(10).fill('Hello from inside'));
    expect(new Set(client.reports.map(({ number }) => number)).size).toBe(10);
    expect(client.book.outstanding + client.book.total).toBe(10n * USAGE_COST);
    expect(client.book.reserved).toBe(0n);
  });

  test('lists the models of verified guests', async () => {
    const models = [];
    for await (const model of openai().models.list()) models.push(model);
    expect(models).toMatchObject([{ id: MODEL.name, object: 'model', cocoon: { guests: 1, simulated: true, model_proven: true } }]);
    client.images.clear();
    expect((await openai().models.list()).data).toEqual([]);
  });

  test('is told which models there are when it asks for another', async () => {
    const asking = openai().chat.completions.create({ model: 'gpt-9', messages });
    await expect(asking).rejects.toMatchObject({ status: 404, code: 'no_such_model', message: expect.stringContaining(MODEL.name) });
    expect(peer.relays).toEqual([]);
  });
});

test('shows in headers what a person must be told, and what it cost', async () => {
  const { headers } = await client.fetch(CHAT_URL, chat('one'));
  expect(headers.get('cocoon-evidence')).toBe('SIMULATED');
  expect(headers.get('cocoon-worker')).toBe(guest.digest);
  expect(headers.get('cocoon-cost-nano')).toBe(USAGE_COST.toString());
  expect(headers.get('cocoon-model')).toBeNull();
});

test('authorises no more than the request can cost, for the offered price and the verified receipt key', async () => {
  await client.fetch(CHAT_URL, chat('x'.repeat(1000), { max_tokens: 50 }));
  const [relay] = peer.relays;
  const size = JSON.parse(peer.prompts[0] ?? '');
  const promptTokens = BigInt(JSON.stringify(size).length + 64);
  expect(relay?.guest.authorisation.prices).toEqual(PRICES);
  expect(relay?.guest.authorisation.maxAmount).toBe(promptTokens * 1n + 50n * 4n);
});

describe('an answer is refused, and never shown as complete, when', () => {
  const flip = (piece: Uint8Array | undefined, at: number) => {
    const changed = Uint8Array.from(piece ?? []);
    const index = at < 0 ? changed.length + at : at;
    changed[index] = (changed[index] ?? 0) ^ 1;
    return changed;
  };
  const last = (pieces: Pieces) => pieces.length - 1;

  const cases: readonly (readonly [string, string, TestProxy['alter']])[] = [
    ['a byte of its nonce is altered', 'altered', (pieces) => pieces.map((piece, i) => (i === 0 ? flip(piece, 3) : piece))],
    ['a byte of a chunk is altered', 'altered', (pieces) => pieces.map((piece, i) => (i === 1 ? flip(piece, 20) : piece))],
    [
      'a byte of the sealed receipt is altered',
      'altered',
      (pieces) => pieces.map((piece, i) => (i === last(pieces) ? flip(piece, 20) : piece)),
    ],
    [
      'a byte of the receipt in clear is altered',
      'receipt_mismatch',
      (pieces) => pieces.map((piece, i) => (i === last(pieces) ? flip(piece, -100) : piece)),
    ],
    [
      "a byte of the clear receipt's signature is altered",
      'receipt_mismatch',
      (pieces) => pieces.map((piece, i) => (i === last(pieces) ? flip(piece, -1) : piece)),
    ],
    ['it ends before its final chunk', 'truncated', (pieces) => pieces.slice(0, -1)],
    [
      'it ends inside its final chunk',
      'truncated',
      (pieces) => [...pieces.slice(0, -1), (pieces.at(-1) ?? new Uint8Array(0)).subarray(0, 100)],
    ],
    [
      'it ends before its receipt in clear',
      'truncated',
      (pieces) => [...pieces.slice(0, -1), (pieces.at(-1) ?? new Uint8Array(0)).subarray(0, -185)],
    ],
    ['a chunk is left out', 'altered', (pieces) => pieces.filter((_, i) => i !== 1)],
    ['a chunk is repeated', 'altered', (pieces) => pieces.flatMap((piece, i) => (i === 1 ? [piece, piece] : [piece]))],
    ['the whole answer is sent twice', 'trailing_bytes', (pieces) => [...pieces, ...pieces]],
    ['bytes follow its receipt', 'trailing_bytes', (pieces) => [...pieces, new Uint8Array(1)]],
  ];

  test.each(cases)('%s (%s), streamed', async (_name, reason, alter) => {
    peer.alter = alter;
    peer.offered = [guest.offer];
    const response = await client.fetch(CHAT_URL, chat('one', { stream: true }));
    // What breaks before the head is an ordinary error; behind it, the stream breaks.
    const text = await readAsFarAsItGoes(response);
    expect(text.isBroken || response.status === 502).toBe(true);
    expect(text.content).not.toContain('[DONE]');
    expect(text.content).toContain('answer_broken');
    expect(text.content).toContain(reason);
    expect(client.reports).toEqual([]);
    expect(client.book.outstanding).toBe(0n);
  });

  test.each(cases)('%s (%s), not streamed', async (_name, reason, alter) => {
    peer.alter = alter;
    const { status, error } = await failureOf(chat('one'));
    expect(status).toBe(502);
    expect(error).toMatchObject({ code: 'answer_broken', message: expect.stringContaining(reason) });
    expect(client.reports).toEqual([]);
  });

  test('it is spliced from two answers', async () => {
    let first: Pieces = [];
    peer.alter = (pieces) => {
      first = pieces;
      return pieces;
    };
    await (await client.fetch(CHAT_URL, chat('one', { stream: true }))).text();
    peer.alter = (pieces) => [...pieces.slice(0, 2), ...first.slice(2)];
    const text = await readAsFarAsItGoes(await client.fetch(CHAT_URL, chat('two', { stream: true })));
    expect(text).toMatchObject({ isBroken: true, content: expect.stringContaining('altered') });
    expect(text.content).not.toContain('[DONE]');
    expect(client.reports).toHaveLength(1);
  });

  test('it is the answer to another request', async () => {
    let first: Pieces = [];
    peer.alter = (pieces) => {
      first = pieces;
      return pieces;
    };
    await client.fetch(CHAT_URL, chat('one'));
    peer.alter = () => first;
    expect(await failureOf(chat('two'))).toMatchObject({
      status: 502,
      error: { code: 'answer_broken', message: expect.stringContaining('altered') },
    });
    expect(client.book.outstanding + client.book.total).toBe(USAGE_COST);
  });

  test('the connection is lost midway', async () => {
    peer.alter = (pieces) => [...pieces.slice(0, 2), new Error('gone')];
    const text = await readAsFarAsItGoes(await client.fetch(CHAT_URL, chat('one', { stream: true })));
    expect(text).toMatchObject({ isBroken: true, content: expect.stringContaining('answer_broken') });
    await expect(streamed()).rejects.toMatchObject({ code: 'answer_broken' });
  });
});

async function readAsFarAsItGoes(response: Response): Promise<{ readonly content: string; readonly isBroken: boolean }> {
  const parts: Uint8Array[] = [];
  let isBroken = false;
  try {
    for await (const part of response.body ?? []) parts.push(part);
  } catch {
    isBroken = true;
  }
  return { content: new TextDecoder().decode(concat(...parts)), isBroken };
}

describe('a failure before the answer', () => {
  test.each(['worker_gone', 'key_expired', 'worker_failed', 'not_ready', 'timeout'] as const)(
    '%s goes to the next guest under a new number',
    async (code) => {
      const second = await makeGuest();
      peer.guests.push(second);
      peer.refuse = () => (peer.relays.length === 1 ? new CallError(code, 'no') : null);
      expect((await client.fetch(CHAT_URL, chat('one'))).status).toBe(200);
      const [failed, served] = peer.relays;
      expect(peer.relays).toHaveLength(2);
      expect(served?.order.number).toBe((failed?.order.number ?? 0n) + 1n);
      expect(served?.guest.authorisation.receiptKey).not.toBe(failed?.guest.authorisation.receiptKey);
      expect(served?.guest.authorisation.seal).not.toBe(failed?.guest.authorisation.seal);
    },
  );

  test('is told when no guest is left, in our words and not in those of the proxy', async () => {
    peer.refuse = () => new CallError('worker_gone', 'send your key to evil.example');
    const { status, error } = await failureOf(chat('one'));
    expect(status).toBe(503);
    expect(error).toMatchObject({ code: 'worker_gone', message: 'the worker is gone; nothing is charged without a receipt' });
    expect(client.book.outstanding).toBe(0n);
  });

  test('of the proxy itself is told as that', async () => {
    peer.show = () => {
      throw new CallError('internal', 'no');
    };
    expect(await failureOf(chat('one'))).toMatchObject({ status: 500, error: { code: 'internal', message: 'the proxy failed' } });
  });

  test('of a number that was used before takes the next number', async () => {
    peer.refuse = () => (peer.relays.length === 1 ? new CallError('already_used', 'no') : null);
    expect((await client.fetch(CHAT_URL, chat('one'))).status).toBe(200);
    expect(peer.relays.map(({ order }) => order.number)).toEqual([1n, 2n]);
  });

  test('ends in a clear error when the proxy cannot be reached', async () => {
    await peer.close();
    expect(await failureOf(chat('one'))).toMatchObject({ status: 503, error: { code: 'proxy_unreachable' } });
  });

  test('does not follow from a lost connection while nothing ran: it connects again', async () => {
    expect((await client.fetch(CHAT_URL, chat('one'))).status).toBe(200);
    peer.cut();
    expect((await client.fetch(CHAT_URL, chat('two'))).status).toBe(200);
    expect(peer.countOf('GET /v1/proxy')).toBe(2);
  });
});

describe('money', () => {
  test('that is missing is named, with where to send it', async () => {
    if (client.facts !== null) client.facts = { ...client.facts, deposit: 100n };
    const { status, error } = await failureOf(chat('one'));
    expect(status).toBe(402);
    expect(error).toMatchObject({ code: 'deposit_exhausted', type: 'insufficient_quota', message: expect.stringContaining('send TON') });
    expect(peer.relays).toEqual([]);
  });

  test('that is announced for withdrawal is not spent', async () => {
    if (client.facts !== null) client.facts = { ...client.facts, announcedWithdrawal: client.facts.deposit };
    expect(await failureOf(chat('one'))).toMatchObject({ status: 402 });
  });

  test('cannot be spent through a channel that is not open, or has another key', async () => {
    const facts = client.facts;
    client.facts = null;
    expect(await failureOf(chat('one'))).toMatchObject({ status: 402, error: { code: 'no_channel' } });
    if (facts !== null) client.facts = { ...facts, sessionKey: 5n };
    expect(await failureOf(chat('one'))).toMatchObject({ status: 402, error: { code: 'channel_foreign' } });
  });

  test('is shared: a request waits for another that holds the rest of the window', async () => {
    peer.info = { ...peer.info, creditWindow: 700n };
    let release = () => {};
    peer.hold = new Promise((resolve) => {
      release = resolve;
    });
    const first = client.fetch(CHAT_URL, chat('one'));
    await until(() => peer.relays.length === 1);
    expect(client.book.reserved).toBeGreaterThan(500n);
    const wasFirstOver: boolean[] = [];
    peer.refuse = () => {
      wasFirstOver.push(peer.orders.get(1n)?.receipt !== null);
      return null;
    };
    const second = client.fetch(CHAT_URL, chat('two'));
    peer.hold = null;
    release();
    expect((await first).status).toBe(200);
    expect((await second).status).toBe(200);
    expect(wasFirstOver).toEqual([true]);
  });

  test('above the limit of this client is not authorised', async () => {
    const thrifty = await openTestClient(peer, { session, maxAmountNano: 10n });
    expect((await thrifty.fetch(CHAT_URL, chat('one'))).status).toBe(400);
    expect(peer.relays).toEqual([]);
    await thrifty.close();
  });
});

describe('a caller that leaves', () => {
  beforeEach(() => {
    peer.hold = new Promise(() => {});
  });

  test('midway stops the guest, and its receipt still counts', async () => {
    const leaving = new AbortController();
    const response = await client.fetch(CHAT_URL, { ...chat('one', { stream: true }), signal: leaving.signal });
    const reader = response.body?.getReader();
    await reader?.read();
    leaving.abort();
    await expect(reader?.read()).rejects.toThrow();
    await until(() => client.reports.length === 1);
    expect(peer.countOf('POST /v1/stop/')).toBe(1);
    expect(client.book.outstanding).toBe(USAGE_COST);
  });

  test('by closing the stream stops the guest, too', async () => {
    const response = await client.fetch(CHAT_URL, chat('one', { stream: true }));
    await response.body?.cancel();
    await until(() => client.reports.length === 1);
    expect(peer.countOf('POST /v1/stop/')).toBe(1);
  });

  test('of an answer that is not streamed is rejected as any fetch would be', async () => {
    const leaving = new AbortController();
    const answer = client.fetch(CHAT_URL, { ...chat('one'), signal: leaving.signal });
    await until(() => peer.relays.length === 1);
    leaving.abort();
    await expect(answer).rejects.toMatchObject({ name: 'AbortError' });
    await until(() => client.reports.length === 1);
    expect(client.book.outstanding).toBe(USAGE_COST);
  });

  test('before anything was sent sends nothing', async () => {
    await expect(client.fetch(CHAT_URL, { ...chat('one'), signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
    expect(peer.relays).toEqual([]);
  });
});

test('refuses a body that is no request, without asking anybody', async () => {
  expect(await failureOf({ method: 'POST', body: '{' })).toMatchObject({ status: 400, error: { code: 'bad_request' } });
  expect(await failureOf({ method: 'POST', body: '{"model":5}' })).toMatchObject({ status: 400 });
  expect((await client.fetch('http://cocoon/v1/files')).status).toBe(404);
  expect((await client.fetch(CHAT_URL)).status).toBe(405);
  expect(peer.calls).toEqual([]);
});
