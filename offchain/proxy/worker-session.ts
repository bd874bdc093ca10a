/** One worker that has connected: what it says, what its evidence proves, and how it has done. */
import { Address } from '@ton/core';
import { type Prices, packReceipt, statementHash } from '../../wrappers/statements';
import { MAX_BUNDLE_SIZE } from '../attestation/evidence';
import { MAX_GPU_DOCUMENT_SIZE } from '../attestation/gpu/gpu-document';
import { BillingError } from '../billing/credit';
import { offerPrices } from '../billing/prices';
import { WorkerContract } from '../chain/contracts';
import { toBigEndian } from '../core/bytes';
import type { CryptoProvider } from '../core/crypto';
import { codeOf, PeerError } from '../core/errors';
import { LedgerError } from '../ledger/ledger';
import { type Offer, type WorkerInfo, workerInfo, workerReceipts, workerVoucherAnswer, workerVoucherCall } from '../protocol/calls';
import { bytesValue } from '../protocol/fields';
import { readJson, writeJson } from '../protocol/json';
import type { SignedReceipt } from '../protocol/statements-json';
import { type Answer, type Call, type Connection, readAll } from '../transport/exchange';
import { MAX_VALID_SEC, type ProxyConfig } from './config';
import { OfferedPrices } from './offered-prices';
import type { RequestBook } from './requests';
import type { WorkerDebts } from './worker-debts';
import { type RefusedEvidence, type VerifiedGuest, WorkerGuests, type WorkerGuestsParts } from './worker-guests';
import { WorkerStats } from './worker-stats';

export interface WorkerSessionParts extends WorkerGuestsParts {
  readonly config: ProxyConfig;
  readonly payerKey: Uint8Array;
  readonly debts: WorkerDebts;
  readonly requests: RequestBook;
  /** How long a worker may take to answer a call, or to begin the answer to a request. */
  readonly callTimeoutMs: number;
}

/** A request that is on its way through a worker. `done` must be called when its answer has ended, however it did. */
export interface SentRequest {
  readonly answer: Answer;
  done(): void;
}

const MAX_JSON = 1024 * 1024;
const MAX_RECEIPTS = 2 * MAX_JSON;
/** Pages of receipts in one round: more wait for the next. */
const MAX_RECEIPT_PAGES = 10;
/** Requests that any worker may run at once: streams of one connection. */
const MAX_CAPACITY = 1024;

export class WorkerSession {
  private workerInfo: WorkerInfo | null = null;
  private ownContract: WorkerContract | null = null;
  private readonly guests: WorkerGuests;
  private readonly offered: OfferedPrices;
  readonly stats = new WorkerStats();
  private running = 0;
  /** Total of the last voucher that the worker took; null before the first, and until then it gets no work. */
  private delivered: bigint | null = null;
  private receiptsAfter = 0n;

  constructor(
    readonly connection: Connection,
    private readonly parts: WorkerSessionParts,
  ) {
    this.offered = new OfferedPrices(parts.clock);
    this.guests = new WorkerGuests(parts, {
      evidence: (digest) => this.get(`/v1/evidence/${digest}`, MAX_BUNDLE_SIZE),
      gpuEvidence: (digest) => this.get(`/v1/gpu-evidence/${digest}`, MAX_GPU_DOCUMENT_SIZE),
      challenge: (call) => this.post('/v1/challenge', call),
    });
  }

  get info(): WorkerInfo | null {
    return this.workerInfo;
  }

  /** Where the proxy's money for this worker is. */
  get contract(): WorkerContract | null {
    return this.ownContract;
  }

  /** Who is paid for this worker. */
  get contractOwner(): Address | null {
    return this.workerInfo === null ? null : Address.parseRaw(this.workerInfo.owner);
  }

  /** Whether any evidence of this worker was verified and still holds. */
  get isVerified(): boolean {
    return this.delivered !== null && this.guests.isAny;
  }

  /** What was refused last, until evidence of this worker is verified. */
  get refused(): RefusedEvidence | null {
    return this.guests.refused;
  }

  /** The verified guest with this evidence; null when there is none, its verdict no longer holds, or accounts are not yet agreed. */
  guest(digest: string): VerifiedGuest | null {
    return this.delivered === null ? null : this.guests.find(digest);
  }

