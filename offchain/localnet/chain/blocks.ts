import { createHash } from 'node:crypto';

const HASH_SIZE = 32;

/** A block of the local chain: the masterchain's and the basechain's blocks come in pairs of the same number. */
export interface Block {
  readonly seqno: number;
  readonly timeSec: number;
  /** 32 bytes. */
  readonly rootHash: Buffer;
}

/**
 * Number, time and hash of every block since genesis, 36 bytes each in memory: one a second is 3 MB a day.
 * Each hash covers the block before it, so that a hash stands for one history of one chain.
 */
export class Blocks {
  private times = new Uint32Array(1024);
  private hashes = Buffer.alloc(1024 * HASH_SIZE);
  private count = 0;

  constructor(seed: Buffer, genesisSec: number) {
    this.push(genesisSec, createHash('sha256').update('cocoon local genesis').update(seed).digest());
  }

  get last(): Block {
    return this.read(this.count - 1);
  }

  at(seqno: number): Block | null {
    return Number.isInteger(seqno) && seqno >= 0 && seqno < this.count ? this.read(seqno) : null;
  }

  /** Hash of a next block at that time with transactions of these hashes. */
  nextHash(timeSec: number, transactionHashes: readonly Buffer[]): Buffer {
    const numbers = Buffer.alloc(8);
    numbers.writeUInt32BE(this.count, 0);
    numbers.writeUInt32BE(timeSec, 4);
    const hash = createHash('sha256').update('cocoon local block').update(this.last.rootHash).update(numbers);
    for (const transactionHash of transactionHashes) hash.update(transactionHash);
    return hash.digest();
  }

  push(timeSec: number, rootHash: Buffer): void {
    if (this.count === this.times.length) this.grow();
    this.times[this.count] = timeSec;
    rootHash.copy(this.hashes, this.count * HASH_SIZE);
    this.count++;
  }

  private read(seqno: number): Block {
    const hash = this.hashes.subarray(seqno * HASH_SIZE, (seqno + 1) * HASH_SIZE);
    return { seqno, timeSec: this.times[seqno] ?? 0, rootHash: Buffer.from(hash) };
  }

  private grow(): void {
    const times = new Uint32Array(2 * this.times.length);
    times.set(this.times);
    this.times = times;
    this.hashes = Buffer.concat([this.hashes, Buffer.alloc(this.hashes.length)]);
  }
}

/** The hash of something that belongs to a block: its file, the basechain's block of the same number. */
export function derivedHash(rootHash: Buffer, what: 'file' | 'basechain'): Buffer {
  return createHash('sha256').update(`cocoon local ${what}`).update(rootHash).digest();
}
