import { sign } from 'node:crypto';
import { concat, fromHex, fromUtf8, toHex, utf8 } from '../core/bytes';
import { nodeCrypto } from '../runtime/node-crypto';
import { isSignedBy, parseCertificate, SGX_CHAIN, verifyChain } from './certificate';
import { DER_TAG, enterDer } from './der';
import { derBits, derBoolean, derElement, derInteger, derOctets, derOid, derSequence, derText } from './der-writer';
import { splitPemChain, toPem } from './pem';
import { type CertificatePlan, type Issued, issueCertificate, toExtension } from './platform/development-certificates';
import { fixture, flips, makePki, NOW, type Pki, type PkiChanges, realQuote } from './platform/forgery.test-kit';
import { parseQuote } from './quote';

const REFUSED = expect.objectContaining({ code: expect.stringMatching(/^bad_(?:certificate|der)$/) });
const SGX_EXTENSION = '1.2.840.113741.1.13.1';

async function check(chain: readonly Issued[], root: Issued, nowSec = NOW) {
  const certificates = chain.map((certificate) => parseCertificate(certificate.der));
  return verifyChain(certificates, SGX_CHAIN.pck, parseCertificate(root.der), nowSec, nodeCrypto);
}

const checkPki = (pki: Pki) => check([pki.pck, pki.ca, pki.root], pki.root);

/** The same certificate with its fields edited (0 version, 1 serial, 5 subject, 6 key, 7 extensions), signed again by `issuer`. */
function reissue(certificate: Issued, issuer: Issued, edit: (fields: Uint8Array[]) => void): Issued {
  const reader = enterDer(parseCertificate(certificate.der).signedBytes);
  const fields: Uint8Array[] = [];
  while (!reader.isAtEnd) fields.push(reader.nextAny().whole);
  const algorithm = fields[2] ?? new Uint8Array(0);
  edit(fields);
  const signed = derSequence(...fields);
  const signature = sign('sha256', signed, { key: issuer.key, dsaEncoding: 'der' });
  return { ...certificate, der: derSequence(signed, algorithm, derBits(signature)) };
}

/** An edit of the extensions, hex in hex. */
function replacing(from: string, to: string): (fields: Uint8Array[]) => void {
  return (fields) => {
    const before = toHex(fields[7] ?? new Uint8Array(0));
    expect(before).toContain(from);
    fields[7] = fromHex(before.replace(from, to));
  };
}

// Key usages of issued certificates, as DER: the CA's (keyCertSign, cRLSign) and the leaf's (digitalSignature, nonRepudiation).
const CA_USAGE = '03020106';
const LEAF_USAGE = '030206c0';