  /**
   * Asks the worker what it has, verifies what is new, exchanges receipts and vouchers. One round at a time.
   * @throws PeerError, MalformedError, TransportError: drop it; LedgerError
   */
  async refresh(): Promise<void> {
    this.take(readJson(workerInfo, await this.get('/v1/worker', MAX_JSON)));
    this.refuseWithheld();
    await this.guests.review(this.workerInfo?.owner ?? '', this.workerInfo?.guest ?? null);
    await this.collectReceipts();
    this.refuseWithheld();
    await this.sendVoucher();
    this.noteOffer();
  }

  /** The offer of the present guest, null when there is none to make. */
  offer(): Offer | null {
    const info = this.workerInfo;
    const guest = this.delivered === null || info === null || info.guest === null ? null : this.guests.offered(info.guest.keys.evidence);
    if (info === null || guest === null || info.capacity === 0 || !this.connection.isOpen) return null;
    return {
      owner: info.owner,
      keys: guest.info.keys,
      model: guest.info.model,
      prices: this.noteOffer(),
      load: { running: this.running, capacity: Math.min(info.capacity, MAX_CAPACITY) },
      ...this.stats.shown(),
      gpu: null,
    };
  }

  /** What the worker asked when these prices were offered; null when they come from no offer, or from one that has ended. */
  workerPricesFor(prices: Prices): Prices | null {
    return this.offered.find(prices);
  }

  get isFull(): boolean {
    return this.running >= (this.workerInfo?.capacity ?? 0);
  }

  /** Sends a sealed request on. @throws TransportError when it may have arrived and no answer began */
  async relay(guestBytes: Uint8Array): Promise<SentRequest> {
    const { callTimeoutMs, config } = this.parts;
    const late = new AbortController();
    let timer = setTimeout(() => late.abort(), callTimeoutMs);
    this.running++;
    let isDone = false;
    const done = () => {
      if (!isDone) this.running--;
      isDone = true;
      clearTimeout(timer);
    };
    try {
      const answer = await this.connection.call({ method: 'POST', path: '/v1/relay', body: guestBytes }, { signal: late.signal });
      clearTimeout(timer);
      // Nothing runs for longer: by then the request is given up.
      timer = setTimeout(() => late.abort(), (MAX_VALID_SEC + config.longestRunSec) * 1000);
      timer.unref();
      return { answer, done };
    } catch (error) {
      done();
      throw error;
    }
  }

  /** Asks the guest to end an answer; it ends with its receipt. @throws TransportError */
  async stop(authorisationHash: string): Promise<void> {
    await this.call({ method: 'POST', path: `/v1/stop/${authorisationHash}` }, MAX_JSON);
  }

  /** The verified bundle's bytes, for clients; null when there is none of this digest. */
  evidence(digest: string): Uint8Array | null {
    return this.guest(digest)?.bundle ?? null;
  }

  /** The verified GPU evidence beside that bundle; null where there is none. */
  gpuEvidence(digest: string): Uint8Array | null {
    return this.guest(digest)?.gpuEvidence ?? null;
  }

  /**
   * Counts a receipt if it is one of a request that went through here.
   * @param isDelivered whether its whole answer came with it
   * @throws PeerError bad_receipt when it is not signed by the key that its authorisation names
   */
  async count(signed: SignedReceipt, isDelivered: boolean): Promise<void> {
    const { clock, crypto, requests } = this.parts;
    const record = requests.byHash(signed.receipt.authorisationHash);
    if (record === undefined || (record.receipt !== null && (record.isDelivered || !isDelivered))) return;
    if (!(await verifyReceipt(crypto, toBigEndian(record.authorisation.receiptKey, 32), signed))) {
      throw new PeerError('bad_receipt', 'a receipt with a bad signature');
    }
    await requests.complete(signed, isDelivered, clock.nowSec());
  }

