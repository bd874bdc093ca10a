import { z } from 'zod';
import { packChallenge, RECEIPT_STATUS, statementHash } from '../../wrappers/statements';
import { failedChecks } from '../attestation/report';
import { fromHex, toBigEndian } from '../core/bytes';
import { challengeAnswer } from '../protocol/calls';
import { readJson } from '../protocol/json';
import { nodeCrypto } from '../runtime/node-crypto';
import { readAll } from '../transport/exchange';
import { DEMO_MODEL_PATH } from './engine/demo-model';
import { modelHash } from './engine/model-hash';
import { SupervisedEngine } from './engine/supervised-engine';
import { GuestRig, NOW_SEC, openAnswer, ROOT } from './guest.test-kit';
import { unprovenHash } from './open-guest';
import { ScriptedEngine } from './scripted-engine.test-kit';
import { simulatedImageHash } from './simulated-machine';

const HOUR = 3600;
const completion = z.looseObject({ choices: z.tuple([z.looseObject({ message: z.looseObject({ content: z.string() }) })]) });
const question = (model: string) => ({ model, messages: [{ role: 'user', content: 'Who are you?' }] });

describe('a guest with the embedded engine', () => {
  let rig: GuestRig;
  beforeAll(async () => {
    rig = await GuestRig.start({ engine: { kind: 'embedded', modelPath: DEMO_MODEL_PATH } });
  }, 60_000);
  afterAll(() => rig.close());

  it('hashes its model, starts the engine, and waits for a block before it makes keys', async () => {
    const seen = new Set<string>();
    const waiting = await rig.until((status) => {
      seen.add(`${status.state} ${status.reason}`);
      return status.reason === 'waiting for a block from the host';
    });
    expect([...seen].every((state) => state.startsWith('loading') || state.startsWith('booting'))).toBe(true);
    expect(waiting).toMatchObject({ keys: null, simulated: true, progress: 1, engine: { name: 'llama.cpp' } });
    const sealed = await rig.call({
      method: 'POST',
      path: '/v1/challenge',
      body: Buffer.from(JSON.stringify({ proxy: ROOT, nonce: '1'.repeat(64), evidence: '2'.repeat(64) })),
    });
    expect(sealed.status).toBe(503);
  }, 60_000);

  it('then shows evidence that verifies, over the model and the image that were known before', async () => {
    const status = await rig.ready();
    expect(status.model).toMatchObject({ kind: 'files', hash: await modelHash(DEMO_MODEL_PATH) });
    const verdict = await rig.verdict(status);
    expect(failedChecks(verdict.report)).toEqual([]);
    expect(verdict).toMatchObject({ accepted: true, imageHash: await simulatedImageHash() });
    expect(verdict.report).toMatchObject({ simulated: true, modelProven: true });
  });

  it('answers, whole and streamed, with a receipt each', async () => {
    const { model } = await rig.status();
    const whole = await rig.ask(question(model?.name ?? ''));
    expect(completion.parse(JSON.parse(whole.text)).choices[0].message.content).toContain('demonstration model');
    const streamed = await rig.ask({ ...question(model?.name ?? ''), stream: true });
    expect(streamed.text).toContain('data: [DONE]');
    for (const { receipt } of [whole.receipt, streamed.receipt]) {
      expect(receipt.status).toBe(RECEIPT_STATUS.complete);
      expect(receipt.usage.uncachedPrompt + receipt.usage.cachedPrompt).toBeGreaterThan(0);
      expect(receipt.usage.answer).toBeGreaterThan(0);
    }
  });

  it('signs a challenge with the receipt key of its evidence', async () => {
    const { keys } = await rig.status();
    const body = Buffer.from(JSON.stringify({ proxy: ROOT, nonce: '7'.repeat(64), evidence: keys?.evidence }));
    const answer = await rig.call({ method: 'POST', path: '/v1/challenge', body });
    const { challenge, signature } = readJson(challengeAnswer, await readAll(answer.body, 4096));
    expect(challenge).toMatchObject({ nonce: BigInt(`0x${'7'.repeat(64)}`) });
    expect(challenge.proxy.toRawString()).toBe(ROOT);
    const hash = toBigEndian(statementHash(packChallenge(challenge)), 32);
    expect(await nodeCrypto.verifyEd25519(fromHex(keys?.receipt ?? ''), hash, signature)).toBe(true);
  });

  it('answers nothing else', async () => {
    for (const path of ['/', '/v1', '/v1/models', '/v1/chat/completions', '/v2/guest', '/v1/guest/more', '/v1/evidence/']) {
      expect((await rig.call({ method: 'GET', path })).status).toBe(404);
    }
    expect((await rig.call({ method: 'POST', path: '/v1/block', body: Buffer.from('{}') })).status).toBe(400);
    expect((await rig.call({ method: 'POST', path: '/v1/stop/xyz' })).status).toBe(400);
    expect((await rig.call({ method: 'POST', path: `/v1/stop/${'0'.repeat(64)}` })).status).toBe(204);
  });

  it('gives a failed receipt when the engine is killed under a request, and serves again with the same keys', async () => {
    const { engine } = rig.open;
    if (!(engine instanceof SupervisedEngine) || engine.pid === null) throw new Error('no engine process');
    const { model, keys } = await rig.status();
    const killed = engine.pid;
    // A stopped process takes the request and cannot answer it before it is killed.
    process.kill(killed, 'SIGSTOP');
    const sealed = await rig.seal(question(model?.name ?? ''));
    const answering = rig.relay(sealed.request);
    await rig.until((status) => status.running === 1);
    process.kill(killed, 'SIGKILL');
    const opened = await openAnswer(sealed, await answering);
    expect(opened.head.status).toBe(502);
    expect(opened.receipt.receipt).toMatchObject({ usage: { answer: 0 }, status: RECEIPT_STATUS.failed });
    const healed = await rig.until((status) => status.state === 'ready' && engine.pid !== killed);
    expect(healed.keys).toEqual(keys);
    expect((await rig.ask(question(model?.name ?? ''))).head.status).toBe(200);
  }, 60_000);
});

