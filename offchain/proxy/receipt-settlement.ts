/**
 * Charging by receipt: what a client was given and does not sign for. The order that the client signed and the receipt that the guest
 * signed are enough for the channel's contract; the newest voucher is charged before, since it clears what the chain knows of numbers.
 */
import { ClientContract, type SettledReceipt } from '../chain/contracts';
import { MAX_SETTLED, type MessageValues } from '../chain/message-values';
import type { Clock } from '../core/clock';
import { maxNano, minNano } from '../core/money';
import type { Unpaid } from './channel-index';
import { type ChannelKeys, TRAVEL_SEC } from './channel-keys';
import type { Channel } from './channels';
import type { ProxyConfig } from './config';
import type { RequestBook } from './requests';
import type { Wish } from './worker-funding';

export interface ReceiptSettlementParts {
  readonly config: Pick<ProxyConfig, 'settleAfterSec' | 'minSettleNano' | 'withdrawDelaySec'>;
  readonly requests: RequestBook;
  readonly values: Pick<MessageValues, 'settle'>;
  readonly keys: ChannelKeys;
  readonly clock: Clock;
}

/** Receipts that are to be settled now, by rising number. */
export interface SettlePlan {
  /** The newest voucher has to be charged before, and what the chain takes then is to be looked at again. */
  readonly isAfterCharge: boolean;
  readonly receipts: readonly SettledReceipt[];
  /** The numbers that the charged voucher leaves open, where one of them is settled. */
  readonly open: readonly bigint[];
  /** What they cost, in nanoTON. */
  readonly sum: bigint;
}

/** A client that leaves has so long to sign, in seconds: an honest one's voucher follows its receipt within a few. */
const LEAVING_SEC = 15;
/** A message costs at least as much as settling so many receipts does in a full one. */
const LEAST_RECEIPTS = 2n;
/** Showing so many open numbers costs what settling a receipt does. */
const OPEN_PER_RECEIPT = 50n;
/** What one open number adds to the fees of the message that shows it, in nanoTON. */
const OPEN_NUMBER_NANO = 20_000n;

interface Candidate extends Unpaid {
  readonly number: bigint;
}

export class ReceiptSettlement {
  constructor(private readonly parts: ReceiptSettlementParts) {}

  /** Whether there is anything that can still be settled without the client. */
  isPossible(channel: Channel): boolean {
    return this.candidates(channel).length > 0;
  }

  /** What should be settled now; null when there is nothing, when the client may still sign, or when it is not worth it. */
  async plan(channel: Channel): Promise<SettlePlan | null> {
    const { view } = channel;
    const ready = this.ready(channel);
    if (ready.length === 0) return null;
    const isAfterCharge = await this.isVoucherCharged(channel);
    const taken = isAfterCharge ? ready : ready.filter(this.isTakenByChain(channel));
    // Few that are only worth it together with others are given up before they hold up the rest.
    const whole = await this.planOf(channel, taken, isAfterCharge);
    return (
      whole ??
      this.planOf(
        channel,
        taken.filter(({ number }) => number > view.upTo),
        isAfterCharge,
      )
    );
  }

  /** The first of these, as many as go into one message; null when that is not worth it. */
  private async planOf(channel: Channel, taken: readonly Candidate[], isAfterCharge: boolean): Promise<SettlePlan | null> {
    const { view } = channel;
    const receipts: SettledReceipt[] = [];
    let sum = 0n;
    for (const { number, price } of taken) {
      if (receipts.length === MAX_SETTLED) break;
      // One that was signed by a key that counts no more would spoil the others.
      const receipt = await this.receiptOf(channel, number);
      if (receipt === null) continue;
      receipts.push(receipt);
      sum += price;
    }
    if (receipts.length === 0) return null;
    const open = receipts.some(({ order }) => order.number <= view.upTo) ? this.openNumbers(channel) : [];
    const { minSettleNano } = this.parts.config;
    const cost =
      maxNano(BigInt(receipts.length), LEAST_RECEIPTS) * minSettleNano + (BigInt(open.length) * minSettleNano) / OPEN_PER_RECEIPT;
    if (minNano(view.charged + sum - view.paid, view.deposit) < cost) return null;
    return { isAfterCharge, receipts, open, sum };
  }

  /** Writes down what leaves, and makes the message. @throws ChainError, LedgerError */
  async wish(channel: Channel, { receipts, open, sum }: SettlePlan): Promise<Wish> {
    const { view, address, id } = channel;
    await this.parts.requests.markSettling(
      id,
      receipts.map(({ order }) => order.number),
    );
    const value = await this.parts.values.settle(receipts.length, open.length > 0);
    return {
      id: settleId(channel),
      above: view.charged,
      message: { to: address, value, bounce: true, body: ClientContract.settleBody({ receipts, open }) },
      carriage: BigInt(open.length) * OPEN_NUMBER_NANO,
      worth: minNano(view.charged + sum - view.paid, view.deposit),
    };
  }

