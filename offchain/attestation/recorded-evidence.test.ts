import { concat, utf8 } from '../core/bytes';
import { nodeCrypto } from '../runtime/node-crypto';
import { decodeCanonicalJson, encodeCanonicalJson } from './canonical-json';
import { decodeEvidenceFile, type EvidenceFile, encodeEvidenceFile, MAX_EVIDENCE_FILE_SIZE } from './evidence-file';
import { loadIntelRoot } from './intel-root';
import { fixture, hex, intelRoot, makeScene, NOW, WORKER_CLAIMS } from './platform/forgery.test-kit';
import { expectedByClaims, type FileQuestion, recordEvidence, verifyEvidenceFile } from './recorded-evidence';
import { type CheckName, failedChecks } from './report';
import { type EvidenceInput, verifyEvidence } from './verify-evidence';

const NEWEST = { seqno: 1200, rootHash: hex(0x67), atSec: NOW - 3 };
const scene = makeScene();

async function recorded(change: (input: EvidenceInput) => Partial<EvidenceInput> = () => ({})) {
  const { input } = await scene;
  return recordEvidence({ ...input, ...change(input) }, NEWEST);
}

async function asked(file: EvidenceFile, change: Partial<FileQuestion> = {}): Promise<readonly CheckName[]> {
  const { input } = await scene;
  const verdict = await verifyEvidenceFile(file, { policy: input.policy, network: null, nowSec: NOW, crypto: nodeCrypto, ...change });
  const failed = failedChecks(verdict.report).map(({ name }) => name);
  expect(verdict.accepted).toBe(failed.length === 0);
  return failed;
}

/** The file with one place of its JSON changed, as its bytes. */
function edited(bytes: Uint8Array, change: (value: Record<string, unknown>) => unknown): Uint8Array {
  const value = decodeCanonicalJson(bytes, MAX_EVIDENCE_FILE_SIZE);
  return encodeCanonicalJson(change(typeof value === 'object' && value !== null ? { ...value } : {}));
}

describe('a recorded verification', () => {
  test('decides as the verification itself, and its file decides so again, check by check', async () => {
    const { input } = await scene;
    const { file, verdict } = await recorded();
    expect(verdict).toEqual(await verifyEvidence(input));
    const read = decodeEvidenceFile(encodeEvidenceFile(file));
    expect(read).toEqual(file);
    expect(await verifyEvidenceFile(read, { policy: input.policy, network: null, nowSec: NOW, crypto: nodeCrypto })).toEqual(verdict);
    expect(verdict.accepted).toBe(true);
  });

  test('writes down what was asked for, as it was answered', async () => {
    const { file } = await recorded();
    expect(file).toMatchObject({
      seenAtSec: NOW,
      block: { seqno: 1000, rootHash: hex(0x66), atSec: NOW - 1000 },
      allowlist: { asOf: NEWEST, image: { roles: ['worker'], activeFromSec: NOW - 100 }, model: { hash: hex(0x55), kind: 'files' } },
    });
    expect(file.collateral).not.toBeNull();
    expect(file.expected).toEqual(expectedByClaims(WORKER_CLAIMS, file.expected.digest));
  });

  test('of evidence that is refused leaves out what was not asked for', async () => {
    const { file, verdict } = await recorded(({ policy }) => ({ policy: { ...policy, maxCollateralAgeSec: 1 } }));
    expect(verdict.accepted).toBe(false);
    expect(file).toMatchObject({ block: null, allowlist: { image: null, model: null } });
    expect(file.collateral).not.toBeNull();
    expect((await asked(file))[0]).toBe('image-listed');
  });
});

