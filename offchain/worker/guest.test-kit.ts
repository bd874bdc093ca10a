import { mkdtempSync, rmSync } from 'node:fs';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packAuthorisation, packChallenge, RECEIPT_STATUS, statementHash } from '../../wrappers/statements';
import { hex, NOW, type TestGuest, USAGE } from '../client/guest.test-kit';
import { toBigEndian, utf8 } from '../core/bytes';
import { challengeAnswer, challengeCall, type GuestStatus, guestReceipts, guestStatus } from '../protocol/calls';
import { CallError, readJson, writeJson } from '../protocol/json';
import type { SignedReceipt } from '../protocol/statements-json';
import { decodeGuestRequest, SEALED_MEDIA_TYPE } from '../sealing/relay-body';
import type { Answer, Handler, IncomingCall } from '../transport/exchange';
import { errorAnswer, noContent, okJson, routes } from '../transport/routes';
import { http2Server } from '../transport/server';
import { listen, localListener } from '../transport/tls';

// A guest on a real Unix socket, which does as a test says; and a way to serve a handler on another.

/** Serves a handler on a Unix socket of its own. */
export class LocalServer {
  private readonly folder = mkdtempSync(join(tmpdir(), 'cocoon-local-'));
  readonly path = join(this.folder, 's');
  readonly defects: unknown[] = [];
  connections = 0;
  private readonly server: ReturnType<typeof http2Server>;
  private listener: Server | null = null;

  constructor(handler: Handler) {
    this.server = http2Server(handler, { onError: (error) => this.defects.push(error) });
  }

  async open(): Promise<this> {
    this.listener = localListener((socket) => {
      this.connections++;
      this.server.serve(socket);
    });
    await listen(this.listener, { path: this.path });
    return this;
  }

  /** Cuts every connection. */
  cut(): void {
    this.server.close();
  }

  async close(): Promise<void> {
    this.cut();
    const { listener } = this;
    this.listener = null;
    if (listener !== null) await new Promise<void>((resolve) => listener.close(() => resolve()));
  }

  async remove(): Promise<void> {
    await this.close();
    rmSync(this.folder, { recursive: true });
  }
}

export class TestGuestServer {
  readonly calls: string[] = [];
  boot = hex(0xb0);
  /** What it has signed and not been told that it was taken. */
  readonly receipts: {
    readonly sequence: number;
    readonly authorisation: ReturnType<typeof decodeGuestRequest>['authorisation'];
    readonly receipt: SignedReceipt;
  }[] = [];
  /** Runs before each call is served: what it throws is the answer. */
  before: (call: IncomingCall) => void = () => {};
  /** Changes the sealed answer on its way; an error cuts it there. */
  alter: (pieces: readonly Uint8Array[]) => readonly (Uint8Array | Error)[] = (pieces) => pieces;
  readonly socket: LocalServer;
  private sequence = 0;

  constructor(readonly guest: TestGuest) {
    this.socket = new LocalServer((call) => this.serve(call));
  }

  get status(): GuestStatus {
    const { keys, model } = this.guest.offer;
    return {
      boot: this.boot,
      state: 'ready',
      reason: null,
      progress: 1,
      simulated: true,
      image: 'cocoon-guest 0.1.0',
      engine: { name: 'llama.cpp', version: '1.2.3' },
      model,
      keys,
      running: 0,
    };
  }

  /** Forgets everything, as a guest that has been started again. */
  restart(): void {
    this.boot = hex(0xb1);
    this.receipts.length = 0;
    this.sequence = 0;
  }

  private async serve(call: IncomingCall): Promise<Answer> {
    this.calls.push(`${call.method} ${call.path}`);
    try {
      this.before(call);
    } catch (error) {
      return errorAnswer(error);
    }
    return this.route(call);
  }

  private readonly route = routes([
    { method: 'GET', path: '/v1/guest', handle: async () => okJson(writeJson(guestStatus, this.status)) },
    { method: 'POST', path: '/v1/block', handle: async () => noContent() },
    { method: 'GET', path: '/v1/evidence/:digest', handle: async () => okJson(this.guest.bundle) },
    { method: 'GET', path: '/v1/gpu-evidence/:digest', handle: async () => okJson(utf8('gpus')) },
    {
      method: 'POST',
      path: '/v1/challenge',
      handle: async (call) => {
        const { proxy, nonce } = readJson(challengeCall, call.body);
        const challenge = { proxy, nonce: BigInt(`0x${nonce}`), at: NOW };
        const signature = await this.guest.receipt.sign(toBigEndian(statementHash(packChallenge(challenge)), 32));
        return okJson(writeJson(challengeAnswer, { challenge, signature }));
      },
    },
    { method: 'POST', path: '/v1/stop/:hash', handle: async () => noContent() },
    {
      method: 'GET',
      path: '/v1/receipts',
      handle: async (_call, _none, query) => {
        const after = Number(query.get('after') ?? '0');
        const kept = this.receipts.filter(({ sequence }) => sequence > after);
        return okJson(writeJson(guestReceipts, { boot: this.boot, receipts: kept }));
      },
    },
    { method: 'POST', path: '/v1/relay', handle: (call) => this.relay(call) },
  ]);

  private async relay(call: IncomingCall): Promise<Answer> {
    const request = decodeGuestRequest(call.body);
    const hash = statementHash(packAuthorisation(request.authorisation));
    const exchange = await this.guest.opener.open(request, hash).catch(() => {
      throw new CallError('authorisation_refused', 'no');
    });
    const head = await exchange.start({ status: 200, headers: {} });
    const { bytes, receipt, signature } = await exchange.finish(USAGE, RECEIPT_STATUS.complete, NOW);
    this.receipts.push({ sequence: ++this.sequence, authorisation: request.authorisation, receipt: { receipt, signature } });
    const pieces = this.alter([head, bytes]);
    const body = async function* () {
      for (const piece of pieces) {
        if (piece instanceof Error) throw piece;
        yield piece;
      }
    };
    return { status: 200, headers: { 'content-type': SEALED_MEDIA_TYPE }, body: body() };
  }
}
