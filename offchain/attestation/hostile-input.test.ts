import { concat, fromHex, fromUtf8, utf8 } from '../core/bytes';
import { webCrypto } from '../core/web-crypto';
import { nodeCrypto } from '../runtime/node-crypto';
import { parseCertificate } from './certificate';
import { decodeClaims, encodeClaims } from './claims';
import { DER_TAG, DerReader, toNamedBits, toOid, toTimeSec } from './der';
import { derBits, derElement, derInteger, derOctets, derOid, derSequence } from './der-writer';
import { EvidenceError } from './errors';
import { decodeBundle } from './evidence';
import { MAX_CHAIN_SIZE, splitPemChain, toPem } from './pem';
import { issueCertificate, toExtension } from './platform/development-certificates';
import { type ForgeryCase, honest, judge, pem, pki, tcbInfoBy, validity, withCollateral } from './platform/forgeries.test-kit';
import { hex, makeScene, WORKER_CLAIMS } from './platform/forgery.test-kit';
import { MAX_CRL_SIZE } from './revocation-list';
import { verifyEvidence } from './verify-evidence';

// Bytes of strangers that are malformed in a way that costs: they are refused as early as they can be, and by their check.

const ECDSA_WITH_SHA256 = derSequence(derOid('1.2.840.10045.4.3.2'));
/** More values than one call can have arguments. */
const HUGE = MAX_CRL_SIZE - 1024;

/** A list whose first date has this many digits; nobody's signature, since none is looked at before the form. */
function listDated(digits: number): Uint8Array {
  const time = derElement(DER_TAG.utcTime, new Uint8Array(digits).fill(0x30));
  const signed = derSequence(derInteger(1), ECDSA_WITH_SHA256, derSequence(), time);
  return derSequence(signed, ECDSA_WITH_SHA256, derBits(derSequence(derInteger(1), derInteger(1))));
}

describe('collateral is refused by its check, and nothing is thrown, for', () => {
  test.each<ForgeryCase>([
    ['a root CRL that is one long date', 'root-crl', /a time of 1047552 bytes/, () => withCollateral({ rootCrl: listDated(HUGE) })],
    ['a PCK CRL that is one long date', 'pck-crl', /a time of 1047552 bytes/, () => withCollateral({ pckCrl: listDated(HUGE) })],
    [
      'a chain of one long name',
      'tcb-info',
      /chain of \d+ bytes, limit 16384/,
      () =>
        tcbInfoBy(
          issueCertificate({ ...validity, commonName: `${'a'.repeat(HUGE)} SGX TCB Signing`, pathLength: null }, pki.root),
          pki.root,
        ),
    ],
    [
      'a chain of the true certificates, over and over',
      'pck-crl',
      /chain of \d+ bytes, limit 16384/,
      () => withCollateral({ pckCrlIssuerChain: concat(...Array.from({ length: 10_000 }, () => honest.pckCrlIssuerChain)) }),
    ],
  ])('%s (%s)', async (_, name, reason, make) => {
    const [first] = await judge(await make());
    expect(first?.name).toBe(name);
    expect(first?.reason).toMatch(reason);
  });
});

describe('bytes that are read in two ways are refused:', () => {
  const text = fromUtf8(encodeClaims(WORKER_CLAIMS));
  test.each([
    ['a member named __proto__', text.replace('{', '{"__proto__":{"role":"proxy"},')],
    ['a member named __proto__ in its place of the order', text.replace('"block":', '"__proto__":{},"block":')],
    ['a member named __proto__ further in', text.replace('"block":{', '"block":{"__proto__":{"seqno":1},')],
    ['a name twice', text.replace('"gpu":null', '"gpu":null,"gpu":null')],
    ['an escape', text.replace('cocoon-demo', 'cocoon\\u002ddemo')],
    ['a number with a fraction', text.replace('"version":1', '"version":1.0')],
    ['a number above the safe ones', text.replace('"seqno":1000', '"seqno":9007199254740993')],
    ['minus zero', text.replace('"seqno":1000', '"seqno":-0')],
    ['nesting', `${'['.repeat(8000)}${']'.repeat(8000)}`],
  ])('claims with %s', (_, forged) => {
    expect(forged).not.toBe(text);
    expect(() => decodeClaims(utf8(forged))).toThrow(EvidenceError);
  });

  test('and without that, claims and bundle are read', () => {
    expect(decodeClaims(utf8(text))).toEqual(WORKER_CLAIMS);
    expect(decodeBundle(utf8('{"claims":"AA","quote":""}'))).toEqual({ claims: Uint8Array.of(0), quote: new Uint8Array(0) });
  });

  test.each([
    ['a member named __proto__', '{"__proto__":{"claims":""},"claims":"","quote":""}'],
    ['standard base64', '{"claims":"+/==","quote":""}'],
    ['bits behind the base64', '{"claims":"AB","quote":""}'],
    ['a character beside the base64', '{"claims":"AA\u0100A","quote":""}'],
  ])('a bundle with %s', (_, forged) => {
    expect(() => decodeBundle(utf8(forged))).toThrow(EvidenceError);
  });
});

