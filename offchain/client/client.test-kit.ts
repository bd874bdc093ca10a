import type { Server } from 'node:net';
import { Address } from '@ton/core';
import { type Authorisation, packAuthorisation, packOrder, RECEIPT_STATUS, statementHash, type Usage } from '../../wrappers/statements';
import { encodeClaims, type ModelIdentity, SEALING_SUITE } from '../attestation/claims';
import { encodeBundle, evidenceDigest, imageHashOf, reportDataOf } from '../attestation/evidence';
import { hex, makePki, NOW, type Pki, tdReport } from '../attestation/platform/forgery.test-kit';
import { writeQuote } from '../attestation/platform/quote-writer';
import type { EvidencePolicy } from '../attestation/policy';
import { loadTrustRoot, type TrustRoot } from '../attestation/trust-root';
import type { ListedImage, ListedModel } from '../attestation/verify-evidence';
import { type Coverage, checkVoucher, NO_COVERAGE } from '../billing/credit';
import { fromHex, toBigEndian, toHex, utf8 } from '../core/bytes';
import { FixedClock } from '../core/clock';
import type { Signer } from '../core/crypto';
import {
  type ChannelState,
  channelStanding,
  channelState,
  type Offer,
  offers,
  type ProxyInfo,
  proxyInfo,
  voucherCall,
  WORKER_HEADER,
} from '../protocol/calls';
import { CallError, readJson, writeJson } from '../protocol/json';
import type { SignedReceipt } from '../protocol/statements-json';
import { generateSigner, nodeCrypto } from '../runtime/node-crypto';
import { GuestOpener } from '../sealing/guest-exchange';
import { generateSealingKey } from '../sealing/keys';
import { type ClientRequest, decodeClientRequest, SEALED_MEDIA_TYPE, type SignedVoucher } from '../sealing/relay-body';
import type { Answer, Connection, IncomingCall } from '../transport/exchange';
import { noContent, okJson, routes } from '../transport/routes';
import { http2Server } from '../transport/server';
import { connectionOver } from '../transport/session';
import { createTlsIdentity, dialTls, listen, type TlsIdentity, tlsListener } from '../transport/tls';
import type { AnswerReport } from './answer';
import { Channel, type ChannelFacts } from './channel';
import { type BookChange, type BookHead, type BookStore, ChannelBook, type OrderRecord } from './channel-book';
import { type CocoonFetch, createCocoonFetch } from './cocoon-fetch';
import { GuestVerifier } from './guest-verifier';
import { ProxyApi } from './proxy-api';
import { Requests } from './requests';

// What the tests of this room share: a proxy and guests of real parts that do as they are told, good or bad, behind real TLS.

export { hex, NOW };

export const ROOT = `0:${hex(0x11)}`;
export const OWNER = `0:${hex(0x22)}`;
export const PROXY = `0:${hex(0x77)}`;
export const OPERATOR = `0:${hex(0x78)}`;
export const CHANNEL = Address.parseRaw(`0:${hex(0x79)}`);
export const MODEL: ModelIdentity = { name: 'cocoon-demo', kind: 'files', hash: hex(0x55) };
export const PRICES = { uncachedPrompt: 1_000_000n, cachedPrompt: 500_000n, answer: 4_000_000n, reasoning: 4_000_000n };
export const USAGE: Usage = { uncachedPrompt: 10, cachedPrompt: 0, answer: 20, reasoning: 0 };
/** What USAGE costs at PRICES. */
export const USAGE_COST = 90n;
const BLOCK = { seqno: 1000, rootHash: hex(0x66) };

export interface TestGuest {
  readonly opener: GuestOpener;
  readonly bundle: Uint8Array;
  readonly digest: string;
  readonly imageHash: string;
  readonly offer: Offer;
}

let pki: Pki | null = null;

/** One development root for all tests of a file. */
export function testPki(): Pki {
  pki ??= makePki();
  return pki;
}

export function testRoot(): Promise<TrustRoot> {
  return loadTrustRoot({ kind: 'development', der: testPki().root.der }, nodeCrypto);
}

