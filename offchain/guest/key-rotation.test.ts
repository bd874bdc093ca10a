import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Address } from '@ton/core';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { type Authorisation, cost, packAuthorisation, packChallenge, RECEIPT_STATUS, statementHash } from '../../wrappers/statements';
import { decodeClaims } from '../attestation/claims';
import { decodeBundle, imageHashOf } from '../attestation/evidence';
import { createDevelopmentRoot } from '../attestation/platform/development-root';
import type { Platform } from '../attestation/platform/platform';
import { PlatformError } from '../attestation/platform/platform-error';
import { openSimulatedPlatform } from '../attestation/platform/simulated';
import { parseQuote } from '../attestation/quote';
import { fromBigEndian, fromHex, toBigEndian, utf8 } from '../core/bytes';
import { FixedClock } from '../core/clock';
import { until } from '../core/until.test-kit';
import { CallError } from '../protocol/json';
import { parseConfig } from '../runtime/config';
import { nodeCrypto } from '../runtime/node-crypto';
import { ClientSession } from '../sealing/client-session';
import { encodeGuestRequest } from '../sealing/relay-body';
import { GuestConfigSchema } from './config';
import { parseEngineUrl, UrlEngine } from './engine/url-engine';
import { Guest } from './guest';
import { CHAT, NOW_SEC, OWNER, openAnswer, PRICES, ROOT, type Sealed } from './guest.test-kit';
import { GuestMetrics } from './metrics';
import { unprovenHash } from './open-guest';
import { ScriptedEngine } from './scripted-engine.test-kit';
import { guestMachine } from './simulated-machine';

// A guest whose platform fails or takes its time when a test says so, by a clock that a test moves: what happens to its keys, and to
// the requests that are under way meanwhile.

const HOUR = 3600;
const PROXY = Address.parseRaw(ROOT);
const streamed = (content: string) => JSON.stringify({ model: 'scripted', messages: [{ role: 'user', content }], stream: true });

let folder: string;
let engine: ScriptedEngine;
let real: Platform;
let guest: Guest;
let clock: FixedClock;
let seqno: number;
let logged: string[];
/** Why the platform gives no quote; null while it does. */
let fault: PlatformError | null;
/** What a quote waits for. */
let delay: Promise<void>;
let quotes: number;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cocoon-rotation-'));
  await createDevelopmentRoot(folder, NOW_SEC);
  real = await openSimulatedPlatform({ ...(await guestMachine()), folder });
  engine = await ScriptedEngine.start();
});
afterAll(() => {
  engine.stop();
  rmSync(folder, { recursive: true });
});

beforeEach(() => start());
afterEach(() => guest.stop());

async function start(keyLifeSec = 24 * HOUR): Promise<void> {
  clock = new FixedClock(NOW_SEC);
  seqno = 100;
  logged = [];
  fault = null;
  delay = Promise.resolve();
  quotes = 0;
  const platform: Platform = {
    kind: 'simulated',
    quote: async (reportData) => {
      quotes++;
      await delay;
      if (fault !== null) throw fault;
      return real.quote(reportData);
    },
  };
  guest = new Guest(
    {
      engine: new UrlEngine(parseEngineUrl(engine.url)),
      proof: { kind: 'unproven', nameHash: unprovenHash },
      gpu: null,
      platform,
      crypto: nodeCrypto,
      clock,
      log: pino({ level: 'info' }, { write: (line: string) => logged.push(line) }),
      metrics: new GuestMetrics(new Registry()),
      onStatus: () => {},
    },
    { network: ROOT, owner: OWNER, image: 'test', contextLength: null, maxRunning: 16, maxReceipts: 100, maxRemembered: 100, keyLifeSec },
  );
  await guest.boot();
  await later(0);
}

/** Moves time on and tells the block that there is then. */
async function later(sec: number): Promise<void> {
  clock.advance(sec);
  seqno++;
  await guest.tellBlock({ seqno, rootHash: seqno.toString(16).padStart(64, '0'), atSec: clock.nowSec() });
}

const evidence = () => guest.status().keys?.evidence ?? '';

/** Resolves once the guest offers other keys than these. */
async function replaced(before: string): Promise<string> {
  await until(() => evidence() !== before);
  return evidence();
}

