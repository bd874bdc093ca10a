import { sign } from 'node:crypto';
import { nodeCrypto } from '../runtime/node-crypto';
import { parseCertificate } from './certificate';
import { DER_TAG, enterDer } from './der';
import { derBits, derElement, derInteger, derSequence, derTime } from './der-writer';
import { issueRevocationList, toExtension } from './platform/development-certificates';
import { intelRoot, makePki, NOW, REAL_NOW, realCollateral } from './platform/forgery.test-kit';
import { MAX_CRL_SIZE, parseRevocationList, refuseRevocationList } from './revocation-list';

const pki = makePki();
const plan = { thisUpdateSec: NOW - 10, nextUpdateSec: NOW + 10, revoked: ['01', 'ff00'] };
const REFUSED = expect.objectContaining({ code: expect.stringMatching(/^bad_(?:crl|der)$/) });

/** A list with its fields edited (0 version, 1 algorithm, 2 issuer, 3 and 4 times, 5 entries, 6 extensions), signed again. */
function reissue(edit: (fields: Uint8Array[]) => void): Uint8Array {
  const reader = enterDer(parseRevocationList(issueRevocationList(pki.root, plan)).signedBytes);
  const fields: Uint8Array[] = [];
  while (!reader.isAtEnd) fields.push(reader.nextAny().whole);
  const algorithm = fields[1] ?? new Uint8Array(0);
  edit(fields);
  const signed = derSequence(...fields);
  return derSequence(signed, algorithm, derBits(sign('sha256', signed, { key: pki.root.key, dsaEncoding: 'der' })));
}

const entry = (...parts: readonly Uint8Array[]) => derSequence(derSequence(...parts));
const ofExtension = (extension: Uint8Array) => derElement(DER_TAG.context0, derSequence(extension));

describe('a revocation list', () => {
  test('is read with its serial numbers and its window', () => {
    const list = parseRevocationList(issueRevocationList(pki.root, plan));
    expect(list).toMatchObject({ thisUpdateSec: NOW - 10, nextUpdateSec: NOW + 10 });
    expect([...list.revoked]).toEqual(['01', 'ff00']);
  });

  test("of Intel's is read: the root's, which revokes nothing, and the platform CA's", async () => {
    const { rootCrl, pckCrl } = realCollateral('fmspc-90c06f');
    const list = parseRevocationList(rootCrl);
    expect(list.revoked.size).toBe(0);
    expect(await refuseRevocationList(list, (await intelRoot()).certificate, REAL_NOW['fmspc-90c06f'], nodeCrypto)).toBeNull();
    const { revoked } = parseRevocationList(pckCrl);
    expect(revoked.has('6fc34e5023e728923435d61aa4b83c618166ad35')).toBe(true);
    expect(revoked.has('efae6e9715fca13b87e333e8261ed6d990a926ad')).toBe(true);
  });

  test('holds from its first second to its last', async () => {
    const list = parseRevocationList(issueRevocationList(pki.root, plan));
    const root = parseCertificate(pki.root.der);
    const refusal = (nowSec: number) => refuseRevocationList(list, root, nowSec, nodeCrypto);
    expect([await refusal(NOW - 10), await refusal(NOW + 10)]).toEqual([null, null]);
    expect(await refusal(NOW - 11)).toMatch(/valid from/);
    expect(await refusal(NOW + 11)).toMatch(/valid until/);
  });

  test('of an issuer that may not sign lists is refused', async () => {
    const leaf = makePki({ ca: { pathLength: null } }).ca;
    const list = parseRevocationList(issueRevocationList(leaf, plan));
    expect(await refuseRevocationList(list, parseCertificate(leaf.der), NOW, nodeCrypto)).toBe('is of an issuer that may not sign lists');
  });

  test('that is written again unchanged is taken, so that the edits below are what is refused', () => {
    expect(() => parseRevocationList(reissue(() => undefined))).not.toThrow();
  });

  test.each<[string, (fields: Uint8Array[]) => void]>([
    ['of version 1', (fields) => fields.splice(0, 1, derInteger(0))],
    ['without a version', (fields) => fields.splice(0, 1)],
    ['without an end', (fields) => fields.splice(4, 1)],
    ['with an empty list of entries', (fields) => fields.splice(5, 1, derSequence())],
    ['with an entry without a date', (fields) => fields.splice(5, 1, entry(derInteger(1)))],
    ['with an entry whose date is none', (fields) => fields.splice(5, 1, entry(derInteger(1), derInteger(1)))],
    [
      'with a negative serial number',
      (fields) => fields.splice(5, 1, entry(derElement(DER_TAG.integer, Uint8Array.of(0x80)), derTime(NOW))),
    ],
    ['with a serial number of 21 bytes', (fields) => fields.splice(5, 1, entry(derInteger(new Uint8Array(21).fill(1)), derTime(NOW)))],
    [
      'with an entry of another issuer',
      (fields) => fields.splice(5, 1, entry(derInteger(1), derTime(NOW), derSequence(toExtension('2.5.29.29', true, derSequence())))),
    ],
    ['without extensions', (fields) => fields.splice(6, 1)],
    ['with an unknown critical extension', (fields) => fields.splice(6, 1, ofExtension(toExtension('1.2.3', true, derSequence())))],
    ['that is a delta', (fields) => fields.splice(6, 1, ofExtension(toExtension('2.5.29.27', false, derInteger(1))))],
    ['with a field behind its extensions', (fields) => fields.push(derInteger(1))],
  ])('%s is refused', (_, edit) => {
    expect(() => parseRevocationList(reissue(edit))).toThrow(REFUSED);
  });

  test('that is too large is refused before it is read (bad_crl)', () => {
    expect(() => parseRevocationList(new Uint8Array(MAX_CRL_SIZE + 1))).toThrow('revocation list of 1048577 bytes, limit 1048576');
  });
});
