import { Address } from '@ton/core';
import { type Challenge, packAuthorisation, packChallenge, RECEIPT_STATUS, statementHash } from '../../wrappers/statements';
import { NOW, PRICES, type TestGuest, USAGE } from '../client/guest.test-kit';
import { fromBigEndian, toBigEndian } from '../core/bytes';
import type { Signer } from '../core/crypto';
import {
  challengeAnswer,
  challengeCall,
  type WorkerInfo,
  workerInfo,
  workerReceipts,
  workerVoucherAnswer,
  workerVoucherCall,
} from '../protocol/calls';
import { CallError, readJson, writeJson } from '../protocol/json';
import type { SignedChallenge, SignedReceipt, SignedWorkerVoucher } from '../protocol/statements-json';
import { decodeGuestRequest, SEALED_MEDIA_TYPE } from '../sealing/relay-body';
import type { Answer, IncomingCall } from '../transport/exchange';
import { errorAnswer, noContent, okJson, routes } from '../transport/routes';
import { http2Server } from '../transport/server';
import { dialTls, WORKER_PROTOCOL } from '../transport/tls';

// A worker with its guest in one, behind a connection that it dials: honest until a test sets one of its knobs.

/** The worker's own prices; the proxy's fee comes on top. */
export const WORKER_PRICES = PRICES;
/** What USAGE earns at them. */
export const EARNED = 90n;

export class TestWorker {
  readonly calls: string[] = [];
  readonly defects: unknown[] = [];
  info: WorkerInfo;
  /** Changes the challenge that the guest signs. */
  challengeOf: (honest: Challenge) => Challenge = (honest) => honest;
  /** Changes the signed challenge on its way. */
  alterChallenge: (signed: SignedChallenge) => SignedChallenge = (signed) => signed;
  newest: SignedWorkerVoucher | null = null;
  /** Receipts that it shows, by sequence. */
  readonly receipts = new Map<bigint, SignedReceipt>();
  /** Every receipt that its guest has signed. */
  readonly signed: SignedReceipt[] = [];
  /** Runs before each call is served: what it throws is the answer, what it never resolves has none. */
  before: (call: IncomingCall) => Promise<void> = async () => {};
  /** Changes the sealed answer on its way; an error cuts it there. */
  alter: (pieces: readonly Uint8Array[]) => readonly (Uint8Array | Error)[] = (pieces) => pieces;
  /** What the answer waits for behind its first piece, unless it is stopped. */
  hold: Promise<void> | null = null;
  /** Answers receipts calls in its own way. */
  show: (after: bigint) => { readonly sequence: bigint; readonly receipt: SignedReceipt }[] = (after) =>
    [...this.receipts].filter(([sequence]) => sequence > after).map(([sequence, receipt]) => ({ sequence, receipt }));
  private wake: () => void = () => {};
  private readonly server = http2Server((call) => this.serve(call), { onError: (error) => this.defects.push(error) });

  /** Every key set that its guest accepts. */
  private readonly keySets: TestGuest[];

  constructor(
    readonly guest: TestGuest,
    /** Signs the challenge in place of the key that is asked for. */
    private readonly challenger: Signer | null = null,
  ) {
    const { owner, keys, model } = guest.offer;
    this.keySets = [guest];
    this.info = {
      owner,
      prices: WORKER_PRICES,
      capacity: 4,
      guest: { model, keys, engine: { name: 'llama.cpp', version: '1.2.3' }, image: 'cocoon-guest 0.1.0' },
      version: '0.1.0',
    };
  }

  /** Replaces its keys: it names the new ones, and accepts under the old ones, too. */
  rotate(guest: TestGuest): void {
    this.keySets.push(guest);
    if (this.info.guest !== null) this.info = { ...this.info, guest: { ...this.info.guest, keys: guest.offer.keys } };
  }

  /** Accepts under these keys no more. */
  forget(guest: TestGuest): void {
    this.keySets.splice(this.keySets.indexOf(guest), 1);
  }

  get owner(): Address {
    return Address.parseRaw(this.info.owner);
  }

