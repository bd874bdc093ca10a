import fc from 'fast-check';
import {
  ByteReader,
  concat,
  equal,
  fromBase64Url,
  fromBigEndian,
  fromHex,
  fromUtf8,
  toBase64Url,
  toBigEndian,
  toHex,
  uintLe,
  utf8,
} from './bytes';

const SEED = { seed: 20261120 };
const bytes = fc.uint8Array({ maxLength: 100 });

describe('hex', () => {
  it('reads what it wrote', () => {
    fc.assert(
      fc.property(bytes, (value) => expect(fromHex(toHex(value))).toEqual(value)),
      SEED,
    );
    expect(toHex(Uint8Array.of(0, 15, 255))).toBe('000fff');
  });

  it.each<[string, string, number | undefined]>([
    ['an odd number of digits', 'abc', undefined],
    ['upper case', 'AB', undefined],
    ['a prefix', '0xab', undefined],
    ['a line end behind it', 'ab\n', undefined],
    ['fewer bytes than expected', 'ab', 2],
    ['more bytes than expected', 'ababab', 2],
  ])('with %s is refused (bad_hex)', (_name, text, size) => {
    expect(() => fromHex(text, size)).toThrow(expect.objectContaining({ name: 'MalformedError', code: 'bad_hex' }));
  });
});

describe('base64url', () => {
  it('reads what it wrote, and writes what others read', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        expect(toBase64Url(value)).toBe(Buffer.from(value).toString('base64url'));
        expect(fromBase64Url(toBase64Url(value), value.length)).toEqual(value);
      }),
      SEED,
    );
  });

  it('takes one text only for each value', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ABab01-_+/= \n€👋'), maxLength: 9 }), (text) => {
        try {
          expect(toBase64Url(fromBase64Url(text))).toBe(text);
        } catch (error) {
          expect(error).toMatchObject({ name: 'MalformedError', code: 'bad_base64url' });
        }
      }),
      { ...SEED, numRuns: 1000 },
    );
  });

  it.each<[string, string, number | undefined]>([
    ['padding', 'YQ==', undefined],
    ['the other alphabet', '-_+/', undefined],
    ['one character too many', 'YWJjZ', undefined],
    ['bits that are lost', 'YR', undefined],
    ['another size', 'YWJj', 2],
  ])('with %s is refused (bad_base64url)', (_name, text, size) => {
    expect(() => fromBase64Url(text, size)).toThrow(expect.objectContaining({ code: 'bad_base64url' }));
  });
});

describe('UTF-8', () => {
  it('keeps a byte order mark and refuses what is not UTF-8 (bad_utf8)', () => {
    expect(fromUtf8(utf8('\ufeffa👋'))).toBe('\ufeffa👋');
    for (const bad of [[0xc3, 0x28], [0xff], [0xed, 0xa0, 0x80]]) {
      expect(() => fromUtf8(Uint8Array.from(bad))).toThrow(expect.objectContaining({ code: 'bad_utf8' }));
    }
  });
});

describe('big-endian integers', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 256n) - 1n }), (value) => expect(fromBigEndian(toBigEndian(value, 32))).toBe(value)),
      SEED,
    );
    expect(toBigEndian(0x0102, 4)).toEqual(Uint8Array.of(0, 0, 1, 2));
  });

  it.each<[bigint | number, number]>([
    [256, 1],
    [-1, 4],
    [1n << 64n, 8],
  ])('that do not fit are refused: %s in %i bytes (out_of_range)', (value, size) => {
    expect(() => toBigEndian(value, size)).toThrow(expect.objectContaining({ code: 'out_of_range' }));
  });
});

test('little-endian integers are the big-endian ones read from behind, up to the largest safe one', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.integer({ min: 7, max: 9 }), (value, size) =>
      expect(uintLe(toBigEndian(value, size).reverse())).toBe(value),
    ),
    SEED,
  );
  expect(uintLe(Uint8Array.of(1, 2))).toBe(0x0201);
  expect(uintLe(new Uint8Array(0))).toBe(0);
  expect(uintLe(toBigEndian(Number.MAX_SAFE_INTEGER, 8).reverse())).toBe(Number.MAX_SAFE_INTEGER);
  expect(Number.isSafeInteger(uintLe(new Uint8Array(8).fill(0xff)))).toBe(false);
});

describe('byte strings', () => {
  it('are put together in order, as a copy', () => {
    const first = Uint8Array.of(1, 2);
    const all = concat(first, new Uint8Array(0), Uint8Array.of(3));
    first[0] = 9;
    expect(all).toEqual(Uint8Array.of(1, 2, 3));
    expect(concat()).toEqual(new Uint8Array(0));
  });

  it.each<[number[], number[], boolean]>([
    [[], [], true],
    [[1, 2], [1, 2], true],
    [[1, 2], [1, 3], false],
    [[1, 2], [1, 2, 0], false],
  ])('are equal byte by byte: %j and %j: %s', (a, b, expected) => {
    expect(equal(Uint8Array.from(a), Uint8Array.from(b))).toBe(expected);
  });
});

describe('a reader', () => {
  it('takes fields off the front to the end', () => {
    const reader = new ByteReader(Uint8Array.of(1, 0, 2, 3, 4, 5), 'thing');
    expect(reader.uint(1)).toBe(1);
    expect(reader.bigUint(2)).toBe(2n);
    expect(reader.take(1)).toEqual(Uint8Array.of(3));
    expect(() => reader.end()).toThrow(expect.objectContaining({ code: 'trailing_bytes', message: 'thing has 2 bytes too many' }));
    expect(reader.rest()).toEqual(Uint8Array.of(4, 5));
    reader.end();
    expect(reader.rest()).toEqual(new Uint8Array(0));
  });

  it('refuses to read past the end, and stays where it was (truncated)', () => {
    const reader = new ByteReader(Uint8Array.of(1, 2), 'thing');
    expect(() => reader.take(3)).toThrow(expect.objectContaining({ code: 'truncated', message: 'thing of 2 bytes, needed 3' }));
    expect(() => reader.take(-1)).toThrow(expect.objectContaining({ code: 'truncated' }));
    expect(reader.uint(2)).toBe(0x0102);
  });
});
