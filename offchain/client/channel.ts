/** The client's channel to its proxy: what may be spent, what is owed, and bringing both sides to the same record. */
import type { Address } from '@ton/core';
import {
  type Authorisation,
  openHash,
  type Prices,
  packAuthorisation,
  packOrder,
  packReceipt,
  packRequest,
  packVoucher,
  statementHash,
} from '../../wrappers/statements';
import { unsecured } from '../billing/credit';
import { fromBigEndian, toBigEndian } from '../core/bytes';
import type { Clock } from '../core/clock';
import type { CryptoProvider, Signer } from '../core/crypto';
import { formatTon, maxNano, minNano } from '../core/money';
import type { ChannelState } from '../protocol/calls';
import type { SignedReceipt } from '../protocol/statements-json';
import type { SignedVoucher } from '../sealing/relay-body';
import type { ChannelBook } from './channel-book';
import { ClientError, ProxyError } from './errors';
import { callHashInput, channelPath, type ProxyApi } from './proxy-api';

/** The channel contract as the chain shows it. Amounts in nanoTON. */
export interface ChannelFacts {
  /** 0n while the channel is not open. */
  readonly sessionKey: bigint;
  /** What vouchers can be paid from. */
  readonly deposit: bigint;
  readonly announcedWithdrawal: bigint;
  /** By vouchers and by receipts: it can be more than the newest voucher says. */
  readonly charged: bigint;
  readonly paid: bigint;
}

/** Where the channel's money is looked up, and brought from if this client may. */
export interface ChannelFunds {
  /** As last read; null while there is no such contract. */
  facts(): ChannelFacts | null;
  /** Reads the chain now. @throws ChainError */
  refresh(): Promise<ChannelFacts | null>;
  /** Brings at least `missingNano` if this client's config lets it. False when it does not. @throws ChainError */
  topUp(missingNano: bigint): Promise<boolean>;
  /** One line: how a person gets coins into the channel. */
  readonly howToPay: string;
}

export interface ChannelOptions {
  readonly address: Address;
  readonly book: ChannelBook;
  readonly signer: Signer;
  readonly proxy: ProxyApi;
  readonly funds: ChannelFunds;
  readonly crypto: CryptoProvider;
  readonly clock: Clock;
  readonly longestRunSec: number;
  /** Between a receipt and the voucher over it, when no request comes that could carry it. */
  readonly voucherPauseMs: number;
  /** Told what went wrong in the background; it is tried again. */
  onTrouble(error: unknown): void;
}

/** What a request asks of the channel. Amounts in nanoTON. */
export interface OrderTerms {
  readonly receiptKey: Uint8Array;
  readonly seal: bigint;
  readonly prices: Prices;
  /** The dearest that it can become. */
  readonly wanted: bigint;
  /** What it must be allowed at least to be worth sending. */
  readonly floor: bigint;
}

/** An order on its way: what goes into the relay body beside the sealed request. */
export interface PlacedOrder {
  readonly number: bigint;
  readonly order: { readonly channel: Address; readonly number: bigint; readonly salt: bigint };
  readonly authorisation: Authorisation;
  readonly authorisationHash: bigint;
  /** The session key's, over the authorisation's hash. */
  readonly signature: Uint8Array;
}

/** A voucher that one request carries; say how that went. */
export interface CarriedVoucher {
  readonly voucher: SignedVoucher;
  delivered(): void;
  lost(): void;
}

type ShownReceipt = ChannelState['receipts'][number];

const VALID_FOR_SEC = 300;
const LONGEST_PAUSE_MS = 60_000;
/** How long the end of a process waits for its last voucher to be taken. The proxy gets it at the next start otherwise. */
const CLOSE_MS = 5_000;
const PROXY_LAG_TRIES = 20;
const PROXY_LAG_MS = 500;

export class Channel {
  private delivered: SignedVoucher | null = null;
  private isCarrying = false;
  private needsRestore = true;
  /** What the proxy holds back for requests whose answers were lost on their way here. */
  private heldBack = 0n;
  private restoring: Promise<void> | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private pauseMs: number;
  private isClosed = false;
  private readonly waiting = new Set<() => void>();