describe('a signature that no key can have made is none, and is no error, under', () => {
  const ORDER = fromHex('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
  const zero = new Uint8Array(32);
  const one = Uint8Array.from(zero, (_, i) => (i === 31 ? 1 : 0));
  const ones = new Uint8Array(32).fill(0xff);
  const message = utf8('message');
  const { publicKey } = parseCertificate(pki.root.der);
  const cases: readonly [Uint8Array, Uint8Array][] = [
    ...[zero, one, ORDER, ones].flatMap((r) => [zero, ORDER, ones].map((s): [Uint8Array, Uint8Array] => [publicKey, concat(r, s)])),
    ...[concat(zero, zero), concat(zero, one), concat(ones, ones)].map((point): [Uint8Array, Uint8Array] => [
      concat(Uint8Array.of(4), point),
      concat(one, one),
    ]),
  ];
  test.each([
    ['node:crypto', nodeCrypto],
    ['WebCrypto', webCrypto(globalThis.crypto)],
  ])('%s', async (_, crypto) => {
    for (const [key, signature] of cases) expect(await crypto.verifyP256(key, message, signature)).toBe(false);
  });
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
  'evidence is refused by a clock that shows %s',
  async (nowSec) => {
    const { input } = await makeScene();
    expect((await verifyEvidence(input)).accepted).toBe(true);
    expect((await verifyEvidence({ ...input, nowSec })).accepted).toBe(false);
  },
);

test('a stranger has the chain asked for no block in the name of an image that is not listed, or of another network', async () => {
  const { input } = await makeScene();
  const asked: number[] = [];
  const blocks = (seqno: number): null => {
    asked.push(seqno);
    return null;
  };
  await verifyEvidence({ ...input, blocks, allowlist: { ...input.allowlist, image: () => null } });
  await verifyEvidence({ ...input, blocks, allowlist: { ...input.allowlist, image: () => ({ roles: ['proxy'], activeFromSec: 0 }) } });
  await verifyEvidence({ ...input, blocks, expected: { ...input.expected, network: `0:${hex(0)}` } });
  expect(asked).toEqual([]);
  await verifyEvidence({ ...input, blocks });
  expect(asked).toEqual([1000]);
});

describe('a reader refuses before it works:', () => {
  test('a PEM chain above its limit, and takes one at it', () => {
    const chain = pem(pki.root);
    const filler = toPem(derElement(4, new Uint8Array(MAX_CHAIN_SIZE)));
    expect(() => splitPemChain(concat(chain, utf8(filler)), 3)).toThrow(/^certificate chain of \d+ bytes, limit 16384$/);
    expect(() => splitPemChain(new Uint8Array(MAX_CHAIN_SIZE).fill(0x41), 3)).toThrow('certificate chain is not in strict PEM form');
  });

  test('a date of another length than dates have (bad_der)', () => {
    const date = (tag: number, digits: number) => new DerReader(derElement(tag, new Uint8Array(digits).fill(0x30))).nextAny();
    expect(() => toTimeSec(date(DER_TAG.utcTime, HUGE))).toThrow('der has a time of 1047552 bytes, expected 13');
    expect(() => toTimeSec(date(DER_TAG.generalizedTime, 13))).toThrow('der has a time of 13 bytes, expected 15');
    expect(() => toTimeSec(date(DER_TAG.octetString, HUGE))).toThrow('der has tag 0x4 where a time was expected');
  });

  test('an object identifier that would fill a report (bad_der)', () => {
    const oid = (arcs: number) => new DerReader(derElement(DER_TAG.oid, new Uint8Array(arcs).fill(1))).nextAny();
    expect(toOid(oid(32)).split('.')).toHaveLength(33);
    expect(() => toOid(oid(33))).toThrow('der has an object identifier of 33 bytes, limit 32');
    const der = issueCertificate(
      {
        ...validity,
        commonName: 'X SGX Root CA',
        pathLength: 1,
        extensions: [toExtension(`1.2${'.3'.repeat(10_000)}`, true, derOctets(utf8('')))],
      },
      null,
    ).der;
    expect(() => parseCertificate(der)).toThrow(/^der has an object identifier of 10001 bytes, limit 32$/);
  });

  test('a list of more bits than any list names (bad_der)', () => {
    const bits = (size: number) => new DerReader(derBits(new Uint8Array(size).fill(0xff))).nextAny();
    expect(toNamedBits(bits(4)).size).toBe(32);
    expect(() => toNamedBits(bits(5))).toThrow('der has a named bit list of 5 bytes, limit 4');
  });

  test('a common name of another length than names have (bad_certificate)', () => {
    const long = issueCertificate({ ...validity, commonName: `${'a'.repeat(HUGE)} SGX Root CA`, pathLength: 1 }, null);
    expect(() => parseCertificate(long.der)).toThrow('certificate does not have one printable common name');
  });
});
