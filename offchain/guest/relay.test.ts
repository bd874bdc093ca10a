import { pino } from 'pino';
import { cost, RECEIPT_STATUS } from '../../wrappers/statements';
import { CHAT, GuestRig, NOW_SEC, openAnswer, PRICES, type Sealed } from './guest.test-kit';
import { ScriptedEngine } from './scripted-engine.test-kit';

const request = (content: string, more: object = {}) => ({ model: 'scripted', messages: [{ role: 'user', content }], ...more });
const streamed = (content: string, more: object = {}) => request(content, { stream: true, ...more });
const used = (uncachedPrompt: number, answer: number) => ({ uncachedPrompt, cachedPrompt: 0, answer, reasoning: 0 });
const NOTHING_USED = used(0, 0);

describe('sealed requests', () => {
  const logged: string[] = [];
  let engine: ScriptedEngine;
  let rig: GuestRig;

  beforeAll(async () => {
    engine = await ScriptedEngine.start();
    const log = pino({ level: 'trace' }, { write: (line: string) => logged.push(line) });
    rig = await GuestRig.start({ engine: { kind: 'url', url: engine.url } }, log);
    await rig.ready();
  });
  afterAll(async () => {
    await rig.close();
    engine.stop();
  });

  /** Whether the worker can fetch a receipt for this request, with that status. */
  async function receiptOf(sealed: Sealed) {
    return (await rig.receipts()).find(({ receipt }) => receipt.receipt.authorisationHash === sealed.hash)?.receipt.receipt;
  }

  describe('that run', () => {
    it('get the whole answer and a receipt over what was used', async () => {
      const { head, text, receipt } = await rig.ask(request('words 3'));
      expect(head).toEqual({ status: 200, headers: { 'content-type': 'application/json' } });
      expect(JSON.parse(text)).toMatchObject({ choices: [{ message: { content: 'word word word ' } }], usage: { completion_tokens: 3 } });
      expect(receipt.receipt).toMatchObject({ usage: used(2, 3), status: RECEIPT_STATUS.complete });
      expect(receipt.receipt.at).toBeGreaterThanOrEqual(NOW_SEC);
    });

    it('stream as the engine does, without the usage that nobody asked for', async () => {
      const { head, text, receipt } = await rig.ask(streamed('words 2'));
      expect(head.headers['content-type']).toBe('text/event-stream');
      expect(text.match(/"content":"word "/g)).toHaveLength(2);
      expect(text).not.toContain('usage');
      expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
      expect(receipt.receipt).toMatchObject({ usage: used(2, 2), status: RECEIPT_STATUS.complete });
    });

    it('stream the usage at the end to those who asked for it', async () => {
      const { text } = await rig.ask(streamed('words 2', { stream_options: { include_usage: true } }));
      expect(text.match(/"completion_tokens":/g)).toHaveLength(1);
      expect(text).toContain('"completion_tokens":2');
    });

    it('are cut where max_amount ends, and never cost more', async () => {
      const maxAmount = 1_100n;
      const { receipt } = await rig.ask(request('words 100'), { maxAmount });
      expect(receipt.receipt).toMatchObject({ usage: used(2, 4), status: RECEIPT_STATUS.capped });
      expect(cost(receipt.receipt.usage, PRICES, maxAmount)).toBe(1_000n);
    });

    it('get no more tokens than they asked for', async () => {
      const { receipt } = await rig.ask(request('words 100', { max_tokens: 7 }));
      expect(receipt.receipt).toMatchObject({ usage: used(2, 7), status: RECEIPT_STATUS.capped });
    });

    it('are counted by the pieces that passed when the engine reports no usage', async () => {
      const { receipt } = await rig.ask(streamed('silent'));
      expect(receipt.receipt).toMatchObject({ usage: used(1, 3), status: RECEIPT_STATUS.complete });
    });

    it('are capped by the bytes of their body when the engine cannot count tokens', async () => {
      engine.countsTokens = false;
      const body = request('words 100');
      const bytes = JSON.stringify(body).length;
      await rig.ask(body, { maxAmount: BigInt(bytes) * 100n + 600n });
      engine.countsTokens = true;
      expect(engine.seen.at(-1)).toMatchObject({ max_tokens: 3 });
    });
  });

  describe('that do not run', () => {
    const refusals: readonly (readonly [string, object | string, typeof CHAT, number, string])[] = [
      ['another path', request('words 1'), { ...CHAT, path: '/v1/internal/weights' }, 404, 'not_found'],
      ['another method', '', { ...CHAT, method: 'GET' }, 405, 'method_not_allowed'],
      ['a body that is not JSON', 'hello', CHAT, 400, 'bad_request'],
      ['more than one answer', request('words 1', { n: 2 }), CHAT, 400, 'bad_request'],
      ['another model', { ...request('words 1'), model: 'other' }, CHAT, 404, 'model_not_found'],
    ];

    it.each(refusals)('get a sealed refusal and an empty receipt: %s', async (_what, body, head, status, code) => {
      const before = engine.seen.length;
      const opened = await rig.ask(body, {}, head);
      expect(opened.head.status).toBe(status);
      expect(JSON.parse(opened.text)).toMatchObject({ error: { code } });
      expect(opened.receipt.receipt).toMatchObject({ usage: NOTHING_USED, status: RECEIPT_STATUS.failed });
      expect(engine.seen).toHaveLength(before);
    });

    it('are told both amounts when the prompt alone is too dear', async () => {
      const before = engine.seen.length;
      const { head, text, receipt } = await rig.ask(request('words 1'), { maxAmount: 399n });
      expect(head.status).toBe(402);
      expect(JSON.parse(text)).toMatchObject({ error: { code: 'max_amount_too_low', cost: '400', max_amount: '399' } });
      expect(receipt.receipt).toMatchObject({ usage: NOTHING_USED, status: RECEIPT_STATUS.capped });
      expect(engine.seen).toHaveLength(before);
    });

    it("get the engine's own words about their request, and none about the engine", async () => {
      const refused = await rig.ask(request('refuse'));
      expect([refused.head.status, JSON.parse(refused.text)]).toMatchObject([400, { error: { message: 'temperature is too high' } }]);
      const crashed = await rig.ask(request('crash'));
      expect(crashed.head.status).toBe(502);
      expect(crashed.text).not.toContain('secret');
      for (const { receipt } of [refused, crashed]) {
        expect(receipt.receipt).toMatchObject({ usage: NOTHING_USED, status: RECEIPT_STATUS.failed });
      }
    });
  });

  it('that the engine answers with no completion cost nothing', async () => {
    const { receipt } = await rig.ask(request('garbage'));
    expect(receipt.receipt).toMatchObject({ usage: NOTHING_USED, status: RECEIPT_STATUS.failed });
  });

  describe('that end early', () => {
    it('end with what they have when they are stopped', async () => {
      const sealed = await rig.seal(streamed('hang'));
      const opened = await openAnswer(sealed, await rig.relay(sealed.request), async (text) => {
        if (!text.includes('"word "')) return;
        const path = `/v1/stop/${sealed.hash.toString(16).padStart(64, '0')}`;
        expect((await rig.call({ method: 'POST', path })).status).toBe(204);
      });
      await engine.abandoned();
      expect(opened.receipt.receipt).toMatchObject({ usage: used(1, 2), status: RECEIPT_STATUS.stopped });
    });

    it('count their prompt when they are stopped before an answer that does not stream', async () => {
      const before = engine.seen.length;
      const sealed = await rig.seal(request('hang'));
      const answering = rig.relay(sealed.request);
      await rig.until(() => engine.seen.length > before);
      await rig.call({ method: 'POST', path: `/v1/stop/${sealed.hash.toString(16).padStart(64, '0')}` });
      const opened = await openAnswer(sealed, await answering);
      await engine.abandoned();
      expect(opened.head.status).toBe(499);
      expect(opened.receipt.receipt).toMatchObject({ usage: used(1, 0), status: RECEIPT_STATUS.stopped });
    });

    it('leave a receipt for the worker when the connection is lost', async () => {
      const sealed = await rig.seal(streamed('hang'));
      const cut = new AbortController();
      const answer = await rig.relay(sealed.request, cut.signal);
      const lost = openAnswer(sealed, answer, (text) => {
        if (text.includes('"word "')) cut.abort();
      });
      await expect(lost).rejects.toThrow();
      await engine.abandoned();
      await rig.until((status) => status.running === 0);
      expect(await receiptOf(sealed)).toMatchObject({ usage: used(1, 2), status: RECEIPT_STATUS.stopped });
    });

    it('end in a failed receipt when the engine breaks off, with an error event for the caller', async () => {
      const { text, receipt } = await rig.ask(streamed('break'));
      expect(text).toContain('"code":"engine_failed"');
      expect(text).not.toContain('[DONE]');
      expect(receipt.receipt).toMatchObject({ usage: used(1, 2), status: RECEIPT_STATUS.failed });
    });
  });

  describe('that are refused before they are opened', () => {
    it('because their authorisation was used', async () => {
      const sealed = await rig.seal(request('words 1'));
      await openAnswer(sealed, await rig.relay(sealed.request));
      expect(await rig.refusal(sealed.request)).toBe('409 already_used');
    });

    it('because their authorisation is for another prompt', async () => {
      const [one, other] = [await rig.seal(request('words 1')), await rig.seal(request('words 2'))];
      expect(await rig.refusal({ ...one.request, ciphertext: other.request.ciphertext })).toBe('403 authorisation_refused');
      const { enc, counter, ciphertext } = other.request;
      const spliced = { ...(await rig.seal(request('words 3'))).request, enc, counter, ciphertext };
      expect(await rig.refusal(spliced)).toBe('403 authorisation_refused');
    });

    it('because they are too late, or too early', async () => {
      const late = await rig.seal(request('words 1'), { validUntil: NOW_SEC - 60 });
      expect(await rig.refusal(late.request)).toBe('403 authorisation_refused');
      const early = await rig.seal(request('words 1'), { validUntil: NOW_SEC + 800 });
      expect(await rig.refusal(early.request)).toBe('403 authorisation_refused');
    });

    it('because they name a receipt key that is not here', async () => {
      const sealed = await rig.seal(request('words 1'), { receiptKey: 12345n });
      expect(await rig.refusal(sealed.request)).toBe('410 key_expired');
    });

    it('because they are no sealed requests', async () => {
      expect((await rig.call({ method: 'POST', path: '/v1/relay', body: new Uint8Array(50) })).status).toBe(400);
    });
  });

  it('are logged by their authorisation and counts, without a word of what was asked or answered', async () => {
    const sealed = await rig.seal(request('words 3', { user: 'quetzalcoatlus' }));
    await openAnswer(sealed, await rig.relay(sealed.request));
    await openAnswer(sealed, await rig.relay((await rig.seal('quetzalcoatlus')).request)).catch(() => {});
    const lines = logged.join('');
    expect(lines).toContain(sealed.hash.toString(16));
    expect(lines).not.toMatch(/quetzalcoatlus|word|temperature|secret/);
  });

  it('number their receipts, and the worker has them forgotten by number', async () => {
    const all = await rig.receipts();
    const last = all.at(-1)?.sequence ?? 0;
    expect(all.map(({ sequence }) => sequence)).toEqual(all.map((_, i) => last - all.length + 1 + i));
    expect(await rig.receipts(last)).toEqual([]);
    expect((await rig.call({ method: 'GET', path: '/v1/receipts?after=x' })).status).toBe(400);
  });
});