describe('a certificate', () => {
  test("of Intel's root is read in all its parts", () => {
    expect(parseCertificate(fixture('intel-sgx-root-ca.der'))).toMatchObject({
      commonName: 'Intel SGX Root CA',
      serial: '22650cd65a9d3489f383b49552bf501b392706ac',
      notBeforeSec: Date.UTC(2018, 4, 21, 10, 45, 10) / 1000,
      notAfterSec: Date.UTC(2049, 11, 31, 23, 59, 59) / 1000,
      isCa: true,
      pathLength: 1,
      keyUsage: { digitalSignature: false, certSign: true, crlSign: true },
    });
  });

  test('of a real platform is read with its SGX extension', () => {
    const [der] = splitPemChain(parseQuote(realQuote('fmspc-90c06f')).pckChain, 3);
    const certificate = parseCertificate(der ?? new Uint8Array(0));
    expect(certificate).toMatchObject({ commonName: 'Intel SGX PCK Certificate', isCa: false, pathLength: null });
    expect(toHex(certificate.extensions.get(SGX_EXTENSION) ?? new Uint8Array(0))).toContain('90c06f000000');
  });

  const plan: CertificatePlan = { commonName: 'X SGX Root CA', notBeforeSec: NOW, notAfterSec: NOW, pathLength: 1 };
  const withExtension = (...extensions: Uint8Array[]) => issueCertificate({ ...plan, extensions }, null).der;
  test.each([
    ['an unknown critical extension', withExtension(toExtension('1.2.3', true, derSequence()))],
    ['an extension twice', withExtension(toExtension('1.2.3', false, derSequence()), toExtension('1.2.3', false, derSequence()))],
    ['a second key usage', withExtension(toExtension('2.5.29.15', true, derBits(Uint8Array.of(0x80), 7)))],
    ['a name that is not printable', issueCertificate({ ...plan, commonName: 'a\u0000 SGX Root CA' }, null).der],
    ['a name that is too long', issueCertificate({ ...plan, commonName: 'a'.repeat(65) }, null).der],
    ['bytes behind it', Uint8Array.from([...withExtension(), 0])],
    ['a byte missing', withExtension().subarray(0, -1)],
    ['nothing', new Uint8Array(0)],
  ])('with %s is refused', (_, der) => {
    expect(() => parseCertificate(der)).toThrow(REFUSED);
  });

  const issued = issueCertificate(plan, null);
  const name = (tag: number) =>
    derSequence(derElement(DER_TAG.set, derSequence(derOid('2.5.4.3'), derElement(tag, utf8('X SGX Root CA')))));
  const key = (curve: string, point: Uint8Array) => derSequence(derSequence(derOid('1.2.840.10045.2.1'), derOid(curve)), derBits(point));
  const P256 = '1.2.840.10045.3.1.7';
  const point = concat(Uint8Array.of(4), new Uint8Array(64).fill(1));
  test.each<[string, number, Uint8Array | null]>([
    ['no version', 0, null],
    ['version 2', 0, derElement(DER_TAG.context0, derInteger(1))],
    ['a serial number of 21 bytes', 1, derInteger(new Uint8Array(21).fill(1))],
    ['a negative serial number', 1, derElement(DER_TAG.integer, Uint8Array.of(0x80))],
    ['another algorithm', 2, derSequence(derOid('1.2.840.113549.1.1.11'))],
    ['a parameter of the algorithm', 2, derSequence(derOid('1.2.840.10045.4.3.2'), fromHex('0500'))],
    ['an issuer without a common name', 3, derSequence()],
    [
      'a common name twice',
      5,
      derSequence(...[1, 2].map(() => derElement(DER_TAG.set, derSequence(derOid('2.5.4.3'), derText('X SGX Root CA'))))),
    ],
    ['a common name that is not text', 5, name(DER_TAG.octetString)],
    ['a key of another curve', 6, key('1.3.132.0.34', point)],
    ['a compressed key', 6, key(P256, concat(Uint8Array.of(2), new Uint8Array(32).fill(1)))],
    ['a key of 64 bytes', 6, key(P256, point.subarray(0, 64))],
    ['no extensions', 7, null],
  ])('with %s is refused', (_, field, value) => {
    const { der } = reissue(issued, issued, (fields) => fields.splice(field, 1, ...(value === null ? [] : [value])));
    expect(() => parseCertificate(der)).toThrow(REFUSED);
  });

  const withConstraints = (...constraints: readonly Uint8Array[]) =>
    reissue(issued, issued, (fields) => {
      fields[7] = derElement(DER_TAG.context3, derSequence(toExtension('2.5.29.19', true, derSequence(...constraints))));
    }).der;

  test('that is reissued without an edit is read, so the refusals above are for their edits', () => {
    const { der } = reissue(issued, issued, (fields) => {
      fields[5] = name(DER_TAG.ia5String);
      fields[6] = key(P256, point);
    });
    expect(parseCertificate(der).commonName).toBe('X SGX Root CA');
  });

  test.each([
    [
      'spells out that an extension is not critical',
      withExtension(derSequence(derOid('1.2.3'), derBoolean(false), derOctets(derSequence()))),
    ],
    ['spells out that it is not a CA', reissue(issued, issued, replacing('30060101ff020101', '3006010100020101')).der],
    ['limits a path without being a CA', withConstraints(derInteger(1))],
    ['spells out that it is not a CA', withConstraints(derBoolean(false))],
  ])('that %s is refused (bad_certificate)', (reason, der) => {
    expect(() => parseCertificate(der)).toThrow(`certificate ${reason.replace('an extension', 'extension 1.2.3')}`);
  });

  test('whose signature value is wider than the curve is refused (bad_certificate)', () => {
    const der = withExtension();
    const { signedBytes } = parseCertificate(der);
    const wide = derSequence(derInteger(new Uint8Array(33).fill(1)), derInteger(1));
    const algorithm = derElement(0x30, Uint8Array.of(6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2));
    expect(() => parseCertificate(derSequence(signedBytes, algorithm, derBits(wide)))).toThrow('signature value of 33 bytes, limit 32');
  });

  test('that is changed anywhere is refused, or its signature is', async () => {
    const { pck, ca } = makePki();
    const issuer = parseCertificate(ca.der);
    expect(await isSignedBy(parseCertificate(pck.der), issuer, nodeCrypto)).toBe(true);
    for (const { at, bytes } of flips(pck.der)) {
      let isAccepted = false;
      try {
        isAccepted = await isSignedBy(parseCertificate(bytes), issuer, nodeCrypto);
      } catch (error) {
        expect(error).toEqual(REFUSED);
      }
      expect({ at, isAccepted }).toEqual({ at, isAccepted: false });
    }
  });
});