  constructor(private readonly options: ChannelOptions) {
    this.pauseMs = options.voucherPauseMs;
  }

  get address(): Address {
    return this.options.address;
  }

  /** Brings what an earlier process left to its end, in the background. */
  resume(): void {
    const { book } = this.options;
    if (book.lastNumber > 0n) this.schedule();
  }

  /** Whether requests can be placed now. @throws ClientError no_channel, channel_foreign; ProxyError; ChainError */
  async ready(): Promise<void> {
    const { book, funds, signer, address } = this.options;
    const facts = funds.facts() ?? (await funds.refresh());
    if (facts === null || facts.sessionKey === 0n) throw new ClientError('no_channel', funds.howToPay);
    if (facts.sessionKey !== fromBigEndian(signer.publicKey)) throw new ClientError('channel_foreign', `channel ${address.toRawString()}`);
    // Receipts that were settled on chain and lost here: the proxy shows them, and the next voucher has to say as much.
    if (this.needsRestore || facts.charged > book.total + book.outstanding) await this.restore();
  }

  /**
   * Takes the next number and writes and signs its authorisation; the request may be sent once this resolves. It may cost `wanted`, or
   * as much of that as the channel carries, but at least `floor`: for that it waits for requests that run, and tops the channel up.
   * @throws ClientError deposit_exhausted, credit_exhausted, no_channel, too_many_open; ProxyError; ChainError; what aborted `signal`
   */
  async place(terms: OrderTerms, signal: AbortSignal): Promise<PlacedOrder> {
    const { book, funds, proxy } = this.options;
    for (let hasToppedUp = false; ; ) {
      const { creditWindow } = await proxy.info();
      const facts = funds.facts();
      if (facts === null) throw new ClientError('no_channel', funds.howToPay);
      if (terms.floor > creditWindow) throw new ClientError('credit_exhausted');
      const { outstanding } = book;
      const free = facts.deposit - facts.announcedWithdrawal - (maxNano(book.total + outstanding, facts.charged) - facts.paid);
      const window = creditWindow - unsecured({ voucherTotal: book.total, chargedOnChain: facts.charged, outstanding }) - this.heldBack;
      const available = minNano(free - this.heldBack, window) - book.reserved;
      // No pause between this look and the number that is taken: two requests never count on the same coins.
      if (available >= terms.floor) return this.placeNow(terms, minNano(terms.wanted, available));
      if (free < terms.floor) {
        if (hasToppedUp || !(await funds.topUp(terms.floor - free))) throw this.exhausted(terms.floor - free);
        hasToppedUp = true;
      } else if (book.reserved > 0n) await this.somethingEnds(signal);
      else if (book.isVoucherDue) await book.makeVoucher();
      else throw new ClientError('credit_exhausted', 'requests that were cut off are still being ended');
    }
  }

  private exhausted(missing: bigint): ClientError {
    return new ClientError('deposit_exhausted', `${formatTon(missing)} TON are missing; ${this.options.funds.howToPay}`, { missing });
  }

  private async placeNow(terms: OrderTerms, maxAmount: bigint): Promise<PlacedOrder> {
    const { book, address, clock, crypto, signer } = this.options;
    const salt = fromBigEndian(crypto.randomBytes(32));
    const { authorisation, number } = await book.place((next) => ({
      salt,
      authorisation: {
        orderHash: statementHash(packOrder({ channel: address, number: next, salt })),
        receiptKey: fromBigEndian(terms.receiptKey),
        seal: terms.seal,
        maxAmount,
        validUntil: clock.nowSec() + VALID_FOR_SEC,
        prices: terms.prices,
      },
    }));
    const authorisationHash = statementHash(packAuthorisation(authorisation));
    const signature = await signer.sign(toBigEndian(authorisationHash, 32));
    return { number, order: { channel: address, number, salt }, authorisation, authorisationHash, signature };
  }

