import { fromHex, toHex, utf8 } from '../core/bytes';
import { DER_TAG, DerReader, enterDer, toBitBytes, toBoolean, toNamedBits, toOid, toSmallNumber, toTimeSec, toUnsigned } from './der';
import { derElement, derInteger, derOid, derTime } from './der-writer';

const REFUSED = expect.objectContaining({ code: 'bad_der' });
const element = (hexText: string) => new DerReader(fromHex(hexText)).nextAny();

describe('DER', () => {
  test('reads elements in order, optional ones included, and knows its end', () => {
    const reader = enterDer(fromHex('3008020101040102a000'));
    expect(reader.optional(DER_TAG.boolean)).toBeNull();
    expect(toSmallNumber(reader.next(DER_TAG.integer))).toBe(1);
    expect(toHex(reader.next(DER_TAG.octetString).whole)).toBe('040102');
    expect(reader.isAtEnd).toBe(false);
    expect(reader.optional(DER_TAG.context0)?.content).toHaveLength(0);
    expect(reader.isAtEnd).toBe(true);
    expect(() => reader.end()).not.toThrow();
  });

  test('reads lengths of one to four bytes', () => {
    for (const size of [0, 127, 128, 255, 256, 65_535, 65_536]) {
      const bytes = derElement(DER_TAG.octetString, new Uint8Array(size));
      expect(new DerReader(bytes).next(DER_TAG.octetString).content).toHaveLength(size);
    }
  });

  test.each([
    ['nothing', ''],
    ['a tag alone', '30'],
    ['a length past the end', '3001'],
    ['a long length past the end', '3081800000'],
    ['the indefinite length', '30800000'],
    ['a length of five bytes', '30850000000001ff'],
    ['a length cut off', '308201'],
    ['a long form for a short length', '308101ff'],
    ['a length with a leading zero', '30820001ff'],
    ['a tag of several bytes', '3f8101'],
    ['another tag', '0400'],
    ['bytes behind the element', '300000'],
  ])('refuses %s where one sequence is expected (bad_der)', (_, text) => {
    expect(() => enterDer(fromHex(text))).toThrow(REFUSED);
  });

  test('refuses to end before the last element (bad_der)', () => {
    expect(() => new DerReader(fromHex('0500')).end()).toThrow('der has 2 bytes behind the last element');
  });

  test.each(['1.2.840.10045.4.3.2', '2.5.29.15', '0.9.2342', '2.999.1', '1.2.840.113741.1.13.1.2.18'])(
    'reads the object identifier %s',
    (oid) => {
      expect(toOid(new DerReader(derOid(oid)).next(DER_TAG.oid))).toBe(oid);
    },
  );

  test.each([
    ['an empty one', '0600'],
    ['a truncated arc', '060181'],
    ['an arc with a leading zero', '06028001'],
    ['an arc above 28 bits', '06062a8181818101'],
  ])('refuses an object identifier: %s (bad_der)', (_, text) => {
    expect(() => toOid(element(text))).toThrow(REFUSED);
  });

  test.each([
    ['020100', 0],
    ['02017f', 127],
    ['02020080', 128],
    ['020500ffffffff', 0xffffffff],
  ])('reads the integer %s', (text, value) => {
    expect(toSmallNumber(element(text))).toBe(value);
    expect(toHex(derInteger(value))).toBe(text);
  });

  test.each([
    ['no content', '0200'],
    ['a negative one', '020180'],
    ['a leading zero', '0202007f'],
  ])('refuses an integer: %s (bad_der)', (_, text) => {
    expect(() => toUnsigned(element(text))).toThrow(REFUSED);
  });

  test('refuses an integer above 32 bits where a small one is expected (bad_der)', () => {
    expect(() => toSmallNumber(element('02050100000000'))).toThrow('der has an integer of 5 bytes, limit 4');
  });

  test('reads booleans of 00 and ff, and refuses all others (bad_der)', () => {
    expect(toBoolean(element('0101ff'))).toBe(true);
    expect(toBoolean(element('010100'))).toBe(false);
    for (const text of ['010101', '0100', '0102ffff']) expect(() => toBoolean(element(text))).toThrow(REFUSED);
  });

  test('reads bit strings of whole bytes, and refuses others (bad_der)', () => {
    expect(toHex(toBitBytes(element('030200aa')))).toBe('aa');
    for (const text of ['0300', '030201aa']) expect(() => toBitBytes(element(text))).toThrow(REFUSED);
  });

  test('reads named bits by number', () => {
    expect([...toNamedBits(element('03020106'))]).toEqual([5, 6]);
    expect([...toNamedBits(element('0303078080'))]).toEqual([0, 8]);
    expect([...toNamedBits(element('030100'))]).toEqual([]);
  });

  test.each([
    ['nothing', '0300'],
    ['unused bits of nothing', '030101'],
    ['more than seven unused bits', '03020880'],
    ['a set bit among the unused ones', '03020107'],
    ['a trailing zero bit', '03020006'],
    ['a trailing zero byte', '0303008000'],
  ])('refuses named bits: %s (bad_der)', (_, text) => {
    expect(() => toNamedBits(element(text))).toThrow(REFUSED);
  });

  test.each([
    ['491231235959Z', Date.UTC(2049, 11, 31, 23, 59, 59)],
    ['500101000000Z', Date.UTC(1950, 0, 1)],
    ['240229120000Z', Date.UTC(2024, 1, 29, 12)],
  ])('reads the UTCTime %s', (text, ms) => {
    expect(toTimeSec(new DerReader(derElement(DER_TAG.utcTime, utf8(text))).nextAny())).toBe(ms / 1000);
  });

  test('writes each year in the form that it reads it in', () => {
    for (const sec of [0, Date.UTC(2049, 11, 31, 23, 59, 59) / 1000, Date.UTC(2050, 0, 1) / 1000, Date.UTC(2106, 0, 1) / 1000]) {
      expect(toTimeSec(new DerReader(derTime(sec)).nextAny())).toBe(sec);
    }
  });

  test.each([
    ['no seconds', DER_TAG.utcTime, '2401010000Z'],
    ['an offset', DER_TAG.utcTime, '240101000000+0100'],
    ['no zone', DER_TAG.utcTime, '240101000000'],
    ['30 February', DER_TAG.utcTime, '240230000000Z'],
    ['hour 24', DER_TAG.utcTime, '240101240000Z'],
    ['second 60', DER_TAG.utcTime, '240101000060Z'],
    ['month 13', DER_TAG.utcTime, '241301000000Z'],
    ['a fraction', DER_TAG.generalizedTime, '20600101000000.5Z'],
    ['a year before 2050 in the long form', DER_TAG.generalizedTime, '20240101000000Z'],
    ['another tag', DER_TAG.utf8String, '240101000000Z'],
  ])('refuses a time: %s (bad_der)', (_, tag, text) => {
    expect(() => toTimeSec(new DerReader(derElement(tag, utf8(text))).nextAny())).toThrow(REFUSED);
  });
});