/** Seals one request to the keys of this evidence. */
async function seal(body: string, digest = evidence()): Promise<Sealed> {
  const bundle = guest.evidence(digest);
  if (bundle === null) throw new Error('no such evidence');
  const { claims, quote } = decodeBundle(bundle);
  const { keys, model } = decodeClaims(claims);
  const receiptKey = fromHex(keys.receipt);
  const verified = {
    sealingKey: fromHex(keys.sealing[0]?.publicKey ?? ''),
    receiptKey,
    claims,
    evidenceDigest: fromHex(digest),
    modelHash: fromHex(model?.hash ?? ''),
    imageHash: fromHex(await imageHashOf(parseQuote(quote).td, nodeCrypto)),
  };
  const exchange = await (await ClientSession.open(nodeCrypto, verified, clock.nowSec())).next();
  const authorisation: Authorisation = {
    orderHash: 5n,
    receiptKey: fromBigEndian(receiptKey),
    seal: exchange.seal,
    maxAmount: 1_000_000n,
    validUntil: clock.nowSec() + 600,
    prices: PRICES,
  };
  const hash = statementHash(packAuthorisation(authorisation));
  return { exchange, hash, request: await exchange.sealRequest(authorisation, hash, CHAT, utf8(body)) };
}

const relay = (sealed: Sealed) => guest.relay.accept(encodeGuestRequest(sealed.request), new AbortController().signal);
/** The code of a refusal. */
const refusal = async (attempt: Promise<unknown>) => {
  const error = await attempt.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof CallError)) throw new Error('not refused');
  return error.code;
};

/** Whether the guest answers a challenge for this evidence with the receipt key in it. */
async function isProven(digest: string): Promise<boolean> {
  const { keys } = decodeClaims(decodeBundle(guest.evidence(digest) ?? new Uint8Array()).claims);
  const { challenge, signature } = await guest.challenge(PROXY, '7'.repeat(64), digest);
  const message = toBigEndian(statementHash(packChallenge(challenge)), 32);
  return nodeCrypto.verifyEd25519(fromHex(keys.receipt), message, signature);
}

describe('requests across a rotation', () => {
  it('are each answered once, under the keys that they were sealed to, and charged to the nano', async () => {
    const old = evidence();
    const running = [await seal(streamed('hang')), await seal(streamed('hang'))];
    const answers = await Promise.all(running.map(relay));
    clock.advance(23 * HOUR - 300);
    const before = await seal(streamed('words 3'));
    await later(300);
    const under = [before, await seal(streamed('words 3'), await replaced(old))];
    const opened = await Promise.all(under.map(async (sealed) => openAnswer(sealed, await relay(sealed))));
    for (const { hash } of running) guest.relay.stop(hash);
    // Opening an answer proves its receipt's key: it is the one that the request was sealed to.
    opened.push(...(await Promise.all(running.map((sealed, at) => openAnswer(sealed, answers[at] ?? never())))));
    expect(opened.map(({ receipt }) => receipt.receipt.status)).toEqual([
      RECEIPT_STATUS.complete,
      RECEIPT_STATUS.complete,
      RECEIPT_STATUS.stopped,
      RECEIPT_STATUS.stopped,
    ]);

    const { receipts } = guest.receiptsAfter(0);
    const charged = receipts.map(({ authorisation, receipt }) =>
      cost(receipt.receipt.usage, authorisation.prices, authorisation.maxAmount),
    );
    expect(new Set(receipts.map(({ receipt }) => receipt.receipt.authorisationHash))).toEqual(
      new Set([...running, ...under].map(({ hash }) => hash)),
    );
    expect(receipts).toHaveLength(4);
    // Two words of prompt and three of answer; one of prompt and two of answer before the stop.
    expect(charged.reduce((sum, nano) => sum + nano, 0n)).toBe(2n * (2n * 100n + 3n * 200n) + 2n * (100n + 2n * 200n));
  });

  it('run no second time: what ran under the old keys is known to them, and opens under no others', async () => {
    const old = evidence();
    const sealed = await seal(streamed('words 1'));
    await openAnswer(sealed, await relay(sealed));
    await later(60);
    clock.advance(23 * HOUR - 60 - 300);
    const recent = await seal(streamed('words 1'));
    await openAnswer(recent, await relay(recent));
    await later(300);
    const next = await replaced(old);
    expect(await refusal(relay(recent))).toBe('already_used');
    const nextKey = fromBigEndian(fromHex(guest.status().keys?.receipt ?? ''));
    const forged = { ...recent.request, authorisation: { ...recent.request.authorisation, receiptKey: nextKey } };
    expect(await refusal(relay({ ...recent, request: forged }))).toBe('authorisation_refused');
    expect(guest.receiptsAfter(0).receipts).toHaveLength(2);
    expect(evidence()).toBe(next);
  });

  it('find the old keys for ten minutes, to prove, to accept and to show; then they are gone', async () => {
    const old = evidence();
    await later(23 * HOUR);
    await replaced(old);
    await later(599);
    expect(await isProven(old)).toBe(true);
    expect(await isProven(evidence())).toBe(true);
    const last = await seal(streamed('words 1'), old);
    const tooLate = await seal(streamed('words 1'), old);
    expect((await openAnswer(last, await relay(last))).receipt.receipt.status).toBe(RECEIPT_STATUS.complete);
    await later(1);
    expect(guest.evidence(old)).toBeNull();
    expect(await refusal(guest.challenge(PROXY, '7'.repeat(64), old))).toBe('key_expired');
    expect(await refusal(relay(tooLate))).toBe('key_expired');
  });

  it('wait for nothing: the platform may take its time while the old keys serve', async () => {
    const old = evidence();
    let goOn = () => {};
    delay = new Promise((resolve) => {
      goOn = resolve;
    });
    await later(23 * HOUR);
    await until(() => quotes === 2);
    await later(1);
    expect(guest.status()).toMatchObject({ state: 'ready', keys: { evidence: old } });
    const sealed = await seal(streamed('words 1'));
    await openAnswer(sealed, await relay(sealed));
    goOn();
    await replaced(old);
  });
});