/** A guest with keys of its own, and evidence under the development root. */
export async function makeGuest(model: ModelIdentity = MODEL, quoteOf = quoteUnder): Promise<TestGuest> {
  const sealing = await generateSealingKey();
  const receipt = generateSigner();
  const entries: Offer['keys']['sealing'] = [{ suite: SEALING_SUITE, publicKey: toHex(sealing.publicKey) }];
  const keys = { sealing: entries, receipt: toHex(receipt.publicKey), notAfter: NOW + 86_400 };
  const claims = encodeClaims({
    version: 1,
    role: 'worker',
    network: ROOT,
    owner: OWNER,
    keys,
    tls: null,
    model,
    engine: { name: 'llama.cpp', version: '1.2.3' },
    image: 'cocoon-guest 0.1.0',
    gpu: null,
    block: BLOCK,
    issuedAt: NOW - 60,
  });
  const td = tdReport(await reportDataOf(claims, nodeCrypto));
  const imageHash = await imageHashOf(td, nodeCrypto);
  const bundle = encodeBundle({ quote: quoteOf(td), claims });
  const digest = await evidenceDigest(bundle, nodeCrypto);
  const opener = new GuestOpener(nodeCrypto, {
    sealing,
    receipt,
    claims,
    evidenceDigest: fromHex(digest, 32),
    modelHash: fromHex(model.hash, 32),
    imageHash: fromHex(imageHash, 32),
  });
  const offer: Offer = {
    owner: OWNER,
    keys: { evidence: digest, ...keys },
    model: { ...model, contextLength: 4096, capabilities: ['chat'] },
    prices: PRICES,
    load: { running: 0, capacity: 4 },
    firstTokenMs: null,
    tokensPerSec: null,
    successRate: null,
    gpu: null,
  };
  return { opener, bundle, digest, imageHash, offer };
}

function quoteUnder(td: ReturnType<typeof tdReport>): Uint8Array {
  return writeQuote(td, testPki().platform);
}

interface KnownOrder {
  readonly authorisation: Authorisation;
  receipt: SignedReceipt | null;
  isOver: boolean;
}

/** The pieces of a sealed answer, in order: head, one for each event, final chunk with the receipt in clear. */
export type Pieces = readonly Uint8Array[];

/** A proxy with its guests in one: honest until a test sets one of its knobs. */
export class TestProxy {
  readonly calls: string[] = [];
  readonly relays: ClientRequest[] = [];
  readonly prompts: string[] = [];
  readonly orders = new Map<bigint, KnownOrder>();
  readonly stopped = new Set<string>();
  readonly guests: TestGuest[] = [];
  voucher: SignedVoucher | null = null;

  /** What it offers; the guests' own offers unless set. */
  offered: Offer[] | null = null;
  info: ProxyInfo = {
    contract: PROXY,
    root: ROOT,
    operator: OPERATOR,
    payerKey: hex(0x70),
    feeBasisPoints: 1000,
    withdrawDelaySec: 3600,
    creditWindow: 100_000_000n,
    limits: { maxBodySize: 8_000_000, maxValidSec: 600, maxOpen: 1024 },
    simulated: true,
    version: '0.1.0',
  };
  /** Changes a sealed answer on its way; an error cuts it there. */
  alter: (pieces: Pieces) => readonly (Uint8Array | Error)[] = (pieces) => pieces;
  /** Refuses a relay before the guest sees it. */
  refuse: (request: ClientRequest) => CallError | null = () => null;
  /** What the answer waits for before its last pieces, unless it is stopped. */
  hold: Promise<void> | null = null;
  /** What GET /v1/channels answers, from what it would honestly say. */
  show: (state: ChannelState) => ChannelState = (state) => state;
  answer: { readonly status: number; readonly events: readonly string[] } = { status: 200, events: ['Hello', ' from', ' inside'] };

  private wake: () => void = () => {};
  private readonly sockets = http2Server((call) => this.serve(call), { onError: (error) => this.defects.push(error) });
  readonly defects: unknown[] = [];

  private constructor(
    readonly identity: TlsIdentity,
    private readonly sessionKey: Uint8Array,
  ) {}

  private server: Server | null = null;
  port = 0;

