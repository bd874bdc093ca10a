/** One worker that has connected: what it says, what its evidence proves, and how it has done. */
import { Address } from '@ton/core';
import type { Logger } from 'pino';
import { type Prices, packAuthorisation, packChallenge, packReceipt, statementHash } from '../../wrappers/statements';
import type { EvidencePolicy } from '../attestation/policy';
import { failedChecks } from '../attestation/report';
import { type AllowlistView, type BlockLookup, verifyEvidence } from '../attestation/verify-evidence';
import { offerPrices } from '../billing/prices';
import { WorkerContract } from '../chain/contracts';
import { fromHex, toBigEndian, toHex } from '../core/bytes';
import type { Clock } from '../core/clock';
import type { CryptoProvider } from '../core/crypto';
import { codeOf, PeerError } from '../core/errors';
import {
  challengeAnswer,
  challengeCall,
  type Offer,
  type WorkerInfo,
  workerInfo,
  workerReceipts,
  workerVoucherAnswer,
  workerVoucherCall,
} from '../protocol/calls';
import { readJson, writeJson } from '../protocol/json';
import type { SignedReceipt } from '../protocol/statements-json';
import { type Answer, type Connection, readAll } from '../transport/exchange';
import type { ProxyConfig } from './config';
import type { RequestBook } from './requests';
import type { WorkerDebts } from './worker-debts';
import { WorkerStats } from './worker-stats';

export interface WorkerSessionParts {
  readonly config: ProxyConfig;
  readonly proxy: Address;
  readonly root: Address;
  readonly payerKey: Uint8Array;
  readonly policy: EvidencePolicy;
  readonly allowlist: AllowlistView;
  readonly blocks: BlockLookup;
  readonly clock: Clock;
  readonly crypto: CryptoProvider;
  readonly debts: WorkerDebts;
  readonly requests: RequestBook;
  readonly log: Logger;
}

type GuestInfo = NonNullable<WorkerInfo['guest']>;

/** A guest whose evidence was verified here, with the prices that were offered for it lately. */
interface VerifiedGuest {
  readonly info: GuestInfo;
  readonly imageHash: string;
  readonly expiresAtSec: number;
}

const MAX_JSON = 1024 * 1024;
const MAX_RECEIPTS = 2 * MAX_JSON;

export class WorkerSession {
  private workerInfo: WorkerInfo | null = null;
  private readonly guests = new Map<string, VerifiedGuest>();
  private refusedDigest: string | null = null;
  /** Latest time at which prices may still be used in an authorisation, by their text. */
  private readonly offeredUntil = new Map<string, number>();
  readonly stats = new WorkerStats();
  private running = 0;
  private delivered = 0n;
  private refreshing: Promise<void> | null = null;

  constructor(
    readonly connection: Connection,
    private readonly parts: WorkerSessionParts,
  ) {}

  get info(): WorkerInfo | null {
    return this.workerInfo;
  }

  get contract(): WorkerContract | null {
    if (this.workerInfo === null) return null;
    const { parts } = this;
    return WorkerContract.create({
      owner: Address.parseRaw(this.workerInfo.owner),
      proxy: parts.proxy,
      payerKey: BigInt(`0x${toHex(parts.payerKey)}`),
      withdrawDelay: parts.config.withdrawDelaySec,
    });
  }

  /** Who is paid for this worker. */
  get contractOwner(): Address | null {
    return this.workerInfo === null ? null : Address.parseRaw(this.workerInfo.owner);
  }

  /** Whether any evidence of this worker was verified and still holds. */
  get isVerified(): boolean {
    return [...this.guests.keys()].some((digest) => this.guest(digest) !== null);
  }

  /** The verified guest with this evidence; null when there is none, or its verdict no longer holds. */
  guest(digest: string): VerifiedGuest | null {
    const guest = this.guests.get(digest);
    return guest !== undefined && this.parts.clock.nowSec() < guest.expiresAtSec ? guest : null;
  }

  /** Asks the worker what it has, verifies what is new, exchanges receipts and vouchers. One round at a time. */
  refresh(): Promise<void> {
    this.refreshing ??= this.refreshNow().finally(() => {
      this.refreshing = null;
    });
    return this.refreshing;
  }

