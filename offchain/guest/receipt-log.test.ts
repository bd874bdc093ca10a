import type { Authorisation } from '../../wrappers/statements';
import { RECEIPT_PAGE, ReceiptLog } from './receipt-log';

const authorisation: Authorisation = {
  orderHash: 1n,
  receiptKey: 2n,
  seal: 3n,
  maxAmount: 4n,
  validUntil: 5,
  prices: { uncachedPrompt: 1n, cachedPrompt: 1n, answer: 1n, reasoning: 1n },
};
const receipt = {
  receipt: {
    authorisationHash: 1n,
    sealedHash: 2n,
    details: 3n,
    usage: { uncachedPrompt: 1, cachedPrompt: 0, answer: 1, reasoning: 0 },
    status: 0 as const,
    at: 5,
  },
  signature: new Uint8Array(64),
};

function logOf(count: number): ReceiptLog {
  const log = new ReceiptLog();
  for (let i = 0; i < count; i++) log.remember(authorisation, receipt);
  return log;
}

const sequences = (log: ReceiptLog, after: number) => log.after(after).map((entry) => entry.sequence);

describe('ReceiptLog', () => {
  it('numbers receipts from 1 and forgets those that are acknowledged', () => {
    const log = logOf(3);
    expect(sequences(log, 0)).toEqual([1, 2, 3]);
    expect(sequences(log, 2)).toEqual([3]);
    expect(sequences(log, 0)).toEqual([3]);
    expect(sequences(log, 3)).toEqual([]);
    expect(log.size).toBe(0);
    log.remember(authorisation, receipt);
    expect(sequences(log, 3)).toEqual([4]);
  });

  it('keeps what it has not handed out, whatever number it is asked with', () => {
    expect(sequences(logOf(2), 500)).toEqual([1, 2]);
  });

  it('hands out a page at a time and loses none between pages', () => {
    const log = logOf(RECEIPT_PAGE + 2);
    const first = sequences(log, 0);
    expect(first).toHaveLength(RECEIPT_PAGE);
    expect(sequences(log, RECEIPT_PAGE)).toEqual([RECEIPT_PAGE + 1, RECEIPT_PAGE + 2]);
  });
});