  /** Gives the worker a voucher for all that is owed, if it has not got one. */
  async sendVoucher(): Promise<void> {
    const contract = this.ownContract;
    if (contract === null) return;
    const { debts, requests, log } = this.parts;
    // Sent once for each amount owed; a new connection begins with one, also for nothing, so that each side learns the highest.
    if (debts.get(contract.address.toRawString()).total === this.delivered) return;
    const voucher = await debts.voucher(contract.address.toRawString());
    try {
      const answer = readJson(workerVoucherAnswer, await this.post('/v1/vouchers', writeJson(workerVoucherCall, voucher)));
      if (answer.newest?.voucher.workerContract.equals(contract.address)) await requests.adoptWorkerVoucher(answer.newest);
      this.delivered = voucher.voucher.total;
    } catch (error) {
      if (error instanceof LedgerError) throw error;
      log.warn({ contract: contract.address.toRawString(), code: codeOf(error) }, 'voucher not delivered');
    }
  }

  /** @throws PeerError owner_changed; BillingError price_out_of_range */
  private take(info: WorkerInfo): void {
    const { parts } = this;
    if (this.workerInfo !== null && this.workerInfo.owner !== info.owner)
      throw new PeerError('owner_changed', 'the worker names another owner');
    try {
      offerPrices(info.prices, BigInt(parts.config.feeBasisPoints));
    } catch (cause) {
      if (!(cause instanceof BillingError)) throw cause;
      throw new PeerError('bad_prices', "the worker's prices are out of range", {}, { cause });
    }
    this.workerInfo = info;
    this.ownContract ??= WorkerContract.create({
      owner: Address.parseRaw(info.owner),
      proxy: parts.proxy,
      payerKey: bytesValue(parts.payerKey),
      withdrawDelay: parts.config.withdrawDelaySec,
    });
  }

  /** Prices count from here on: an authorisation made from this offer may arrive a little after the offer has ended. */
  private noteOffer(): Prices {
    const { config, clock } = this.parts;
    const asked = this.workerInfo?.prices ?? { uncachedPrompt: 0n, cachedPrompt: 0n, answer: 0n, reasoning: 0n };
    const prices = offerPrices(asked, BigInt(config.feeBasisPoints));
    this.offered.note(prices, asked, clock.nowSec() + 2 * config.offerSec);
    return prices;
  }

  /** @throws PeerError answers_withheld */
  private refuseWithheld(): void {
    const { clock, config, requests } = this.parts;
    const contract = this.ownContract?.address.toRawString();
    if (contract !== undefined && requests.undelivered(contract, clock.nowSec()) > config.maxUndeliveredNano) {
      throw new PeerError('answers_withheld', 'the worker shows receipts for answers that did not arrive');
    }
  }

  /** Receipts of answers that broke off on the way. Asking for what comes behind one acknowledges it. */
  private async collectReceipts(): Promise<void> {
    for (let page = 0; page < MAX_RECEIPT_PAGES; page++) {
      await this.parts.requests.durable();
      const { receipts } = readJson(workerReceipts, await this.get(`/v1/receipts?after=${this.receiptsAfter}`, MAX_RECEIPTS));
      if (receipts.length === 0) return;
      for (const { sequence, receipt } of receipts) {
        if (sequence <= this.receiptsAfter) throw new PeerError('bad_sequence', 'receipts are not in rising order');
        await this.count(receipt, false);
        this.receiptsAfter = sequence;
      }
    }
  }

  private get(path: string, limit: number): Promise<Uint8Array> {
    return this.call({ method: 'GET', path }, limit);
  }

  private post(path: string, body: Uint8Array): Promise<Uint8Array> {
    return this.call({ method: 'POST', path, body }, MAX_JSON);
  }

  private async call(call: Call, limit: number): Promise<Uint8Array> {
    const answer = await this.connection.call(call, { signal: AbortSignal.timeout(this.parts.callTimeoutMs) });
    const body = await readAll(answer.body, limit);
    if (answer.status < 200 || answer.status > 299)
      throw new PeerError('worker_refused', `the worker answered with status ${answer.status}`);
    return body;
  }
}

/** Whether a receipt is signed by this receipt key. */
async function verifyReceipt(crypto: CryptoProvider, receiptKey: Uint8Array, signed: SignedReceipt): Promise<boolean> {
  return crypto.verifyEd25519(receiptKey, toBigEndian(statementHash(packReceipt(signed.receipt)), 32), signed.signature);
}