  private async refreshNow(): Promise<void> {
    const info = readJson(workerInfo, await this.get('/v1/worker', MAX_JSON));
    this.workerInfo = info;
    const digest = info.guest?.keys.evidence;
    const now = this.parts.clock.nowSec();
    for (const [known, guest] of this.guests)
      if (now >= guest.expiresAtSec || !(await this.isStillListed(guest))) this.guests.delete(known);
    if (info.guest !== null && digest !== undefined && !this.guests.has(digest)) await this.verify(info, info.guest);
    await this.collectReceipts();
    await this.sendVoucher();
  }

  /** The offer of the present guest, null when there is none to make. */
  offer(): Offer | null {
    const info = this.workerInfo;
    if (info?.guest == null || info.capacity === 0 || !this.connection.isOpen || this.guest(info.guest.keys.evidence) === null) return null;
    const prices = offerPrices(info.prices, BigInt(this.parts.config.feeBasisPoints));
    // An authorisation made from this offer may arrive a little after the offer has ended.
    this.offeredUntil.set(priceText(prices), this.parts.clock.nowSec() + 2 * this.parts.config.offerSec);
    return {
      owner: info.owner,
      keys: info.guest.keys,
      model: info.guest.model,
      prices,
      load: { running: this.running, capacity: info.capacity },
      ...this.stats.shown(),
      gpu: null,
    };
  }

  /** Whether these prices come from an offer that has not ended. */
  hasOffered(prices: Prices): boolean {
    return (this.offeredUntil.get(priceText(prices)) ?? 0) >= this.parts.clock.nowSec();
  }

  get isFull(): boolean {
    return this.running >= (this.workerInfo?.capacity ?? 0);
  }

  /** Sends a sealed request on. `done` must be called when the answer has ended, however it did. */
  async relay(guestBytes: Uint8Array): Promise<{ readonly answer: Answer; done(): void }> {
    this.running++;
    let isDone = false;
    const done = () => {
      if (!isDone) this.running--;
      isDone = true;
    };
    try {
      return { answer: await this.connection.call({ method: 'POST', path: '/v1/relay', body: guestBytes }), done };
    } catch (error) {
      done();
      throw error;
    }
  }

  /** Asks the guest to end an answer; it ends with its receipt. */
  async stop(authorisationHash: string): Promise<void> {
    await this.connection.call({ method: 'POST', path: `/v1/stop/${authorisationHash}` });
  }

  /** The bundle's bytes, for clients. @throws PeerError, TransportError */
  evidence(digest: string): Promise<Uint8Array> {
    return this.get(`/v1/evidence/${digest}`, MAX_JSON);
  }

  private async verify(info: WorkerInfo, guest: GuestInfo): Promise<void> {
    const { parts } = this;
    const digest = guest.keys.evidence;
    const verdict = await verifyEvidence({
      bundle: await this.evidence(digest),
      expected: {
        digest,
        role: 'worker',
        network: parts.root.toRawString(),
        owner: info.owner,
        sealing: guest.keys.sealing,
        receipt: guest.keys.receipt,
        model: { name: guest.model.name, kind: guest.model.kind, hash: guest.model.hash },
        tls: null,
      },
      policy: parts.policy,
      allowlist: parts.allowlist,
      blocks: parts.blocks,
      nowSec: parts.clock.nowSec(),
      crypto: parts.crypto,
    });
    if (!verdict.accepted) {
      // Said once for each evidence: a worker whose image is not active yet is asked again with every round.
      const failed = failedChecks(verdict.report).map((check) => check.name);
      if (this.refusedDigest !== digest) parts.log.warn({ evidence: digest, failed: failed.join(' ') }, 'evidence of a worker refused');
      this.refusedDigest = digest;
      return;
    }
    await this.challenge(fromHex(guest.keys.receipt, 32));
    this.guests.set(digest, { info: guest, imageHash: verdict.imageHash, expiresAtSec: verdict.expiresAtSec });
    parts.log.info({ evidence: digest, model: guest.model.name, simulated: verdict.report.simulated }, 'evidence of a worker verified');
  }

