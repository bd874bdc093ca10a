import { randomBytes } from 'node:crypto';
import type { Authorisation } from '../../wrappers/statements';
import { toHex } from '../core/bytes';
import type { SignedReceipt } from '../protocol/statements-json';

/** Most receipts in one answer: the worker asks again for the rest. */
export const RECEIPT_PAGE = 1000;

/** A receipt with the authorisation that it is for, numbered within a boot from 1. */
export interface LoggedReceipt {
  readonly sequence: number;
  readonly authorisation: Authorisation;
  readonly receipt: SignedReceipt;
}

/** The receipts of this boot that the worker has not yet said to have. In memory: the guest owns no disk that it could trust. */
export class ReceiptLog {
  /** Names this boot, lower-case hex of 32 bytes. */
  readonly boot = toHex(randomBytes(32));
  private readonly kept: LoggedReceipt[] = [];
  private lastSequence = 0;
  private handedOut = 0;

  /** Receipts that wait. */
  get size(): number {
    return this.kept.length;
  }

  /** To be called before a byte of the receipt is sent: the worker can then always ask for it. */
  remember(authorisation: Authorisation, receipt: SignedReceipt): void {
    this.kept.push({ sequence: ++this.lastSequence, authorisation, receipt });
  }

  /**
   * Forgets the receipts up to number `sequence` and gives the next ones, at most RECEIPT_PAGE. Numbers that this boot has not handed
   * out acknowledge nothing: a worker that has not noticed a restart of the guest must not lose receipts by a number of the boot before.
   */
  after(sequence: number): LoggedReceipt[] {
    const acknowledged = Math.min(sequence, this.handedOut);
    const first = this.kept.findIndex((entry) => entry.sequence > acknowledged);
    this.kept.splice(0, first < 0 ? this.kept.length : first);
    const page = this.kept.slice(0, RECEIPT_PAGE);
    this.handedOut = Math.max(this.handedOut, page.at(-1)?.sequence ?? 0);
    return page;
  }
}