  /** Keeps a receipt that has been verified, and sees to it that a voucher follows. */
  async receive(number: bigint, receipt: SignedReceipt): Promise<void> {
    await this.options.book.addReceipt(number, receipt);
    this.end(number);
    this.schedule();
  }

  /** The end of this request's answer is not known: the proxy is asked before anything else is. */
  lost(number: bigint): void {
    this.needsRestore = true;
    this.end(number);
    this.schedule();
  }

  /** The proxy knows more than this record: ask it before the next request. */
  distrustRecord(): void {
    this.needsRestore = true;
  }

  /** The voucher that a request should carry; null when the proxy has the newest, or another request carries it. */
  async takeVoucher(): Promise<CarriedVoucher | null> {
    const { book } = this.options;
    if (this.isCarrying) return null;
    this.isCarrying = true;
    let voucher: SignedVoucher | null;
    try {
      voucher = book.isVoucherDue ? await book.makeVoucher() : book.voucher;
    } catch (error) {
      this.isCarrying = false;
      throw error;
    }
    if (voucher === null || voucher === this.delivered) {
      this.isCarrying = false;
      return null;
    }
    const carried = voucher;
    return {
      voucher: carried,
      delivered: () => {
        this.isCarrying = false;
        this.delivered = carried;
      },
      lost: () => {
        this.isCarrying = false;
        this.schedule();
      },
    };
  }

  /** Restores the record if need be and sends the newest voucher, now. @throws ProxyError; what the store throws */
  async flush(): Promise<void> {
    const { book, clock, longestRunSec, proxy } = this.options;
    if (this.needsRestore || book.expired(clock.nowSec(), longestRunSec).length > 0) await this.restore();
    const carried = await this.takeVoucher();
    if (carried === null) return;
    try {
      await proxy.sendVoucher(carried.voucher);
      carried.delivered();
    } catch (error) {
      if (error instanceof ProxyError && error.code === 'voucher_refused') this.needsRestore = true;
      carried.lost();
      throw error;
    }
  }

  /** Asks the proxy what it has of this channel and takes over what either side missed. @throws ProxyError */
  restore(): Promise<void> {
    this.restoring ??= this.restoreNow().finally(() => {
      this.restoring = null;
    });
    return this.restoring;
  }