describe('a file is refused', () => {
  test.each<[string, readonly CheckName[], (file: EvidenceFile) => EvidenceFile]>([
    ['without collateral', ['collateral-available'], (file) => ({ ...file, collateral: null })],
    ['without its block', ['block-known'], (file) => ({ ...file, block: null })],
    ['with the block of another number', ['block-known'], (file) => ({ ...file, block: { seqno: 7, rootHash: hex(0x66), atSec: NOW } })],
    ['without the image', ['image-listed'], (file) => ({ ...file, allowlist: { ...file.allowlist, image: null } })],
    [
      'with another image than its quote has',
      ['image-listed'],
      (file) => ({ ...file, allowlist: { ...file.allowlist, image: { hash: hex(1), roles: ['worker'], activeFromSec: 0 } } }),
    ],
    [
      'with another model than its claims have',
      ['model-listed'],
      (file) => ({ ...file, allowlist: { ...file.allowlist, model: { hash: hex(1), kind: 'files', activeFromSec: 0 } } }),
    ],
    [
      'that names another receipt key than the claims',
      ['receipt-key'],
      (file) => ({ ...file, expected: { ...file.expected, receipt: hex(9) } }),
    ],
    ['whose bundle is another', ['bundle-digest', 'bundle-structure'], (file) => ({ ...file, bundle: utf8('{}') })],
  ])('%s (%p)', async (_what, names, change) => {
    const { file } = await recorded();
    expect((await asked(change(file))).slice(0, names.length)).toEqual(names);
  });

  test('when the network that is meant is another than the one it names (claims-network)', async () => {
    const { file } = await recorded();
    expect(await asked(file, { network: WORKER_CLAIMS.network })).toEqual([]);
    expect((await asked(file, { network: `0:${hex(0x99)}` }))[0]).toBe('claims-network');
  });

  test("under Intel's root, whatever root it brings along (trust-root)", async () => {
    const { file } = await recorded();
    const { policy } = (await scene).input;
    expect((await asked(file, { policy: { ...policy, trustRoots: [await loadIntelRoot(nodeCrypto)] } }))[0]).toBe('trust-root');
  });

  test('when its collateral is asked about too late (collateral-age and others)', async () => {
    const { file } = await recorded();
    const late = await asked(file, { nowSec: NOW + 60 * 86_400 });
    expect(late).toEqual(expect.arrayContaining(['pck-crl', 'tcb-info', 'qe-identity', 'collateral-age']));
  });
});

describe('bytes that are no evidence file are refused', () => {
  test.each<[string, string, RegExp, (value: Record<string, unknown>) => unknown]>([
    ['of another version', 'bad_evidence_file', /malformed at version/, (value) => ({ ...value, version: 2 })],
    ['of another format', 'bad_evidence_file', /malformed at format/, (value) => ({ ...value, format: 'cocoon' })],
    ['with an unknown field', 'bad_evidence_file', /missing or unknown fields/, (value) => ({ ...value, extra: 1 })],
    ['without a field', 'bad_evidence_file', /malformed at block/, ({ block: _, ...value }) => value],
    ['with a bundle that is no base64url', 'bad_evidence_file', /malformed at bundle/, (value) => ({ ...value, bundle: 'a+b=' })],
    ['with a bundle above its limit', 'bad_evidence_file', /malformed at bundle/, (value) => ({ ...value, bundle: 'A'.repeat(100_000) })],
    ['that is a list', 'bad_evidence_file', /missing or unknown fields/, () => []],
  ])('%s (%s)', async (_what, code, message, change) => {
    const bytes = edited(encodeEvidenceFile((await recorded()).file), change);
    expect(() => decodeEvidenceFile(bytes)).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
  });

  test('with white space, or above its limit (bad_json)', async () => {
    const bytes = encodeEvidenceFile((await recorded()).file);
    expect(() => decodeEvidenceFile(concat(bytes, utf8(' ')))).toThrow(expect.objectContaining({ code: 'bad_json' }));
    const huge = new Uint8Array(MAX_EVIDENCE_FILE_SIZE + 1);
    expect(() => decodeEvidenceFile(huge)).toThrow(expect.objectContaining({ message: expect.stringMatching(/limit \d+/) }));
  });

  test('and what is above a limit is not written (bad_evidence_file)', async () => {
    const { file } = await recorded();
    expect(() => encodeEvidenceFile({ ...file, bundle: new Uint8Array(100_000) })).toThrow(
      expect.objectContaining({ code: 'bad_evidence_file' }),
    );
  });
});

test("the built-in root of Intel's is the published certificate", async () => {
  const root = await loadIntelRoot(nodeCrypto);
  expect(root).toEqual(await intelRoot());
  expect(fixture('intel-sgx-root-ca.der')).toHaveLength(659);
});
