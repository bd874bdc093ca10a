import fc from 'fast-check';
import { fromUtf8, utf8 } from '../core/bytes';
import { decodeCanonicalJson, encodeCanonicalJson } from './canonical-json';
import { EvidenceError } from './errors';

const LIMIT = 1000;

describe('canonical JSON', () => {
  // The order of names and the escapes are those of the examples in RFC 8785, sections 3.2.2 and 3.2.3.
  test.each([
    ['null', null, 'null'],
    ['an empty object', {}, '{}'],
    ['an empty array', [], '[]'],
    ['the largest safe integer', 9007199254740991, '9007199254740991'],
    ['the smallest safe integer', -9007199254740991, '-9007199254740991'],
    ['minus zero as zero', -0, '0'],
    ['nesting without white space', { b: [1, { d: null, c: 'x' }], a: '' }, '{"a":"","b":[1,{"c":"x","d":null}]}'],
    ['short escapes', '\b\t\n\f\r"\\/', '"\\b\\t\\n\\f\\r\\"\\\\/"'],
    ['other control characters in lower-case hex', '\u0000\u000f\u001f', '"\\u0000\\u000f\\u001f"'],
    ['everything else as it is', '\u007f\u0080€\u2028ö😀', '"\u007f\u0080€\u2028ö😀"'],
    [
      'names sorted by UTF-16 code units',
      { '€': 1, '\r': 2, '\ufb33': 3, '1': 4, '😀': 5, '\u0080': 6, ö: 7 },
      '{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"😀":5,"\ufb33":3}',
    ],
    ['names that look like numbers as text', { '10': 1, '9': 2 }, '{"10":1,"9":2}'],
  ])('writes %s', (_, value, text) => {
    expect(fromUtf8(encodeCanonicalJson(value))).toBe(text);
  });

  test.each([
    ['a fraction', 0.5],
    ['an unsafe integer', 2 ** 53],
    ['infinity', Number.POSITIVE_INFINITY],
    ['not a number', Number.NaN],
    ['a boolean', true],
    ['undefined', { a: undefined }],
    ['a bigint', 1n],
    ['a lone high surrogate', '\ud800'],
    ['a lone low surrogate in a name', { '\udc00': 1 }],
    ['nesting without end', JSON.parse('['.repeat(20) + ']'.repeat(20))],
  ])('refuses to write %s (bad_json)', (_, value) => {
    expect(() => encodeCanonicalJson(value)).toThrow(EvidenceError);
  });

  test.each([
    ['white space', '{ "a":1}'],
    ['a line feed behind the value', '{}\n'],
    ['unsorted names', '{"b":1,"a":2}'],
    ['a repeated name', '{"a":1,"a":1}'],
    ['a number with a fraction of zero', '1.0'],
    ['an exponent', '1e2'],
    ['minus zero', '-0'],
    ['an escape that is not needed', '"\\u0061"'],
    ['an escaped slash', '"\\/"'],
    ['upper-case hex in an escape', '"\\u001F"'],
    ['a long escape where a short one exists', '"\\u000a"'],
    ['an escaped surrogate pair', '"\\ud83d\\ude00"'],
    ['an escaped lone surrogate', '"\\ud800"'],
    ['a boolean', 'true'],
    ['a fraction', '0.5'],
    ['an integer above the safe ones', '9007199254740993'],
    ['a byte order mark', '\ufeff{}'],
    ['nothing', ''],
    ['two values', '{}{}'],
    ['deep nesting', '['.repeat(400) + ']'.repeat(400)],
  ])('refuses to read %s (bad_json)', (_, text) => {
    expect(() => decodeCanonicalJson(utf8(text), LIMIT)).toThrow(expect.objectContaining({ code: 'bad_json' }));
  });

  test('refuses bytes that are not UTF-8 (bad_json)', () => {
    expect(() => decodeCanonicalJson(Uint8Array.of(0x22, 0xff, 0x22), LIMIT)).toThrow(expect.objectContaining({ code: 'bad_json' }));
  });

  test('refuses more bytes than the limit, and takes exactly the limit', () => {
    const text = `"${'a'.repeat(LIMIT - 2)}"`;
    expect(decodeCanonicalJson(utf8(text), LIMIT)).toHaveLength(LIMIT - 2);
    expect(() => decodeCanonicalJson(utf8(`"${'a'.repeat(LIMIT - 1)}"`), LIMIT)).toThrow('json of 1001 bytes, limit 1000');
  });

  test('does not repeat its input in the error, since that came from the network', () => {
    const read = () => decodeCanonicalJson(utf8('{"secret": nonsense}'), LIMIT);
    expect(read).toThrow(/^not json$/);
    expect(read).not.toThrow(expect.objectContaining({ cause: expect.anything() }));
  });

  test('keeps a member named __proto__ a member', () => {
    const bytes = utf8('{"__proto__":{"a":1}}');
    const value = decodeCanonicalJson(bytes, LIMIT);
    expect(Object.keys(Object(value))).toEqual(['__proto__']);
    expect(encodeCanonicalJson(value)).toEqual(bytes);
  });

  test('reads back what it wrote, whatever the value', () => {
    const scalar = fc.oneof(
      fc.constant(null),
      fc.string({ unit: 'grapheme' }),
      fc.maxSafeInteger().map((n) => n + 0),
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof({ maxDepth: 4 }, scalar, fc.array(tie('value')), fc.dictionary(fc.string(), tie('value'))),
    }));
    fc.assert(
      fc.property(value, (original) => {
        const bytes = encodeCanonicalJson(original);
        expect(encodeCanonicalJson(decodeCanonicalJson(bytes, 1e6))).toEqual(bytes);
      }),
      { seed: 1, numRuns: 300 },
    );
  });
});
