import { fromUtf8, toHex, utf8 } from '../core/bytes';
import { nodeCrypto } from '../runtime/node-crypto';
import { isSignedBy, parseCertificate, SGX_ROLE, splitPemChain, toPem, verifyChain } from './certificate';
import { derBits, derBoolean, derElement, derInteger, derOctets, derSequence } from './platform/der-writer';
import { type CertificatePlan, type Issued, issueCertificate, toExtension } from './platform/development-certificates';
import { fixture, flips, makePki, NOW, type Pki, type PkiChanges, realQuote } from './platform/forgery.test-kit';
import { parseQuote } from './quote';

const ROLES = [SGX_ROLE.pck, SGX_ROLE.pckCa, SGX_ROLE.root];
const REFUSED = expect.objectContaining({ code: expect.stringMatching(/^bad_(?:certificate|der)$/) });
const SGX_EXTENSION = '1.2.840.113741.1.13.1';

async function check(chain: readonly Issued[], root: Issued, nowSec = NOW) {
  const certificates = chain.map((certificate) => parseCertificate(certificate.der));
  return verifyChain(certificates, ROLES, parseCertificate(root.der), nowSec, nodeCrypto);
}

const checkPki = (pki: Pki) => check([pki.pck, pki.ca, pki.root], pki.root);

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
    expect(await checkPki(pki)).toEqual({ ok: true, notAfterSec: NOW + 5 });
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
    expect(derOctets(derBoolean(true))).toHaveLength(5);
  });
});
