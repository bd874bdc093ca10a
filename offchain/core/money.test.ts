import fc from 'fast-check';
import { formatTon, MAX_NANO, maxNano, minNano, parseNano, parseTon } from './money';

const SEED = { seed: 20261120 };
const amount = fc.bigInt({ min: 0n, max: MAX_NANO });

describe('an amount', () => {
  it('is read back from what people see, to the last nano', () => {
    fc.assert(
      fc.property(amount, (nano) => expect(parseTon(formatTon(nano))).toBe(nano)),
      SEED,
    );
  });

  it('is read back from its decimal string', () => {
    fc.assert(
      fc.property(amount, (nano) => expect(parseNano(nano.toString())).toBe(nano)),
      SEED,
    );
  });

  it.each<[bigint, string]>([
    [0n, '0'],
    [1n, '0.000000001'],
    [1_000_000_000n, '1'],
    [1_500_000_000n, '1.5'],
    [-250_000_000n, '-0.25'],
    [MAX_NANO, '18446744073.709551615'],
  ])('of %s nanoTON is shown as %s', (nano, text) => {
    expect(formatTon(nano)).toBe(text);
  });

  it.each<[string, bigint]>([
    ['1', 1_000_000_000n],
    ['0.25', 250_000_000n],
    ['0.000000001', 1n],
    ['18446744073.709551615', MAX_NANO],
  ])('written as %s TON is %s nanoTON', (text, nano) => {
    expect(parseTon(text)).toBe(nano);
  });

  it.each(['', '-1', '+1', '1.', '.5', '1,5', '1e3', '0x1', ' 1', '1\n', '0.0000000001', '18446744073.709551616', '999999999999', '１'])(
    'in TON is not %j (bad_amount)',
    (text) => {
      expect(() => parseTon(text)).toThrow(expect.objectContaining({ name: 'MalformedError', code: 'bad_amount' }));
    },
  );

  it.each(['', '-1', '+1', '01', '1.0', '1e3', ' 1', '1\n', '18446744073709551616', '100000000000000000000', '１'])(
    'in nanoTON is not %j (bad_amount)',
    (text) => {
      expect(() => parseNano(text)).toThrow(expect.objectContaining({ name: 'MalformedError', code: 'bad_amount' }));
    },
  );

  it('has a smaller and a larger one', () => {
    expect([minNano(1n, 2n), minNano(2n, 1n), maxNano(1n, 2n), maxNano(2n, 1n)]).toEqual([1n, 1n, 2n, 2n]);
  });
});