  static async open(sessionKey: Uint8Array, guests: readonly TestGuest[]): Promise<TestProxy> {
    const proxy = new TestProxy(await createTlsIdentity('test proxy'), sessionKey);
    proxy.guests.push(...guests);
    proxy.server = tlsListener(proxy.identity, ['h2'], (socket) => proxy.sockets.serve(socket));
    proxy.port = await listen(proxy.server, { host: '127.0.0.1', port: 0 });
    return proxy;
  }

  connect(pin = this.identity.pin): Promise<Connection> {
    return dialTls(`https://127.0.0.1:${this.port}`, pin, 'h2').then(connectionOver);
  }

  /** Cuts every connection; it can be reached again at once. */
  cut(): void {
    this.sockets.close();
  }

  async close(): Promise<void> {
    this.sockets.close();
    await new Promise<void>((done) => {
      if (this.server === null) done();
      else this.server.close(() => done());
    });
  }

  countOf(path: string): number {
    return this.calls.filter((call) => call.startsWith(path)).length;
  }

  private readonly serve = (call: IncomingCall) => {
    this.calls.push(`${call.method} ${call.path}`);
    return this.route(call);
  };

  private readonly route = routes([
    { method: 'GET', path: '/v1/proxy', handle: async () => okJson(writeJson(proxyInfo, this.info)) },
    {
      method: 'GET',
      path: '/v1/offers',
      handle: async () => {
        const all = this.offered ?? this.guests.map((guest) => guest.offer);
        return okJson(writeJson(offers, { expiresAt: NOW + 1_000_000, offers: all }));
      },
    },
    { method: 'GET', path: '/v1/evidence/:digest', handle: async (_call, digest) => okJson(this.guest(digest).bundle) },
    { method: 'POST', path: '/v1/relay', handle: (call) => this.relay(call) },
    {
      method: 'POST',
      path: '/v1/stop/:hash',
      handle: async (_call, hash) => {
        this.stopped.add(hash);
        this.wake();
        return noContent();
      },
    },
    {
      method: 'POST',
      path: '/v1/vouchers',
      handle: async (call) => {
        this.accept(readJson(voucherCall, call.body).voucher);
        return okJson(writeJson(channelStanding, this.state().standing));
      },
    },
    { method: 'GET', path: '/v1/channels/:address', handle: async () => okJson(writeJson(channelState, this.show(this.state()))) },
  ]);

  /** The evidence named so, or any: a hostile proxy sends what it has. */
  private guest(digest: string): TestGuest {
    const guest = this.guests.find((candidate) => candidate.digest === digest) ?? this.guests[0];
    if (guest === undefined) throw new CallError('not_found', 'no guest');
    return guest;
  }

  private get coverage(): Coverage {
    const { voucher } = this;
    return voucher === null
      ? NO_COVERAGE
      : { total: voucher.voucher.total, upTo: voucher.voucher.upTo, open: new Set(voucher.openNumbers) };
  }

  private accept(voucher: SignedVoucher): void {
    const next = { total: voucher.voucher.total, upTo: voucher.voucher.upTo, open: new Set(voucher.openNumbers) };
    const receipts = new Map(
      [...this.orders].flatMap(([number, order]) => (order.receipt === null ? [] : [[number, USAGE_COST] as const])),
    );
    const inFlight = [...this.orders].filter(([, order]) => !order.isOver).map(([number]) => number);
    try {
      checkVoucher(this.coverage, next, receipts, inFlight);
    } catch {
      throw new CallError('voucher_refused', 'no');
    }
    this.voucher = voucher;
  }

  state(): ChannelState {
    const { coverage, voucher } = this;
    const receipts = [...this.orders].flatMap(([number, { authorisation, receipt }]) => {
      const isCovered = number <= coverage.upTo && !coverage.open.has(number);
      return receipt === null || isCovered ? [] : [{ number, authorisation, receipt }];
    });
    return {
      standing: { channel: CHANNEL.toRawString(), voucherTotal: coverage.total, upTo: coverage.upTo, outstanding: 0n, reserved: 0n },
      voucher,
      receipts,
      inFlight: [...this.orders].filter(([, order]) => !order.isOver).map(([number]) => number),
    };
  }

