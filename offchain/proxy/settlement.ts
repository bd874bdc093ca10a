/** Turns vouchers and receipts into coins: charges clients' channels, and has workers' contracts filled. */
import type { Address, Cell } from '@ton/core';
import type { Logger } from 'pino';
import { ChainError } from '../chain/chain-error';
import { ClientContract } from '../chain/contracts';
import type { MessageValues } from '../chain/message-values';
import type { Pending } from '../chain/pending';
import type { OutgoingMessage } from '../chain/wallet';
import { codeOf } from '../core/errors';
import { formatTon, minNano } from '../core/money';
import type { ChannelKeys } from './channel-keys';
import { type Channel, type Channels, parseChannelAddress } from './channels';
import { MAX_ON_RECORD, type ProxyConfig } from './config';
import { type ReceiptSettlement, settleId } from './receipt-settlement';
import type { RequestBook } from './requests';
import type { Wish } from './worker-funding';

export interface SettlementParts {
  readonly config: Pick<ProxyConfig, 'chargeAtNano' | 'minChargeNano'>;
  readonly operator: {
    readonly address: Address;
    balance(): Promise<bigint>;
    send(messages: readonly OutgoingMessage[]): Promise<unknown>;
  };
  readonly channels: Channels;
  readonly requests: RequestBook;
  readonly receipts: ReceiptSettlement;
  readonly values: Pick<MessageValues, 'charge'>;
  readonly keys: ChannelKeys;
  readonly funding: { wishes(): Promise<readonly Wish[]> };
  readonly pending: Pending;
  readonly log: Logger;
}

/** Most messages in one transaction of the operator's wallet. */
const MAX_BATCH = 100;
/** Left in the wallet beside the values that it sends, and once more for each message: above what they cost, in nanoTON. */
const FEE_MARGIN = 10_000_000n;
const FEE_MARGIN_PER_MESSAGE = 2_000_000n;
/** A channel with so many covered records is charged although it is worth little: they are forgotten only then. */
const CHARGE_AT_RECORDS = MAX_ON_RECORD / 2;

type IsWorth = (channel: Channel, worth: bigint) => boolean;

export class Settlement {
  private turn: Promise<unknown> = Promise.resolve();
  private hasWarned = false;

  constructor(private readonly parts: SettlementParts) {}

  /** What is worth its fee is charged, settled and collected, workers are funded: one batch. One round at a time. */
  round(): Promise<bigint> {
    return this.inTurn(async () => (await this.settle((channel, worth) => this.isWorthIt(channel, worth))).charged);
  }

  /** Charges every voucher that is worth anything; receipts when their time has come, as in each round. @returns what is asked for, in nanoTON; it has moved some blocks later */
  chargeAll(): Promise<bigint> {
    return this.inTurn(async () => {
      let charged = 0n;
      for (;;) {
        const batch = await this.settle(() => true);
        charged += batch.charged;
        if (!batch.isMoreLeft) return charged;
      }
    });
  }

  private isWorthIt(channel: Channel, worth: bigint): boolean {
    const { chargeAtNano, minChargeNano } = this.parts.config;
    if (worth >= chargeAtNano) return true;
    if (this.parts.requests.standing(channel.id).coveredNumbers.size >= CHARGE_AT_RECORDS) return true;
    // Whoever leaves, or has left, is charged while there is something to charge; and so is what an old key may have signed.
    const isChangingKey = this.parts.keys.oldKeyEndsAtSec(channel.view) !== null;
    return worth >= minChargeNano && (channel.view.withdrawal > 0n || isChangingKey || this.parts.channels.isIdle(channel));
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.turn.then(work);
    this.turn = next.catch(() => undefined);
    return next;
  }

