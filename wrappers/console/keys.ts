/** The public keys that contracts refuse (contracts/keys.tact): under a point of small order signatures need no secret. */

const P = (1n << 255n) - 19n;

/** The encodings of y with which the points of order 8 are written, sign bit cleared, little-endian. Source: RFC 8032, section 5.1. */
const ORDER_EIGHT = littleEndian(0x26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05n);
const WEAK_Y: ReadonlySet<bigint> = new Set([0n, 1n, P - 1n, P, P + 1n, ORDER_EIGHT, P - ORDER_EIGHT]);

/** Whether a key, its 32 bytes read as one big-endian number, is a point of small order; zero is one. */
export function isWeakKey(key: bigint): boolean {
  return WEAK_Y.has(littleEndian(key) & ((1n << 255n) - 1n));
}

function littleEndian(bigEndian: bigint): bigint {
  return BigInt(`0x${Buffer.from(bigEndian.toString(16).padStart(64, '0'), 'hex').reverse().toString('hex')}`);
}