  private async relay(call: IncomingCall): Promise<Answer> {
    const { request } = decodeClientRequest(call.body);
    this.relays.push(request);
    const refusal = this.refuse(request);
    if (refusal !== null) throw refusal;
    const { authorisation } = request.guest;
    const hash = statementHash(packAuthorisation(authorisation));
    const isSigned = nodeCrypto.verifyEd25519(this.sessionKey, toBigEndian(hash, 32), request.signature);
    if (!(await isSigned) || authorisation.orderHash !== statementHash(packOrder(request.order))) {
      throw new CallError('authorisation_refused', 'no');
    }
    if (this.orders.has(request.order.number)) throw new CallError('already_used', 'no');
    if (request.voucher !== null) this.accept(request.voucher);
    const order: KnownOrder = { authorisation, receipt: null, isOver: false };
    this.orders.set(request.order.number, order);
    const guest = this.guest(call.headers[WORKER_HEADER] ?? '');
    return { status: 200, headers: { 'content-type': SEALED_MEDIA_TYPE }, body: this.run(guest, request, order, hash) };
  }

  private async *run(guest: TestGuest, request: ClientRequest, order: KnownOrder, hash: bigint): AsyncGenerator<Uint8Array> {
    const exchange = await guest.opener.open(request.guest, hash);
    const prompt: unknown = JSON.parse(new TextDecoder().decode(exchange.body));
    this.prompts.push(JSON.stringify(prompt));
    const isStream = JSON.stringify(prompt).includes('"stream":true');
    const { status, events } = this.answer;
    const head = { status, headers: { 'content-type': isStream ? 'text/event-stream' : 'application/json' } };
    const bodies = isStream ? streamEvents(events) : [wholeAnswer(events)];
    const pieces: Uint8Array[] = [await exchange.start(head), await exchange.data(bodies[0] ?? new Uint8Array(0))];
    const { hold } = this;
    if (hold !== null) {
      yield* pieces.splice(0);
      const stopped = new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      if (this.stopped.size === 0) await Promise.race([hold, stopped]);
    }
    for (const body of bodies.slice(1)) pieces.push(await exchange.data(body));
    const { bytes, receipt, signature } = await exchange.finish(USAGE, RECEIPT_STATUS.complete, NOW);
    order.receipt = { receipt, signature };
    order.isOver = true;
    for (const piece of this.alter([...pieces, bytes])) {
      if (piece instanceof Error) throw piece;
      yield piece;
    }
  }
}

function streamEvents(events: readonly string[]): Uint8Array[] {
  const chunk = (content: string) =>
    JSON.stringify({ id: 'x', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content } }] });
  return [...events.map((content) => utf8(`data: ${chunk(content)}\n\n`)), utf8('data: [DONE]\n\n')];
}