  /** Candidates whose time has come. */
  private ready(channel: Channel): readonly Candidate[] {
    const { config, clock } = this.parts;
    const { view } = channel;
    const candidates = this.candidates(channel);
    if (candidates.length === 0) return [];
    const nowSec = clock.nowSec();
    const deadlines = candidates.map(({ validUntil }) => validUntil + config.withdrawDelaySec);
    if (view.withdrawal > 0n) deadlines.push(view.withdrawalAtSec);
    const oldKeyEnds = this.parts.keys.oldKeyEndsAtSec(view);
    if (oldKeyEnds !== null) deadlines.push(oldKeyEnds);
    const isUrgent = Math.min(...deadlines) - TRAVEL_SEC - nowSec < config.withdrawDelaySec / 2;
    const waitSec = this.isLeavingDebts(channel) ? Math.min(LEAVING_SEC, config.settleAfterSec) : config.settleAfterSec;
    if (!isUrgent && candidates.every(({ at }) => at + waitSec > nowSec)) return [];
    // A lower number that still runs could not be settled afterwards. It is waited for as long as there is time.
    const running = [...this.parts.requests.standing(channel.id).inFlight.keys()].sort(byValue)[0];
    return isUrgent || running === undefined ? candidates : candidates.filter(({ number }) => number < running);
  }

  /** Whether an announced withdrawal leaves less than what is owed. */
  private isLeavingDebts(channel: Channel): boolean {
    const { view, id } = channel;
    if (view.withdrawal === 0n) return false;
    const { coverage } = this.parts.requests.standing(id);
    const owed = maxNano(coverage.total, view.charged) - view.paid + this.parts.requests.unsecured(channel);
    return view.deposit - minNano(view.withdrawal, view.deposit) < owed;
  }

  /** Receipts that the contract would take, once the newest voucher is charged, and that are worth their part of the fees. */
  private candidates(channel: Channel): readonly Candidate[] {
    const { config, clock, requests } = this.parts;
    const { view, id } = channel;
    const { unpaid, coverage } = requests.standing(id);
    if (unpaid.size === 0) return [];
    const earliest = clock.nowSec() + TRAVEL_SEC - config.withdrawDelaySec;
    const worthwhile = [...unpaid].flatMap(([number, receipt]) =>
      receipt.price >= config.minSettleNano && receipt.validUntil >= earliest ? [{ number, ...receipt }] : [],
    );
    // A voucher that is charged first clears what was settled, and leaves all of these open.
    const taken = coverage.total > view.charged ? worthwhile : worthwhile.filter(this.isTakenByChain(channel));
    return taken.sort((a, b) => byValue(a.number, b.number));
  }

  /**
   * Whether the voucher that is charged on chain leaves a number open, and it was not settled since. One that only the open numbers show
   * to be open has to be worth its part of what showing them costs.
   */
  private isTakenByChain(channel: Channel): (candidate: Candidate) => boolean {
    const { settled, upTo } = channel.view;
    const open = new Set(this.openNumbers(channel));
    const { minSettleNano } = this.parts.config;
    const least = minSettleNano + (BigInt(open.size) * minSettleNano) / (OPEN_PER_RECEIPT * BigInt(MAX_SETTLED));
    return ({ number, price }) => number > settled && (number > upTo || (open.has(number) && price >= least));
  }

  /** Whether the newest voucher can and must be charged before receipts are settled. */
  private async isVoucherCharged({ id, view }: Channel): Promise<boolean> {
    const { voucher } = this.parts.requests.standing(id);
    if (voucher === null || voucher.voucher.total <= view.charged) return false;
    return (await this.parts.keys.ofVoucher(view, voucher.voucher, voucher.signature)) !== null;
  }

  private openNumbers({ id, view }: Channel): readonly bigint[] {
    return this.parts.requests.standing(id).openNumbers(view.open) ?? [];
  }

  /** Everything that was signed for a number; null when the key that signed its authorisation counts no more. */
  private async receiptOf({ id, view }: Channel, number: bigint): Promise<SettledReceipt | null> {
    const { order, authorisation, signature, receipt } = this.parts.requests.record(id, number);
    if (receipt === null) return null;
    const signer = await this.parts.keys.ofAuthorisation(view, authorisation, signature);
    if (signer === null) return null;
    return {
      order,
      authorisation,
      authorisationSignature: signature,
      receipt: receipt.receipt,
      receiptSignature: receipt.signature,
      byOldKey: signer === 'old',
    };
  }
}

/** What a settlement is waited for by. */
export function settleId({ id }: Channel): string {
  return `settle ${id}`;
}

function byValue(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
