/** The walk's keys, each by its name. */
import { createHash } from 'node:crypto';
import { type KeyPair, keyPairFromSeed, sign } from '@ton/crypto';

export class Signer {
  private readonly pair: KeyPair;
  readonly publicKey: bigint;

  constructor(readonly name: string) {
    this.pair = keyPairFromSeed(createHash('sha256').update(name).digest());
    this.publicKey = BigInt(`0x${this.pair.publicKey.toString('hex')}`);
  }

  sign(hash: Buffer): Uint8Array {
    return sign(hash, this.pair.secretKey);
  }
}

const signers = new Map<string, Signer>();

/** The key with this name; the same one each time. */
export function signerOf(name: string): Signer {
  let signer = signers.get(name);
  if (signer === undefined) {
    signer = new Signer(name);
    signers.set(name, signer);
  }
  return signer;
}

/** Public keys of small order, of which the walk sends some: under them signatures can be made without any secret. */
export const WEAK_KEYS: readonly bigint[] = [
  0n,
  1n << 248n,
  0x26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05n,
  0x26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85n,
];
