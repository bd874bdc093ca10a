import { concat, toHex } from '../core/bytes';
import { fixture, makePki, realQuote, tdReport } from './platform/forgery.test-kit';
import { SIMULATED_TD, writeQuote } from './platform/quote-writer';
import { MAX_QUOTE_SIZE, parseQuote, trimQuote } from './quote';

const REFUSED = expect.objectContaining({ code: 'bad_quote' });
const quote = writeQuote(tdReport(new Uint8Array(64).fill(9)), makePki().platform);

/** `bytes` with others at `offset`. */
function patch(bytes: Uint8Array, offset: number, ...values: readonly number[]): Uint8Array {
  const patched = Uint8Array.from(bytes);
  patched.set(values, offset);
  return patched;
}

/** `quote` with a byte behind it that the little-endian sizes at these places count in. */
function grown(...sizes: readonly number[]): Uint8Array {
  const bytes = concat(quote, Uint8Array.of(0));
  const view = new DataView(bytes.buffer);
  for (const at of sizes) view.setUint32(at, view.getUint32(at, true) + 1, true);
  return bytes;
}

describe('a quote', () => {
  test('of a real platform is read, version 4', () => {
    const read = parseQuote(realQuote('fmspc-90c06f'));
    expect(read).toMatchObject({ version: 4, td: { teeTcbSvn2: null, mrServiceTd: null } });
    expect(toHex(read.td.tdAttributes)).toBe('0000001000000000');
    expect(toHex(read.td.xfam)).toBe('e702060000000000');
    expect(read.signedBytes).toHaveLength(632);
  });

  test('of a real platform is read, version 5', () => {
    const read = parseQuote(realQuote('v5'));
    expect(read.version).toBe(5);
    expect(read.td.teeTcbSvn2).toHaveLength(16);
    expect(read.td.mrServiceTd).toHaveLength(48);
    expect(read.signedBytes).toHaveLength(48 + 6 + 648);
  });

  test('of the simulated platform is read with every register in its place', () => {
    const { td } = parseQuote(quote);
    expect([td.mrTd, ...td.rtmr, td.reportData].map((register) => register[0])).toEqual([1, 2, 3, 4, 5, 9]);
    expect(td.teeTcbSvn).toEqual(SIMULATED_TD.teeTcbSvn);
    expect(td.mrSeam).toEqual(Uint8Array.from(SIMULATED_TD.mrSeam));
  });

  test.each([
    ['version 3', patch(quote, 0, 3)],
    ['version 6', patch(quote, 0, 6)],
    ['another key type', patch(quote, 2, 3)],
    ['the SGX tee type', patch(quote, 4, 0)],
    ['another vendor', patch(quote, 12, 0)],
    ['a byte behind it', concat(quote, Uint8Array.of(0))],
    ['a byte missing', quote.subarray(0, -1)],
    ['signature data that is shorter than its parts', patch(quote, 632, 10, 0)],
    ['signature data that is longer than the quote', patch(quote, 632, 0xff, 0xff, 0xff, 0xff)],
    ['another outer certification type', patch(quote, 632 + 4 + 128, 5)],
    ['another outer certification size', patch(quote, 632 + 4 + 130, 0)],
    ['an authentication data size past the end', patch(quote, 632 + 4 + 134 + 448, 0xff, 0xff)],
    ['another inner certification type', patch(quote, 632 + 4 + 134 + 448 + 2 + 32, 1)],
    ['version 5 without a body descriptor', patch(quote, 0, 5)],
    ['nothing', new Uint8Array(0)],
    ['a byte behind the certification data', grown(632)],
    ['a byte behind the PCK chain', grown(632, 632 + 4 + 130)],
  ])('with %s is refused (bad_quote)', (_, bytes) => {
    expect(() => parseQuote(bytes)).toThrow(REFUSED);
  });

  test.each([
    ['an unknown body type', 48, 1],
    ['the size of another body type', 48, 2],
    ['another body size', 50, 0],
  ])('of version 5 with %s is refused (bad_quote)', (_, offset, value) => {
    expect(() => parseQuote(patch(realQuote('v5'), offset, value))).toThrow(REFUSED);
  });

  test('above the size limit is refused, and one at the limit is read (bad_quote)', () => {
    const { platform } = makePki();
    const ofChain = (size: number) => writeQuote(tdReport(new Uint8Array(64)), { ...platform, pckChain: new Uint8Array(size) });
    const room = MAX_QUOTE_SIZE - ofChain(0).length;
    expect(() => parseQuote(ofChain(room + 1))).toThrow('quote of 32769 bytes, limit 32768');
    expect(parseQuote(ofChain(room)).pckChain).toHaveLength(room);
  });

  test('cut off anywhere is refused (bad_quote)', () => {
    for (let size = 0; size < quote.length; size++) expect(() => parseQuote(quote.subarray(0, size))).toThrow(REFUSED);
  });
});

describe('trimming', () => {
  test('takes away the zeros that a platform puts behind a quote, and only those', () => {
    expect(trimQuote(fixture('fmspc-90c06f.quote'))).toHaveLength(4940);
    expect(trimQuote(fixture('fmspc-b0c06f.quote'))).toHaveLength(4936);
    expect(trimQuote(quote)).toEqual(quote);
    expect(() => parseQuote(fixture('fmspc-90c06f.quote'))).toThrow('quote has 70 bytes too many');
  });

  test('refuses anything else behind a quote (bad_quote)', () => {
    expect(() => trimQuote(concat(quote, Uint8Array.of(0, 1, 0)))).toThrow(REFUSED);
    expect(() => trimQuote(quote.subarray(0, -1))).toThrow(REFUSED);
  });
});