describe('limits', () => {
  it('refuse a request above the number that may run, before it is opened', async () => {
    const engine = await ScriptedEngine.start();
    const rig = await GuestRig.start({ engine: { kind: 'url', url: engine.url }, maxRunning: 1 });
    await rig.ready();
    const first = await rig.seal(streamed('hang'));
    const answer = await rig.relay(first.request);
    const second = await rig.seal(request('words 1'));
    expect(await rig.refusal(second.request)).toBe('503 not_ready');
    await rig.call({ method: 'POST', path: `/v1/stop/${first.hash.toString(16).padStart(64, '0')}` });
    await openAnswer(first, answer);
    await rig.until((status) => status.running === 0);
    expect((await openAnswer(second, await rig.relay(second.request))).head.status).toBe(200);
    await rig.close();
    engine.stop();
  });

  it('refuse a request whose receipt could not be kept', async () => {
    const engine = await ScriptedEngine.start();
    const rig = await GuestRig.start({ engine: { kind: 'url', url: engine.url }, maxReceipts: 1 });
    await rig.ready();
    await rig.ask(request('words 1'));
    const second = await rig.seal(request('words 1'));
    expect(await rig.refusal(second.request)).toBe('503 not_ready');
    await rig.receipts();
    await rig.receipts(1);
    expect((await openAnswer(second, await rig.relay(second.request))).head.status).toBe(200);
    await rig.close();
    engine.stop();
  });
});
