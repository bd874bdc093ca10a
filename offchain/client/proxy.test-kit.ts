import type { Server } from 'node:net';
import { type Authorisation, type Order, packAuthorisation, packOrder, RECEIPT_STATUS, statementHash } from '../../wrappers/statements';
import { type Coverage, checkVoucher, NO_COVERAGE } from '../billing/credit';
import { toBigEndian, utf8 } from '../core/bytes';
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
import { nodeCrypto } from '../runtime/node-crypto';
import { type ClientRequest, decodeClientRequest, SEALED_MEDIA_TYPE, type SignedVoucher } from '../sealing/relay-body';
import type { Answer, Connection, IncomingCall } from '../transport/exchange';
import { noContent, okJson, routes } from '../transport/routes';
import { http2Server } from '../transport/server';
import { connectionOver } from '../transport/session';
import { createTlsIdentity, dialTls, listen, type TlsIdentity, tlsListener } from '../transport/tls';
import { CHANNEL, hex, NOW, OPERATOR, PROXY, ROOT, type TestGuest, USAGE, USAGE_COST } from './guest.test-kit';

// A proxy that does as the tests tell it, good or bad, behind real TLS.

interface KnownOrder {
  readonly order: Order;
  readonly authorisation: Authorisation;
  /** The client's. */
  readonly signature: Uint8Array;
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
    {
      method: 'GET',
      path: '/v1/gpu-evidence/:digest',
      handle: async (_call, digest) => okJson(this.guest(digest).gpuEvidence ?? new Uint8Array(0)),
    },
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
    const receipts = [...this.orders].flatMap(([number, { order, authorisation, signature, receipt }]) => {
      const isCovered = number <= coverage.upTo && !coverage.open.has(number);
      return receipt === null || isCovered ? [] : [{ order, authorisation, authorisationSignature: signature, receipt }];
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
    const order: KnownOrder = { order: request.order, authorisation, signature: request.signature, receipt: null, isOver: false };
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
