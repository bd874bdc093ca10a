import { Address } from '@ton/core';
import fc from 'fast-check';
import { encodeAuthorisation, encodeOrder, encodeVoucher, MAX_OPEN, StatementError } from '../../wrappers/statements';
import { concat, toBigEndian } from '../core/bytes';
import { MalformedError } from '../core/errors';
import { SealingError } from './errors';
import {
  type ClientRequest,
  decodeClientRequest,
  decodeGuestRequest,
  decodeSignedVoucher,
  encodeClientRequest,
  encodeGuestRequest,
  encodeSignedVoucher,
} from './relay-body';

const SEED = { seed: 20261120 };
const uint = (bits: number) => fc.bigInt({ min: 0n, max: (1n << BigInt(bits)) - 1n });
const bytes = (size: number) => fc.uint8Array({ minLength: size, maxLength: size });
const address = bytes(32).map((hash) => new Address(0, Buffer.from(hash)));
const prices = fc.record({ uncachedPrompt: uint(48), cachedPrompt: uint(48), answer: uint(48), reasoning: uint(48) });
const voucher = fc.record({
  voucher: fc.record({ channel: address, total: uint(64), upTo: uint(64), open: uint(256) }),
  signature: bytes(64),
  openNumbers: fc.array(uint(64), { maxLength: 20 }),
});
const guest = fc.record({
  authorisation: fc.record({
    orderHash: uint(256),
    receiptKey: uint(256),
    seal: uint(256),
    maxAmount: uint(64),
    validUntil: fc.nat({ max: 2 ** 31 }),
    prices,
  }),
  enc: bytes(32),
  counter: uint(64),
  ciphertext: fc.uint8Array({ maxLength: 200 }),
});
const clientRequest: fc.Arbitrary<ClientRequest> = fc.record({
  voucher: fc.option(voucher),
  order: fc.record({ channel: address, number: uint(64), salt: uint(256) }),
  signature: bytes(64),
  guest,
});

const zero = new Address(0, Buffer.alloc(32));
const request: ClientRequest = {
  voucher: { voucher: { channel: zero, total: 5n, upTo: 6n, open: 7n }, signature: new Uint8Array(64).fill(1), openNumbers: [2n, 4n] },
  order: { channel: zero, number: 7n, salt: 8n },
  signature: new Uint8Array(64).fill(2),
  guest: {
    authorisation: {
      orderHash: 1n,
      receiptKey: 2n,
      seal: 3n,
      maxAmount: 4n,
      validUntil: 5,
      prices: { uncachedPrompt: 1n, cachedPrompt: 2n, answer: 3n, reasoning: 4n },
    },
    enc: new Uint8Array(32).fill(3),
    counter: 9n,
    ciphertext: new Uint8Array(40).fill(4),
  },
};

/** Uint8Arrays as plain arrays, so that views compare by what they hold. */
function plain(decoded: ClientRequest): unknown {
  return JSON.parse(
    JSON.stringify(decoded, (_key, value: unknown) => {
      if (typeof value === 'bigint') return `${value}`;
      return value instanceof Uint8Array ? [...value] : value;
    }),
  );
}

describe('a relay body', () => {
  it('decodes to what was encoded, and gives the bytes that go on to the worker', () => {
    fc.assert(
      fc.property(clientRequest, (sent) => {
        const decoded = decodeClientRequest(encodeClientRequest(sent));
        expect(plain(decoded.request)).toEqual(plain(sent));
        expect([...decoded.guestBytes]).toEqual([...encodeGuestRequest(sent.guest)]);
      }),
      SEED,
    );
  });

  it('has the layout of docs/formats.md', () => {
    const encoded = encodeClientRequest(request);
    const { voucher: signed, order, guest: inner } = request;
    expect(encoded.length).toBe(2 + (84 + 64 + 16) + 76 + 64 + (136 + 1 + 32 + 8 + 40));
    const voucherBytes =
      signed === null ? new Uint8Array(0) : concat(encodeVoucher(signed.voucher), signed.signature, toBigEndian(2n, 8), toBigEndian(4n, 8));
    expect(encoded).toEqual(
      concat(
        toBigEndian(164, 2),
        voucherBytes,
        encodeOrder(order),
        request.signature,
        encodeAuthorisation(inner.authorisation),
        Uint8Array.of(1),
        inner.enc,
        toBigEndian(9, 8),
        inner.ciphertext,
      ),
    );
  });

  it('tells worker and guest nothing of the channel', () => {
    const channel = new Address(0, Buffer.alloc(32, 0xc5));
    const named = { ...request, order: { ...request.order, channel } };
    expect(Buffer.from(decodeClientRequest(encodeClientRequest(named)).guestBytes).includes(Buffer.alloc(8, 0xc5))).toBe(false);
  });

  it('may come without a voucher', () => {
    expect(decodeClientRequest(encodeClientRequest({ ...request, voucher: null })).request.voucher).toBeNull();
  });

  it('may carry as many open numbers as a voucher may have', () => {
    const openNumbers = Array.from({ length: MAX_OPEN }, (_, i) => BigInt(i + 1));
    const signed = { voucher: { channel: zero, total: 5n, upTo: 6n, open: 7n }, signature: new Uint8Array(64), openNumbers };
    expect(decodeClientRequest(encodeClientRequest({ ...request, voucher: signed })).request.voucher?.openNumbers).toEqual(openNumbers);
  });
});

