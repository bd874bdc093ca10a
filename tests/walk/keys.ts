/**
 * The walk's keys, each by its name. Node's own Ed25519, because a walk signs more than a thousand statements and the pure JavaScript one
 * would take most of its time.
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';

/** DER of a PKCS #8 key up to its 32 bytes of seed. Source: RFC 8410 section 7. */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');
const KEY_BYTES = 32;

export class Signer {
  private readonly secret: KeyObject;
  readonly publicKey: bigint;

  constructor(readonly name: string) {
    const seed = createHash('sha256').update(name).digest();
    this.secret = createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, seed]), format: 'der', type: 'pkcs8' });
    const encoded = createPublicKey(this.secret).export({ format: 'der', type: 'spki' });
    this.publicKey = BigInt(`0x${encoded.subarray(-KEY_BYTES).toString('hex')}`);
  }

  sign(hash: Buffer): Uint8Array {
    return sign(null, hash, this.secret);
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