describe('a guest with an engine behind a URL', () => {
  const request = (content: string) => ({ model: 'scripted', messages: [{ role: 'user', content }], stream: true });
  let engine: ScriptedEngine;
  let rig: GuestRig;
  beforeEach(async () => {
    engine = await ScriptedEngine.start();
    rig = await GuestRig.start({ engine: { kind: 'url', url: engine.url } });
    await rig.ready();
  });
  afterEach(async () => {
    await rig.close();
    engine.stop();
  });

  it('says that its model is not proven, and verifies only where that is allowed', async () => {
    const status = await rig.status();
    expect(status.model).toMatchObject({ kind: 'unproven', hash: unprovenHash('scripted'), contextLength: 4096 });
    const verdict = await rig.verdict(status);
    expect(verdict).toMatchObject({ accepted: true, report: { modelProven: false } });
  });

  it('replaces its keys after 23 hours, and the old ones accept for ten minutes more', async () => {
    const before = (await rig.status()).keys;
    await rig.ask(request('words 1'));
    await rig.tellBlock(23 * HOUR - 60);
    expect((await rig.status()).keys).toEqual(before);

    await rig.tellBlock(60);
    const after = await rig.until((status) => status.keys?.receipt !== before?.receipt);
    expect((await rig.verdict(after)).accepted).toBe(true);
    expect((await rig.ask(request('words 1'))).receipt.receipt.status).toBe(RECEIPT_STATUS.complete);

    await rig.tellBlock(600);
    expect(await rig.refusal((await rig.seal(request('words 1'))).request)).toBe('410 key_expired');
    await expect(rig.bundle(before?.evidence ?? '')).rejects.toThrow('404');
    rig.forgetSession();
    await rig.tellBlock();
  });

  it('lets a stream end under keys that accept nothing new', async () => {
    const sealed = await rig.seal(request('hang'));
    const answer = await rig.relay(sealed.request);
    const opened = await openAnswer(sealed, answer, async (text) => {
      if (!text.includes('"word "')) return;
      await rig.tellBlock(23 * HOUR);
      await rig.tellBlock(600);
      await rig.call({ method: 'POST', path: `/v1/stop/${sealed.hash.toString(16).padStart(64, '0')}` });
    });
    expect(opened.receipt.receipt).toMatchObject({ status: RECEIPT_STATUS.stopped });
    expect(opened.receipt.receipt.at).toBeGreaterThanOrEqual(NOW_SEC + 23 * HOUR);
  });

  it('accepts nothing under keys whose life is over, however far time has jumped', async () => {
    await rig.ask(request('words 1'));
    await rig.tellBlock(30 * HOUR);
    expect(await rig.refusal((await rig.seal(request('words 1'))).request)).toBe('410 key_expired');
    rig.forgetSession();
    expect((await rig.ask(request('words 1'))).head.status).toBe(200);
  });

  it('is not ready while its engine is away, and is again when it is back', async () => {
    const sealed = await rig.seal(request('words 1'));
    engine.stop();
    const opened = await rig.ask(request('words 1'));
    expect([opened.head.status, opened.receipt.receipt.status]).toEqual([502, RECEIPT_STATUS.failed]);
    await rig.until((status) => status.state === 'loading');
    expect(await rig.refusal(sealed.request)).toBe('503 not_ready');
    await engine.restart();
    await rig.until((status) => status.state === 'ready');
    expect((await openAnswer(sealed, await rig.relay(sealed.request))).head.status).toBe(200);
  }, 30_000);

  it('drains: what runs goes on to its receipt, and nothing new begins', async () => {
    const sealed = await rig.seal(request('hang'));
    const later = await rig.seal(request('words 1'));
    const answer = await rig.relay(sealed.request);
    expect((await rig.call({ method: 'POST', path: '/v1/drain' })).status).toBe(204);
    expect(await rig.status()).toMatchObject({ state: 'draining', running: 1 });
    expect(await rig.refusal(later.request)).toBe('503 not_ready');
    await rig.call({ method: 'POST', path: `/v1/stop/${sealed.hash.toString(16).padStart(64, '0')}` });
    expect((await openAnswer(sealed, answer)).receipt.receipt.status).toBe(RECEIPT_STATUS.stopped);
  });
});

it('a guest whose model is missing says so at once', async () => {
  await expect(GuestRig.start({ engine: { kind: 'embedded', modelPath: '/nowhere/model.gguf' } })).rejects.toThrow(
    'no model at /nowhere/model.gguf',
  );
});