describe('a platform that fails when keys are due', () => {
  const rotated = 23 * HOUR;
  const lines = () => logged.map((line): unknown => JSON.parse(line));
  /** Resolves once the platform has failed so often. */
  const failed = (times: number) => until(() => logged.filter((line) => line.includes('keys cannot be')).length === times);

  it('leaves the old keys to serve, says so in the log, and is asked again after a minute', async () => {
    const old = evidence();
    fault = new PlatformError('quote_timeout', 'no quote within 60 s');
    await later(rotated);
    await failed(1);
    await later(59);
    await later(0);
    expect(quotes).toBe(2);
    expect(guest.status()).toMatchObject({ state: 'ready', reason: null, keys: { evidence: old } });
    const sealed = await seal(streamed('words 1'));
    await openAnswer(sealed, await relay(sealed));
    expect(lines()).toContainEqual(
      expect.objectContaining({
        level: 50,
        code: 'quote_timeout',
        servesUntil: NOW_SEC + 24 * HOUR,
        msg: 'keys cannot be replaced: the old ones serve to their end',
      }),
    );
    fault = null;
    await later(1);
    await replaced(old);
    expect(quotes).toBe(3);
  });

  it('serves nobody once the old keys have ended, says why, and serves again with the first quote', async () => {
    const old = evidence();
    fault = new PlatformError('quote_timeout', 'no quote within 60 s');
    await later(rotated);
    await failed(1);
    await later(HOUR - 1);
    await failed(2);
    expect(guest.status().state).toBe('ready');
    const sealed = await seal(streamed('words 1'));
    await later(1);
    expect(guest.status()).toMatchObject({ state: 'failed', reason: 'no evidence: no quote within 60 s', keys: null });
    expect(await refusal(relay(sealed))).toBe('not_ready');
    expect(await refusal(guest.challenge(PROXY, '7'.repeat(64), old))).toBe('not_ready');
    expect(guest.evidence(old)).toBeNull();
    expect(lines()).toContainEqual(expect.objectContaining({ msg: 'keys cannot be made: the guest serves nobody' }));
    fault = null;
    await later(1);
    expect(guest.status()).toMatchObject({ state: 'ready' });
    expect(await refusal(relay(sealed))).toBe('key_expired');
  });
});

describe('the life of keys', () => {
  it.each([
    [24 * HOUR, 23 * HOUR],
    [12 * HOUR, 11.5 * HOUR],
    [HOUR, HOUR - 1200],
  ])('of %d s has them replaced after %d s, and is in their claims', async (lifeSec, replacedAfterSec) => {
    await guest.stop();
    await start(lifeSec);
    const old = evidence();
    expect(guest.status().keys?.notAfter).toBe(NOW_SEC + lifeSec);
    await later(replacedAfterSec - 1);
    expect(quotes).toBe(1);
    await later(1);
    await replaced(old);
    expect(guest.status().keys?.notAfter).toBe(NOW_SEC + replacedAfterSec + lifeSec);
  });

  it('is a day unless the config says less, and never more than that or less than an hour', () => {
    const settings = {
      stateFolder: '.',
      network: 'network.json',
      socket: 'guest.sock',
      owner: OWNER,
      platform: { kind: 'tdx' },
      engine: { kind: 'url', url: 'http://127.0.0.1:1' },
    };
    const lifeOf = (keyLifeSec?: number) =>
      parseConfig(GuestConfigSchema, { ...settings, ...(keyLifeSec === undefined ? {} : { keyLifeSec }) }, 'test').keyLifeSec;
    expect([lifeOf(), lifeOf(3600), lifeOf(86_400)]).toEqual([86_400, 3600, 86_400]);
    for (const wrong of [0, 3599, 86_401, 5000.5]) expect(() => lifeOf(wrong)).toThrow('keyLifeSec');
  });
});

function never(): never {
  throw new Error('no answer');
}