function wholeAnswer(events: readonly string[]): Uint8Array {
  return utf8(
    JSON.stringify({
      id: 'x',
      object: 'chat.completion',
      choices: [{ index: 0, message: { role: 'assistant', content: events.join('') }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 10, completion_tokens: 20, total_tokens: 30 },
    }),
  );
}

/** A book's store in memory. `crashAt` throws before or after the change with that number, as a kill would. */
export class MemoryStore implements BookStore {
  head: BookHead | null = null;
  readonly orders = new Map<bigint, OrderRecord>();
  saves = 0;
  crash: { readonly at: number; readonly isSaved: boolean } | null = null;

  load(): { readonly head: BookHead | null; readonly orders: readonly OrderRecord[] } {
    return { head: this.head, orders: [...this.orders.values()] };
  }

  async save({ head, put = [], remove = [] }: BookChange): Promise<void> {
    const isCrash = this.crash?.at === ++this.saves;
    if (this.crash !== null && (this.saves > this.crash.at || (isCrash && !this.crash.isSaved))) throw new Error('killed');
    if (head !== undefined) this.head = head;
    for (const order of put) this.orders.set(order.number, order);
    for (const number of remove) this.orders.delete(number);
    if (isCrash) throw new Error('killed');
  }

  /** What another process finds on disk. */
  copy(): MemoryStore {
    const copy = new MemoryStore();
    copy.head = this.head;
    for (const [number, order] of this.orders) copy.orders.set(number, order);
    return copy;
  }
}

/** A client of the real parts, in front of a chain that says what the test wants. */
export interface TestClient {
  readonly fetch: CocoonFetch;
  readonly requests: Requests;
  readonly channel: Channel;
  readonly book: ChannelBook;
  readonly proxy: ProxyApi;
  readonly clock: FixedClock;
  readonly reports: AnswerReport[];
  readonly defects: unknown[];
  readonly images: Map<string, ListedImage>;
  readonly models: Map<string, ListedModel>;
  facts: ChannelFacts | null;
  close(): Promise<void>;
}

export interface TestClientOptions {
  readonly session: Signer;
  readonly store?: BookStore;
  readonly pin?: string;
  readonly policy?: Partial<EvidencePolicy>;
  readonly block?: { readonly rootHash: string; readonly atSec: number } | null;
  readonly maxAmountNano?: bigint;
}

export async function openTestClient(peer: TestProxy, options: TestClientOptions): Promise<TestClient> {
  const { session, store = new MemoryStore() } = options;
  const clock = new FixedClock(NOW);
  const images = new Map<string, ListedImage>(
    peer.guests.map(({ imageHash }) => [imageHash, { roles: ['worker'], activeFromSec: NOW - 100 }]),
  );
  const models = new Map<string, ListedModel>(
    peer.guests.map(({ offer }) => [offer.model.hash, { kind: offer.model.kind, activeFromSec: NOW - 100 }]),
  );
  const reports: AnswerReport[] = [];
  const defects: unknown[] = [];
  const proxy = new ProxyApi({
    connect: async () => ({
      connection: await peer.connect(options.pin),
      expected: { contract: PROXY, root: ROOT, operator: OPERATOR },
    }),
  });
  const book = new ChannelBook(store, CHANNEL, session);
  const state: { facts: ChannelFacts | null } = {
    facts: {
      sessionKey: BigInt(`0x${toHex(session.publicKey)}`),
      deposit: 1_000_000_000n,
      announcedWithdrawal: 0n,
      charged: 0n,
      paid: 0n,
    },
  };
  const channel = new Channel({
    address: CHANNEL,
    book,
    signer: session,
    proxy,
    funds: { facts: () => state.facts, refresh: async () => state.facts, topUp: async () => false, howToPay: 'send TON' },
    crypto: nodeCrypto,
    clock,
    longestRunSec: 900,
    // Tests send vouchers themselves.
    voucherPauseMs: 3_600_000,
    onTrouble: (error) => defects.push(error),
  });
  const block = options.block === undefined ? { rootHash: BLOCK.rootHash, atSec: NOW - 600 } : options.block;
  const verifier = new GuestVerifier({
    crypto: nodeCrypto,
    clock,
    policy: {
      trustRoots: [await testRoot()],
      minImageAgeSec: 0,
      minModelAgeSec: 0,
      maxBlockAgeSec: 25 * 3600,
      allowUnproven: false,
      ...options.policy,
    },
    network: ROOT,
    allowlist: { image: (hash) => images.get(hash) ?? null, model: (hash) => models.get(hash) ?? null },
    blocks: (seqno) => (seqno === BLOCK.seqno ? block : null),
    fetchBundle: (digest) => proxy.evidence(digest),
  });
  const requests = new Requests({
    proxy,
    verifier,
    channel,
    crypto: nodeCrypto,
    clock,
    maxAmountNano: options.maxAmountNano ?? 50_000_000n,
    stopWaitMs: 10_000,
    onAnswer: (report) => reports.push(report),
  });
  const fetch = createCocoonFetch({ requests, onDefect: (error) => defects.push(error) });
  return {
    fetch,
    requests,
    channel,
    book,
    proxy,
    clock,
    reports,
    defects,
    images,
    models,
    get facts() {
      return state.facts;
    },
    set facts(facts) {
      state.facts = facts;
    },
    close: async () => {
      await requests.close();
      await channel.close();
      proxy.close();
    },
  };
}

/** A chat request as the openai package would send it. */
export function chat(content: string, more: Readonly<Record<string, unknown>> = {}): RequestInit {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: MODEL.name, messages: [{ role: 'user', content }], max_tokens: 100, ...more }),
  };
}

export const CHAT_URL = 'http://cocoon/v1/chat/completions';

/** Resolves when `isSo` holds; looks again each time that the event loop has turned. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}
