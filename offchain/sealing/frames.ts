/** The frames of a sealed response, seen by everybody on the way: nonce, chunks, the final one, the receipt in clear. */
import { concat, fromBigEndian, toBigEndian } from '../core/bytes';
import { SealingError } from './errors';
import { RESPONSE_NONCE_SIZE } from './keys';

/** Most ciphertext in one chunk. */
export const MAX_CHUNK_SIZE = 65_536;
/** Most plaintext in one chunk: what is left of 64 KiB after the tag, the length and a full pad. */
export const MAX_CHUNK_CONTENT = MAX_CHUNK_SIZE - 16 - 256;
/** Bytes behind the final chunk: the receipt and its signature in clear. */
export const CLEAR_RECEIPT_SIZE = 121 + 64;

const FINAL_FLAG = 0x8000_0000;

/** The four bytes in front of a chunk's ciphertext. */
export function frameHeader(size: number, isFinal: boolean): Uint8Array {
  return toBigEndian(BigInt(size) + (isFinal ? BigInt(FINAL_FLAG) : 0n), 4);
}

/** A piece of a response, with the exact bytes that it took on the wire. */
export type Frame =
  | { readonly type: 'nonce'; readonly wire: Uint8Array; readonly nonce: Uint8Array }
  | { readonly type: 'chunk'; readonly wire: Uint8Array; readonly ciphertext: Uint8Array }
  | { readonly type: 'final'; readonly wire: Uint8Array; readonly ciphertext: Uint8Array }
  | { readonly type: 'receipt'; readonly wire: Uint8Array };

/** Cuts a response into its frames however the network cut it. Holds at most one frame. */
export class FrameReader {
  private pending: Uint8Array = new Uint8Array(0);
  private state: 'nonce' | 'chunks' | 'receipt' | 'done' = 'nonce';

  /**
   * Takes the next bytes, gives the frames that are whole: to be iterated to its end. Each frame is cut off when it is asked for, so
   * that what is wrong behind it is found after it, wherever the network cut. @throws SealingError oversize, trailing_bytes
   */
  *push(bytes: Uint8Array): Generator<Frame, void, void> {
    this.pending = this.pending.length === 0 ? bytes : concat(this.pending, bytes);
    for (let frame = this.next(); frame !== null; frame = this.next()) yield frame;
  }

  /** Whether the response has arrived to its end, the receipt in clear included. */
  get isComplete(): boolean {
    return this.state === 'done';
  }

  /** The response is over. @throws SealingError truncated */
  end(): void {
    if (!this.isComplete) throw new SealingError('truncated', 'the answer ended before its receipt');
  }

  private next(): Frame | null {
    switch (this.state) {
      case 'nonce': {
        const wire = this.take(RESPONSE_NONCE_SIZE);
        if (wire === null) return null;
        this.state = 'chunks';
        return { type: 'nonce', wire, nonce: wire };
      }
      case 'chunks': {
        if (this.pending.length < 4) return null;
        const word = Number(fromBigEndian(this.pending.subarray(0, 4)));
        const isFinal = word >= FINAL_FLAG;
        const size = isFinal ? word - FINAL_FLAG : word;
        if (size > MAX_CHUNK_SIZE) throw new SealingError('oversize', `chunk of ${size} bytes, limit ${MAX_CHUNK_SIZE}`);
        const wire = this.take(4 + size);
        if (wire === null) return null;
        if (isFinal) this.state = 'receipt';
        return { type: isFinal ? 'final' : 'chunk', wire, ciphertext: wire.subarray(4) };
      }
      case 'receipt': {
        const wire = this.take(CLEAR_RECEIPT_SIZE);
        if (wire === null) return null;
        this.state = 'done';
        return { type: 'receipt', wire };
      }
      case 'done':
        if (this.pending.length > 0) throw new SealingError('trailing_bytes', 'the answer goes on behind its receipt');
        return null;
    }
  }

  private take(size: number): Uint8Array | null {
    if (this.pending.length < size) return null;
    const taken = this.pending.subarray(0, size);
    this.pending = this.pending.subarray(size);
    return taken;
  }
}