  /** Whether the allowlist still holds what the verdict rested on. */
  private async isStillListed(guest: VerifiedGuest): Promise<boolean> {
    try {
      const model = await this.parts.allowlist.model(guest.info.model.hash);
      return model !== null && (await this.parts.allowlist.image(guest.imageHash)) !== null;
    } catch {
      return false;
    }
  }

  /** The guest must sign for this proxy, now: evidence alone could be somebody else's, shown again. */
  private async challenge(receiptKey: Uint8Array): Promise<void> {
    const { parts } = this;
    const nonce = toHex(parts.crypto.randomBytes(32));
    const body = writeJson(challengeCall, { proxy: parts.proxy, nonce });
    const { challenge, signature } = readJson(challengeAnswer, await this.post('/v1/challenge', body));
    const isOurs = challenge.proxy.equals(parts.proxy) && challenge.nonce === BigInt(`0x${nonce}`);
    const message = toBigEndian(statementHash(packChallenge(challenge)), 32);
    if (!isOurs || !(await parts.crypto.verifyEd25519(receiptKey, message, signature))) {
      throw new PeerError('challenge_failed', "the worker's guest did not sign the challenge");
    }
  }

  /** Receipts of answers that broke off on the way. */
  private async collectReceipts(): Promise<void> {
    let after = 0n;
    for (;;) {
      const { receipts } = readJson(workerReceipts, await this.get(`/v1/receipts?after=${after}`, MAX_RECEIPTS));
      const last = receipts.at(-1);
      if (last === undefined) return;
      for (const { receipt } of receipts) await this.count(receipt);
      after = last.sequence;
    }
  }

  /** Counts a receipt if it is one of a request that went through here, signed by the key that its authorisation names. */
  async count(signed: SignedReceipt): Promise<void> {
    const { parts } = this;
    const record = parts.requests.byHash(signed.receipt.authorisationHash);
    if (record === undefined || record.receipt !== null) return;
    if (statementHash(packAuthorisation(record.authorisation)) !== signed.receipt.authorisationHash) return;
    if (!(await verifyReceipt(parts.crypto, toBigEndian(record.authorisation.receiptKey, 32), signed))) {
      parts.log.warn({ evidence: record.evidence }, 'receipt with a bad signature');
      return;
    }
    await parts.requests.complete(signed);
  }

  /** Gives the worker a voucher for all that is owed, if it has not got one. */
  async sendVoucher(): Promise<void> {
    const contract = this.contract;
    if (contract === null) return;
    const voucher = await this.parts.debts.voucher(contract.address.toRawString());
    // Sent once for each amount owed; a new connection begins with one, so that each side learns the highest.
    if (voucher === null || voucher.voucher.total === this.delivered) return;
    try {
      const answer = readJson(workerVoucherAnswer, await this.post('/v1/vouchers', writeJson(workerVoucherCall, voucher)));
      if (answer.newest !== null && answer.newest.voucher.workerContract.equals(contract.address))
        await this.parts.debts.adopt(answer.newest);
      this.delivered = voucher.voucher.total;
    } catch (error) {
      this.parts.log.warn({ code: codeOf(error) }, 'voucher not delivered');
    }
  }

  private async get(path: string, limit: number): Promise<Uint8Array> {
    const answer = await this.connection.call({ method: 'GET', path });
    const body = await readAll(answer.body, limit);
    if (answer.status !== 200) throw new PeerError('worker_refused', `GET ${path.split('?')[0]} answered ${answer.status}`);
    return body;
  }

  private async post(path: string, body: Uint8Array): Promise<Uint8Array> {
    const answer = await this.connection.call({ method: 'POST', path, body });
    const bytes = await readAll(answer.body, MAX_JSON);
    if (answer.status !== 200) throw new PeerError('worker_refused', `POST ${path} answered ${answer.status}`);
    return bytes;
  }
}

/** Whether a receipt is signed by this receipt key. */
export async function verifyReceipt(crypto: CryptoProvider, receiptKey: Uint8Array, signed: SignedReceipt): Promise<boolean> {
  return crypto.verifyEd25519(receiptKey, toBigEndian(statementHash(packReceipt(signed.receipt)), 32), signed.signature);
}

function priceText(prices: Prices): string {
  return `${prices.uncachedPrompt}/${prices.cachedPrompt}/${prices.answer}/${prices.reasoning}`;
}