describe('a chain', () => {
  test('of platform, CA and root holds until the first of them ends', async () => {
    const pki = makePki({ ca: { notAfterSec: NOW + 5 } });
    expect(await checkPki(pki)).toMatchObject({ ok: true, notAfterSec: NOW + 5 });
    expect(await check([pki.pck, pki.ca, pki.root], pki.root, NOW + 5)).toMatchObject({ ok: true });
  });

  test.each<[string, PkiChanges, string]>([
    ['a leaf that has expired', { pck: { notAfterSec: NOW - 1 } }, 'certificate 0 was valid until'],
    ['a leaf that is not valid yet', { pck: { notBeforeSec: NOW + 1 } }, 'certificate 0 is valid from'],
    ['a CA that has expired', { ca: { notAfterSec: NOW - 1 } }, 'certificate 1 was valid until'],
    ['a root that has expired', { root: { notAfterSec: NOW - 1 } }, 'certificate 2 was valid until'],
    ['a leaf that is a CA', { pck: { pathLength: 0 } }, 'certificate 0 is not one that signs data only'],
    ['a CA that is none', { ca: { pathLength: null } }, 'certificate 1 is not a CA'],
    ['a root that allows no CA below it', { root: { pathLength: 0 } }, 'certificate 2 allows 0 CAs below it, there are 1'],
    ['a leaf named for another role', { pck: { commonName: 'SIMULATED SGX TCB Signing' } }, 'certificate 0 is not named for its role'],
    ['a CA named for another role', { ca: { commonName: 'SIMULATED SGX PCK Certificate' } }, 'certificate 1 is not named for its role'],
    ['a root named for another role', { root: { commonName: 'SIMULATED Root' } }, 'certificate 2 is not named for its role'],
  ])('with %s is refused', async (_, changes, reason) => {
    expect(await checkPki(makePki(changes))).toEqual({ ok: false, reason: expect.stringContaining(reason) });
  });

  test.each<[string, string, (pki: Pki) => readonly Issued[]]>([
    [
      'a leaf that is a CA, though it signs data too',
      'certificate 0 is not one that signs data only',
      ({ ca, root }) => [reissue(makePki({ pck: { pathLength: 0 } }).pck, ca, replacing(CA_USAGE, '03020186')), ca, root],
    ],
    [
      'a leaf that may not sign data',
      'certificate 0 is not one that signs data only',
      ({ pck, ca, root }) => [reissue(pck, ca, replacing(LEAF_USAGE, '03020640')), ca, root],
    ],
    [
      'a leaf that may sign certificates, without being a CA',
      'certificate 0 is not one that signs data only',
      ({ pck, ca, root }) => [reissue(pck, ca, replacing(LEAF_USAGE, '03020284')), ca, root],
    ],
    [
      'a leaf that may sign revocation lists',
      'certificate 0 is not one that signs data only',
      ({ pck, ca, root }) => [reissue(pck, ca, replacing(LEAF_USAGE, '03020182')), ca, root],
    ],
    [
      'a CA that may not sign certificates',
      'certificate 1 is not a CA',
      ({ pck, ca, root }) => [pck, reissue(ca, root, replacing(CA_USAGE, '03020102')), root],
    ],
    [
      'an issuer that may sign certificates without being a CA',
      'certificate 1 is not a CA',
      ({ root }) => {
        const issuer = reissue(makePki({ ca: { pathLength: null } }).ca, root, replacing(LEAF_USAGE, CA_USAGE));
        const commonName = 'SIMULATED SGX PCK Certificate';
        return [issueCertificate({ commonName, notBeforeSec: NOW, notAfterSec: NOW, pathLength: null }, issuer), issuer, root];
      },
    ],
  ])('with %s is refused', async (_, reason, make) => {
    const pki = makePki();
    expect(await check(make(pki), pki.root)).toEqual({ ok: false, reason });
  });

  const refusal = (reason: string) => ({ ok: false, reason });

  test('in which a platform has certified another platform is refused', async () => {
    const { pck, ca, root } = makePki();
    const minted = issueCertificate(
      { commonName: 'SIMULATED SGX PCK Certificate', notBeforeSec: NOW, notAfterSec: NOW, pathLength: null },
      pck,
    );
    expect(await check([minted, pck, root], root)).toEqual(refusal('certificate 1 is not named for its role'));
    expect(await check([minted, pck, ca, root], root)).toEqual(refusal('chain of 4 certificates, expected 3'));
  });

  test('whose leaf names its issuer but is signed by another key is refused', async () => {
    const pki = makePki();
    const other = makePki();
    expect(await check([other.pck, pki.ca, pki.root], pki.root)).toEqual(refusal('certificate 0 has a bad signature'));
    expect(await check([pki.pck, other.ca, pki.root], pki.root)).toEqual(refusal('certificate 0 has a bad signature'));
  });

  test('whose CA is signed by the root under another name is refused', async () => {
    const pki = makePki();
    const renamed = issueCertificate(
      { commonName: 'SIMULATED SGX PCK Platform CA', notBeforeSec: NOW, notAfterSec: NOW, pathLength: 0 },
      { ...pki.root, commonName: 'Another SGX Root CA' },
    );
    const pck = issueCertificate(
      { commonName: 'SIMULATED SGX PCK Certificate', notBeforeSec: NOW, notAfterSec: NOW, pathLength: null },
      renamed,
    );
    expect(await check([pck, renamed, pki.root], pki.root)).toEqual(refusal('certificate 1 names another issuer'));
  });

  test('that ends at another root of the same name is refused', async () => {
    const pki = makePki();
    expect(await check([pki.pck, pki.ca, pki.root], makePki().root)).toEqual(refusal('chain does not end at the trust root'));
    expect(await check([pki.pck, pki.ca], pki.root)).toEqual(refusal('chain of 2 certificates, expected 3'));
    expect(await check([], pki.root)).toEqual(refusal('chain of 0 certificates, expected 3'));
  });
});