  private async settle(isWorth: IsWorth): Promise<{ readonly charged: bigint; readonly isMoreLeft: boolean }> {
    const { channels, log, operator, pending, requests } = this.parts;
    await this.takeUpOpen();
    for (const channel of channels.all()) await requests.prune(channel);
    channels.forgetIdle();

    const charges: Wish[] = [];
    for (const channel of channels.all()) {
      const wish = await this.wishOf(channel, isWorth);
      if (wish !== null) charges.push(wish);
    }
    charges.sort((a, b) => (a.worth < b.worth ? 1 : -1));
    // Workers first: without them nothing is earned.
    const wishes = [...(await this.parts.funding.wishes()), ...charges];
    const batch = wishes.length === 0 ? [] : this.affordable(wishes.slice(0, MAX_BATCH), await operator.balance());
    if (batch.length === 0) return { charged: 0n, isMoreLeft: false };
    for (const { id, above } of batch) pending.ask(id, above);
    try {
      await operator.send(batch.map(({ message }) => message));
    } catch (error) {
      // Behind every other failure nothing has left and nothing will.
      const isPartlySent = error instanceof ChainError && error.code === 'wallet_incomplete';
      if (!isPartlySent) for (const { id } of batch) pending.forget(id);
      throw error;
    }
    const charged = batch.reduce((sum, { worth }) => sum + worth, 0n);
    log.info({ messages: batch.length, ton: formatTon(charged) }, 'settled');
    return { charged, isMoreLeft: batch.length < wishes.length && batch.length === MAX_BATCH };
  }

  /** Channels that an earlier run has left, or that could not be read before. */
  private async takeUpOpen(): Promise<void> {
    const { channels, log, pending, requests } = this.parts;
    for (const id of requests.channels()) {
      const wish = `find ${id}`;
      if (channels.get(id) !== undefined || pending.isWaiting(wish, 0n)) continue;
      pending.ask(wish, 0n);
      try {
        await channels.find(parseChannelAddress(id));
        pending.forget(wish);
      } catch (error) {
        log.warn({ channel: id, code: codeOf(error) }, 'channel not found');
      }
    }
  }

  /** At most one message to a channel at a time: the next is decided by what the chain shows of this one. */
  private async wishOf(channel: Channel, isWorth: IsWorth): Promise<Wish | null> {
    const { pending, receipts } = this.parts;
    const { view } = channel;
    if (pending.isWaiting(chargeId(channel), view.paid) || pending.isWaiting(settleId(channel), view.charged)) return null;
    const plan = await receipts.plan(channel);
    if (plan !== null && !plan.isAfterCharge) return receipts.wish(channel, plan);
    // Before receipts a voucher is charged whatever it is worth.
    return this.chargeOf(channel, plan === null ? isWorth : () => true);
  }

  /** A charge or, when the newest voucher is charged and not paid, a collection; null when it is not worth it or cannot be. */
  private async chargeOf(channel: Channel, isWorth: IsWorth): Promise<Wish | null> {
    const { view, address, id } = channel;
    const { keys, values } = this.parts;
    const { voucher } = this.parts.requests.standing(id);
    const isNew = voucher !== null && voucher.voucher.total > view.charged;
    // What moves now, not what is owed: a charge of an empty channel costs its fee and brings nothing.
    const worth = minNano((isNew ? voucher.voucher.total : view.charged) - view.paid, view.deposit);
    if (worth <= 0n || !isWorth(channel, worth)) return null;
    const wish = { id: chargeId(channel), above: view.paid, carriage: 0n, worth };
    const messageOf = async (body: Cell) => ({ to: address, value: await values.charge(), bounce: true, body });
    if (!isNew) return { ...wish, message: await messageOf(ClientContract.collectBody()) };
    const signer = await keys.ofVoucher(view, voucher.voucher, voucher.signature);
    // The key that signed it counts no more: the client owes the same, and has to sign it anew.
    if (signer === null) return null;
    const body = ClientContract.chargeBody({ voucher: voucher.voucher, signature: voucher.signature, byOldKey: signer === 'old' });
    return { ...wish, message: await messageOf(body) };
  }

  /** As many of the first wishes as the operator's wallet can send. */
  private affordable(wishes: readonly Wish[], balance: bigint): readonly Wish[] {
    let left = balance - FEE_MARGIN;
    let count = 0;
    for (const { message, carriage } of wishes) {
      left -= message.value + carriage + FEE_MARGIN_PER_MESSAGE;
      if (left < 0n) break;
      count++;
    }
    const isShort = count < wishes.length;
    // Said when it begins, not with every round.
    if (isShort && !this.hasWarned) {
      const fields = { operator: this.parts.operator.address.toRawString(), balanceTon: formatTon(balance) };
      this.parts.log.error(fields, "the operator's wallet needs coins");
    }
    this.hasWarned = isShort;
    return wishes.slice(0, count);
  }
}

function chargeId({ id }: Channel): string {
  return `charge ${id}`;
}
