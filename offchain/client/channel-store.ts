import { z } from 'zod';
import { type Ledger, numberKey, type Table } from '../ledger/ledger';
import { counter, hash, hashText, hashValue, timeSec } from '../protocol/fields';
import { authorisation, signedReceipt, signedVoucher } from '../protocol/statements-json';
import type { BookChange, BookHead, BookStore, OrderRecord } from './channel-book';

const uint256 = z.codec(hash, z.bigint(), { decode: hashValue, encode: hashText });

const headSchema = z.strictObject({ lastNumber: counter, voucher: signedVoucher.nullable() });
const orderSchema = z.strictObject({
  number: counter,
  salt: uint256,
  authorisation: authorisation.nullable(),
  validUntil: timeSec,
  receipt: signedReceipt.nullable(),
});

/** A channel's book in the ledger, under the channel's raw address. */
export class LedgerBookStore implements BookStore {
  private readonly heads: Table<BookHead>;
  private readonly orders: Table<OrderRecord>;

  constructor(
    private readonly ledger: Ledger,
    private readonly channel: string,
  ) {
    this.heads = ledger.table('channel-heads', headSchema);
    this.orders = ledger.table('channel-orders', orderSchema);
  }

  load(): { readonly head: BookHead | null; readonly orders: readonly OrderRecord[] } {
    const orders = [...this.orders.entries({ prefix: `${this.channel}/` })].map(([, order]) => order);
    return { head: this.heads.get(this.channel) ?? null, orders };
  }

  async save({ head, put = [], remove = [] }: BookChange): Promise<void> {
    await this.ledger.change(() => {
      if (head !== undefined) this.heads.put(this.channel, head);
      for (const order of put) this.orders.put(this.key(order.number), order);
      for (const number of remove) this.orders.remove(this.key(number));
    });
  }

  private key(number: bigint): string {
    return `${this.channel}/${numberKey(number)}`;
  }
}