describe('a malformed relay body is refused', () => {
  const whole = encodeClientRequest(request);
  const at = {
    voucher: 2,
    open: 2 + 148,
    order: 2 + 164,
    signature: 2 + 164 + 76,
    authorisation: 2 + 164 + 140,
    suite: 2 + 164 + 140 + 136,
  };
  const change = (offset: number, ...values: number[]) =>
    concat(whole.subarray(0, offset), Uint8Array.from(values), whole.subarray(offset + values.length));
  const withVoucher = (voucherBytes: Uint8Array) => concat(toBigEndian(voucherBytes.length, 2), voucherBytes, whole.subarray(at.order));

  it.each<[string, Uint8Array, string]>([
    ['of no byte', new Uint8Array(0), 'truncated'],
    ['of one byte', Uint8Array.of(0), 'truncated'],
    ['with a voucher longer than the body', Uint8Array.of(0xff, 0xff), 'truncated'],
    ['with a voucher too short for a voucher', withVoucher(new Uint8Array(83)), 'truncated'],
    ['with a voucher without its signature', withVoucher(whole.subarray(at.voucher, at.voucher + 84)), 'truncated'],
    ['with a voucher of another tag', change(at.voucher, 0), 'bad_tag'],
    ['with open numbers that are cut', withVoucher(whole.subarray(at.voucher, at.open + 9)), 'truncated'],
    [
      'with too many open numbers',
      withVoucher(concat(whole.subarray(at.voucher, at.open), new Uint8Array(8 * (MAX_OPEN + 1)))),
      'oversize',
    ],
    ['cut behind the voucher', whole.subarray(0, at.order), 'truncated'],
    ['with an order of another tag', change(at.order, 0), 'bad_tag'],
    ['cut inside the order', whole.subarray(0, at.order + 75), 'truncated'],
    ['cut inside the signature', whole.subarray(0, at.authorisation - 1), 'truncated'],
    ['cut behind the signature', whole.subarray(0, at.authorisation), 'truncated'],
    ['with an authorisation of another tag', change(at.authorisation, 0), 'bad_tag'],
    ['cut inside the authorisation', whole.subarray(0, at.suite - 1), 'truncated'],
    ['cut before the suite', whole.subarray(0, at.suite), 'truncated'],
    ['with suite 0', change(at.suite, 0), 'bad_suite'],
    ['with suite 2', change(at.suite, 2), 'bad_suite'],
    ['cut inside the encapsulation', whole.subarray(0, at.suite + 32), 'truncated'],
    ['cut inside the counter', whole.subarray(0, at.suite + 40), 'truncated'],
  ])('%s', (_name, malformed, code) => {
    expect(() => decodeClientRequest(malformed)).toThrow(expect.objectContaining({ code }));
  });

  it('wherever it is cut before its ciphertext', () => {
    for (let size = 0; size < at.suite + 41; size++) {
      expect(() => decodeClientRequest(whole.subarray(0, size))).toThrow(expect.objectContaining({ code: 'truncated' }));
    }
  });

  const decoders: readonly ((input: Uint8Array) => unknown)[] = [decodeClientRequest, decodeGuestRequest, decodeSignedVoucher];
  const onlyTypedErrors = (input: Uint8Array) => {
    for (const decode of decoders) {
      try {
        decode(input);
      } catch (error) {
        if (!(error instanceof MalformedError || error instanceof SealingError || error instanceof StatementError)) throw error;
      }
    }
  };

  it('with a typed error, whatever the bytes are', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), onlyTypedErrors), { ...SEED, numRuns: 500 });
  });

  it('with a typed error, whatever was changed in a good one', () => {
    const good = fc.constantFrom(whole, encodeGuestRequest(request.guest), whole.subarray(at.voucher, at.order));
    const changed = fc.tuple(good, fc.nat(), fc.integer({ min: 1, max: 255 }), fc.nat()).map(([from, offset, mask, cut]) => {
      const copy = new Uint8Array(from.subarray(0, from.length - (cut % 3 === 0 ? cut % from.length : 0)));
      const index = offset % copy.length;
      copy[index] = (copy[index] ?? 0) ^ mask;
      return copy;
    });
    fc.assert(fc.property(changed, onlyTypedErrors), { ...SEED, numRuns: 1000 });
  });

  it('also a signed voucher by itself', () => {
    const { voucher: signed } = request;
    const encoded = signed === null ? new Uint8Array(0) : encodeSignedVoucher(signed);
    expect(decodeSignedVoucher(encoded).openNumbers).toEqual([2n, 4n]);
    expect(() => decodeSignedVoucher(encoded.subarray(0, -1))).toThrow(expect.objectContaining({ code: 'truncated' }));
  });
});
