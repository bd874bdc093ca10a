import { GAS, type MessagePrices, messagePrices, minimumValue } from '../../wrappers/minimum-value';
import type { Clock } from '../core/clock';
import type { ChainClient } from './chain-client';

export interface MessageValuesParts {
  readonly client: Pick<ChainClient, 'config'>;
  readonly clock: Clock;
}

/** Most receipts that a ClientContract settles by one message. */
export const MAX_SETTLED = 5;

/** Prices change by a vote of the validators: how long they are believed, in seconds. */
const MAX_AGE_SEC = 600;

/**
 * How many coins go with a message to a channel: a fifth more than its minimum at the prices of the chain, so that prices may rise a
 * little on the way. That is less than twice the minimum: the payment takes what is left along, and no second message leaves.
 */
export class MessageValues {
  private known: { readonly prices: MessagePrices; readonly atSec: number } | null = null;

  constructor(private readonly parts: MessageValuesParts) {}

  /** To charge a voucher, or to collect what was charged, in nanoTON. @throws ChainError */
  async charge(): Promise<bigint> {
    return this.valueOf(GAS.clientCharge);
  }

  /** To settle so many receipts, showing the open numbers or not, in nanoTON. @throws ChainError */
  async settle(receipts: number, isOpenShown: boolean): Promise<bigint> {
    const lookUps = isOpenShown ? BigInt(MAX_SETTLED) * GAS.clientSettleOpen : 0n;
    return this.valueOf(GAS.clientCharge + BigInt(receipts) * GAS.clientSettleOne + lookUps);
  }

  private async valueOf(gas: bigint): Promise<bigint> {
    return (minimumValue(gas, await this.prices()) * 6n) / 5n;
  }

  private async prices(): Promise<MessagePrices> {
    const nowSec = this.parts.clock.nowSec();
    if (this.known !== null && nowSec - this.known.atSec <= MAX_AGE_SEC) return this.known.prices;
    const prices = messagePrices(await this.parts.client.config());
    this.known = { prices, atSec: nowSec };
    return prices;
  }
}