  async dial(port: number, pin: string): Promise<void> {
    this.server.serve(await dialTls(`https://127.0.0.1:${port}`, pin, WORKER_PROTOCOL));
  }

  /** Cuts its connection. */
  cut(): void {
    this.server.close();
  }

  countOf(path: string): number {
    return this.calls.filter((call) => call.startsWith(path)).length;
  }

  private readonly serve = async (call: IncomingCall) => {
    this.calls.push(`${call.method} ${call.path}`);
    try {
      await this.before(call);
    } catch (error) {
      return errorAnswer(error);
    }
    return this.route(call);
  };

  private readonly route = routes([
    { method: 'GET', path: '/v1/worker', handle: async () => okJson(writeJson(workerInfo, this.info)) },
    { method: 'GET', path: '/v1/evidence/:digest', handle: async (_call, digest) => okJson(this.keySet(digest).bundle) },
    {
      method: 'GET',
      path: '/v1/gpu-evidence/:digest',
      handle: async () => {
        if (this.guest.gpuEvidence === null) throw new CallError('not_found', 'no GPU');
        return okJson(this.guest.gpuEvidence);
      },
    },
    {
      method: 'POST',
      path: '/v1/challenge',
      handle: async (call) => {
        const { proxy, nonce, evidence } = readJson(challengeCall, call.body);
        const challenge = this.challengeOf({ proxy, nonce: BigInt(`0x${nonce}`), at: NOW });
        const signer = this.challenger ?? this.keySet(evidence).receipt;
        const signature = await signer.sign(toBigEndian(statementHash(packChallenge(challenge)), 32));
        return okJson(writeJson(challengeAnswer, this.alterChallenge({ challenge, signature })));
      },
    },
    { method: 'POST', path: '/v1/relay', handle: (call) => this.relay(call) },
    {
      method: 'POST',
      path: '/v1/stop/:hash',
      handle: async () => {
        this.wake();
        return noContent();
      },
    },
    {
      method: 'GET',
      path: '/v1/receipts',
      handle: async (_call, _none, query) => okJson(writeJson(workerReceipts, { receipts: this.show(BigInt(query.get('after') ?? '0')) })),
    },
    {
      method: 'POST',
      path: '/v1/vouchers',
      handle: async (call) => {
        const shown = readJson(workerVoucherCall, call.body);
        if (this.newest === null || shown.voucher.total > this.newest.voucher.total) this.newest = shown;
        return okJson(writeJson(workerVoucherAnswer, { newest: this.newest }));
      },
    },
  ]);

  private keySet(digest: string): TestGuest {
    return this.keySets.find((guest) => guest.digest === digest) ?? this.guest;
  }

  private async relay(call: IncomingCall): Promise<Answer> {
    const request = decodeGuestRequest(call.body);
    const hash = statementHash(packAuthorisation(request.authorisation));
    const keys = this.keySets.find(({ receipt }) => fromBigEndian(receipt.publicKey) === request.authorisation.receiptKey);
    if (keys === undefined) throw new CallError('key_expired', 'no', {}, true);
    const exchange = await keys.opener.open(request, hash).catch(() => {
      throw new CallError('authorisation_refused', 'no');
    });
    return { status: 200, headers: { 'content-type': SEALED_MEDIA_TYPE }, body: this.run(exchange) };
  }

  private async *run(exchange: Awaited<ReturnType<TestGuest['opener']['open']>>): AsyncGenerator<Uint8Array> {
    const head = await exchange.start({ status: 200, headers: { 'content-type': 'application/json' } });
    const data = await exchange.data(new TextEncoder().encode('{}'));
    let rest: Uint8Array[] = [head, data];
    if (this.hold !== null) {
      yield* rest;
      rest = [];
      const stopped = new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      await Promise.race([this.hold, stopped]);
    }
    const { bytes, receipt, signature } = await exchange.finish(USAGE, RECEIPT_STATUS.complete, NOW);
    this.signed.push({ receipt, signature });
    for (const piece of this.alter([...rest, bytes])) {
      if (piece instanceof Error) throw piece;
      yield piece;
    }
  }
}