  /** Tries to leave nothing unpaid, once, then ends what runs in the background. */
  async close(): Promise<void> {
    this.isClosed = true;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    const { book } = this.options;
    if (!book.isVoucherDue && (book.voucher === null || book.voucher === this.delivered)) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_MS);
    });
    const sent = this.flush().catch((error: unknown) => this.options.onTrouble(error));
    await Promise.race([sent, late]);
    clearTimeout(timer);
  }

  private async restoreNow(): Promise<void> {
    const { book, clock, longestRunSec } = this.options;
    const state = await this.askProxy();
    const nowSec = clock.nowSec();
    const shown = state.voucher !== null && (await this.isOurs(state.voucher)) ? state.voucher : null;
    const known = new Set([...state.receipts.map(({ order }) => order.number), ...state.inFlight]);
    await book.adopt(shown, [...known], nowSec);
    for (const entry of state.receipts) await this.takeReceipt(entry);
    book.release(book.expired(nowSec, longestRunSec).filter((number) => !known.has(number)));
    const { voucher } = book;
    const isDelivered =
      voucher !== null && state.standing.voucherTotal === voucher.voucher.total && state.standing.upTo === voucher.voucher.upTo;
    this.delivered = isDelivered ? voucher : null;
    // What still runs there and not here was lost on its way: its receipt is yet to come.
    const cutOff = state.inFlight.filter((number) => !book.isRunning(number));
    this.heldBack = cutOff.reduce((sum, number) => sum + (book.order(number)?.authorisation?.maxAmount ?? 0n), 0n);
    this.needsRestore = cutOff.length > 0;
    if (this.needsRestore) this.schedule();
  }

  /** A channel that was opened a moment ago may not have been seen by the proxy yet. */
  private async askProxy(): Promise<ChannelState> {
    const { proxy, address } = this.options;
    for (let attempt = 1; ; attempt++) {
      try {
        return await proxy.channel(address.toRawString(), await this.signCall());
      } catch (error) {
        const isLag = error instanceof ProxyError && (error.code === 'no_channel' || error.code === 'not_found');
        if (!isLag || attempt >= PROXY_LAG_TRIES || this.isClosed) throw error;
        await new Promise((resolve) => setTimeout(resolve, PROXY_LAG_MS));
      }
    }
  }

  private async signCall(): Promise<Parameters<ProxyApi['channel']>[1]> {
    const { address, crypto, clock, signer } = this.options;
    const input = callHashInput('GET', channelPath(address.toRawString()), new Uint8Array(0));
    const request = {
      channel: address,
      callHash: fromBigEndian(await crypto.sha256(input)),
      nonce: fromBigEndian(crypto.randomBytes(32)),
      at: clock.nowSec(),
    };
    return { request, signature: await signer.sign(toBigEndian(statementHash(packRequest(request)), 32)) };
  }

  private async isOurs({ voucher, openNumbers, signature }: SignedVoucher): Promise<boolean> {
    const { address, crypto, signer } = this.options;
    if (!voucher.channel.equals(address) || openHash(openNumbers) !== voucher.open) return false;
    return crypto.verifyEd25519(signer.publicKey, toBigEndian(statementHash(packVoucher(voucher)), 32), signature);
  }

  /** Takes a receipt for a number that no voucher covers, if we ordered it and the guest that we chose has signed it. */
  private async takeReceipt(entry: ShownReceipt): Promise<void> {
    const { book } = this.options;
    const { number } = entry.order;
    // A number that this record has forgotten is as good as our own signature on it.
    if (book.order(number)?.authorisation === null && (await this.isOurOrder(entry))) {
      await book.recall(number, entry.order.salt, entry.authorisation);
    }
    const authorisation = book.order(number)?.authorisation;
    if (authorisation && (await this.isReceiptOf(authorisation, entry.receipt))) await book.addReceipt(number, entry.receipt);
  }

  /** Whether our session key has signed this authorisation of this order in our channel. */
  private async isOurOrder({ order, authorisation, authorisationSignature }: ShownReceipt): Promise<boolean> {
    const { address, crypto, signer } = this.options;
    if (!order.channel.equals(address) || statementHash(packOrder(order)) !== authorisation.orderHash) return false;
    return crypto.verifyEd25519(signer.publicKey, toBigEndian(statementHash(packAuthorisation(authorisation)), 32), authorisationSignature);
  }

  /** The receipt key in our authorisation is that of evidence which was verified before we signed it. */
  private async isReceiptOf(authorisation: Authorisation, { receipt, signature }: SignedReceipt): Promise<boolean> {
    if (receipt.authorisationHash !== statementHash(packAuthorisation(authorisation))) return false;
    const hash = toBigEndian(statementHash(packReceipt(receipt)), 32);
    return this.options.crypto.verifyEd25519(toBigEndian(authorisation.receiptKey, 32), hash, signature);
  }

  private end(number: bigint): void {
    this.options.book.end(number);
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }

  private somethingEnds(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const giveUp = () => reject(signal.reason);
      if (signal.aborted) return giveUp();
      signal.addEventListener('abort', giveUp, { once: true });
      this.waiting.add(() => {
        signal.removeEventListener('abort', giveUp);
        resolve();
      });
    });
  }

  private schedule(): void {
    if (this.isClosed || this.timer !== null) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      this.flush().then(
        () => {
          this.pauseMs = this.options.voucherPauseMs;
        },
        (error: unknown) => {
          this.pauseMs = Math.min(LONGEST_PAUSE_MS, this.pauseMs * 2);
          this.options.onTrouble(error);
          this.schedule();
        },
      );
    }, this.pauseMs);
    // In Node the pause alone must not keep a program running; close() sends what is left.
    if (typeof this.timer === 'object') this.timer.unref();
  }
}
