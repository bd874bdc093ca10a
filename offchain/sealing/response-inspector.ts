/** What the proxy and the worker can check of an answer that they cannot read. */
import { decodeReceipt, type Receipt, STATEMENT_SIZE } from '../../wrappers/statements';
import { fromBigEndian } from '../core/bytes';
import type { CryptoProvider, IncrementalHash } from '../core/crypto';
import { SealingError } from './errors';
import { FrameReader } from './frames';

/** A receipt in clear with its signature, not yet verified. */
export interface ClearReceipt {
  readonly receipt: Receipt;
  readonly signature: Uint8Array;
}

/** Watches a sealed answer pass. */
export class ResponseInspector {
  private readonly frames = new FrameReader();
  private readonly sealed: IncrementalHash;
  private sealedHash: bigint | null = null;
  private clear: Uint8Array | null = null;

  constructor(crypto: CryptoProvider) {
    this.sealed = crypto.startSha256();
  }

  /** Takes the bytes that pass. @throws SealingError oversize, trailing_bytes */
  async push(bytes: Uint8Array): Promise<void> {
    for (const frame of this.frames.push(bytes)) {
      switch (frame.type) {
        case 'nonce':
        case 'chunk':
          this.sealed.update(frame.wire);
          break;
        case 'final':
          this.sealedHash = fromBigEndian(await this.sealed.digest());
          break;
        case 'receipt':
          this.clear = frame.wire;
          break;
      }
    }
  }

  /** Whether the receipt has passed whole. */
  get hasReceipt(): boolean {
    return this.clear !== null;
  }

  /** The receipt of this authorisation and of the chunks that passed. @throws SealingError truncated, receipt_mismatch; StatementError */
  receipt(authorisationHash: bigint): ClearReceipt {
    if (this.clear === null) throw new SealingError('truncated', 'the answer ended before its receipt');
    const receipt = decodeReceipt(this.clear.subarray(0, STATEMENT_SIZE.receipt));
    if (receipt.authorisationHash !== authorisationHash)
      throw new SealingError('receipt_mismatch', 'the receipt is for another authorisation');
    if (receipt.sealedHash !== this.sealedHash) throw new SealingError('receipt_mismatch', 'the receipt is for another sealed answer');
    return { receipt, signature: this.clear.subarray(STATEMENT_SIZE.receipt) };
  }
}
