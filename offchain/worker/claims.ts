/** Turns the proxies' vouchers into coins. */
import type { Address } from '@ton/core';
import type { Logger } from 'pino';
import { ChainError } from '../chain/chain-error';
import { WorkerContract } from '../chain/contracts';
import type { Pending } from '../chain/pending';
import type { OutgoingMessage } from '../chain/wallet';
import { formatTon, minNano } from '../core/money';
import type { SignedWorkerVoucher } from '../protocol/statements-json';
import type { ContractView } from './accounts';

/** A contract that may owe, and the newest voucher on it. */
export interface Claimable {
  readonly contract: Address;
  readonly view: ContractView;
  readonly voucher: SignedWorkerVoucher;
}

export interface ClaimsParts {
  readonly wallet: { send(messages: readonly OutgoingMessage[]): Promise<unknown> };
  readonly pending: Pending;
  readonly log: Logger;
  claimables(): readonly Claimable[];
}

/** Most messages in one transaction of the gas wallet. */
const MAX_BATCH = 100;

export class Claims {
  private turn: Promise<unknown> = Promise.resolve();

  constructor(private readonly parts: ClaimsParts) {}

  /**
   * Claims every voucher that would move at least so much, one round at a time.
   * @returns what is asked for, in nanoTON; it has moved some blocks later
   * @throws ChainError
   */
  claim(atLeastNano: bigint): Promise<bigint> {
    const next = this.turn.then(() => this.claimNow(atLeastNano));
    this.turn = next.catch(() => undefined);
    return next;
  }

  private async claimNow(atLeastNano: bigint): Promise<bigint> {
    const { log, pending, wallet } = this.parts;
    const worthwhile = this.parts
      .claimables()
      .map((claimable) => ({ ...claimable, id: claimable.contract.toRawString(), amount: amountOf(claimable) }))
      .filter(({ id, amount, view }) => amount > 0n && amount >= atLeastNano && !pending.isWaiting(id, view.paid))
      .slice(0, MAX_BATCH);
    if (worthwhile.length === 0) return 0n;
    for (const { id, view } of worthwhile) pending.ask(id, view.paid);
    try {
      await wallet.send(
        worthwhile.map(({ contract, voucher }) => ({
          to: contract,
          value: WorkerContract.VALUE.claim,
          bounce: true,
          body: WorkerContract.claimBody({ voucher: voucher.voucher, signature: voucher.signature }),
        })),
      );
    } catch (error) {
      // Behind every other failure nothing has left and nothing will.
      const isPartlySent = error instanceof ChainError && error.code === 'wallet_incomplete';
      if (!isPartlySent) for (const { id } of worthwhile) pending.forget(id);
      throw error;
    }
    const claimed = worthwhile.reduce((sum, { amount }) => sum + amount, 0n);
    log.info({ messages: worthwhile.length, ton: formatTon(claimed) }, 'claimed');
    return claimed;
  }
}

/** What would move: never more than the contract holds, however much is signed. */
function amountOf({ view, voucher }: Claimable): bigint {
  return minNano(voucher.voucher.total - view.paid, view.available);
}