describe('a PEM chain', () => {
  const pem = toPem(makePki().root.der);

  test('is split into the bytes that it was made of, with or without a NUL behind it', () => {
    const { pck, ca, root } = makePki();
    const text = [pck, ca, root].map((certificate) => toPem(certificate.der)).join('');
    for (const end of ['', '\u0000']) {
      expect(splitPemChain(utf8(text + end), 3).map(toHex)).toEqual([pck, ca, root].map((certificate) => toHex(certificate.der)));
    }
  });

  test("of a real quote has Intel's root at its end", () => {
    const chain = splitPemChain(parseQuote(realQuote('fmspc-b0c06f')).pckChain, 3);
    expect(toHex(chain[2] ?? new Uint8Array(0))).toBe(toHex(fixture('intel-sgx-root-ca.der')));
  });

  test.each([
    ['text before it', `x${pem}`],
    ['text behind it', `${pem}x`],
    ['a blank line', `${pem}\n`],
    ['two NULs behind it', `${pem}\u0000\u0000`],
    ['no line feed at its end', pem.slice(0, -1)],
    ['carriage returns', pem.replaceAll('\n', '\r\n')],
    ['one long line', pem.replace(/(?<=[A-Za-z0-9+/])\n(?=[A-Za-z0-9+/])/g, '')],
    ['an empty line', pem.replace('-----\n', '-----\n\n')],
    ['another label', pem.replaceAll('CERTIFICATE', 'X509 CRL')],
    ['bits behind the base64', pem.replace(/(.)=*\n-----END/, '$1=B=\n-----END')],
    ['a character that is not base64', pem.replace('MII', 'MI*')],
    ['more certificates than the limit', pem.repeat(4)],
  ])('with %s is refused (bad_certificate)', (_, text) => {
    expect(() => splitPemChain(utf8(text), 3)).toThrow(expect.objectContaining({ code: 'bad_certificate' }));
  });

  test('that is not text is refused (bad_certificate)', () => {
    expect(() => splitPemChain(Uint8Array.of(0xff, 0xfe), 3)).toThrow(expect.objectContaining({ code: 'bad_certificate' }));
  });

  test('of nothing has no certificates', () => {
    expect(splitPemChain(new Uint8Array(0), 3)).toEqual([]);
  });

  test('has lines of 64 characters', () => {
    expect(fromUtf8(utf8(toPem(derElement(4, new Uint8Array(100)))))).toMatch(/^-----BEGIN CERTIFICATE-----\n.{64}\n.{64}\n.{8}\n-----END/);
  });
});
