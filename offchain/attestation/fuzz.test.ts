import { toHex, utf8 } from '../core/bytes';
import { nodeCrypto } from '../runtime/node-crypto';
import { appraisePlatform } from './appraise-platform';
import { parseCertificate, parseCertificateOf } from './certificate';
import { decodeClaims } from './claims';
import { type Collateral, verifyCollateral } from './collateral';
import { EvidenceError } from './errors';
import { decodeBundle } from './evidence';
import { documentOf, recorded } from './gpu/gpu.test-kit';
import { parseAppraisal } from './gpu/gpu-appraisal';
import { readGpuIdentity } from './gpu/gpu-chain';
import { decodeGpuDocument, encodeGpuDocument } from './gpu/gpu-document';
import { parseGpuReport } from './gpu/gpu-report';
import { splitPemChain } from './pem';
import { intelRoot, makeScene, REAL_NOW, realCollateral, realQuote, rememberingCrypto, sourceOf } from './platform/forgery.test-kit';
import { mutate, seededRandom } from './platform/mutation.test-kit';
import { DEFAULT_LIMITS } from './policy';
import { parseQeIdentity } from './qe-identity';
import { parseQuote, trimQuote } from './quote';
import { verifyQuote } from './quote-chain';
import { parseRevocationList } from './revocation-list';
import { readSgxExtension } from './sgx-extension';
import { parseTcbInfo } from './tcb-info';
import { VerifierMemory } from './verifier-memory';
import { P384_SHA384 } from './x509';

/** Mutated inputs in all; COCOON_FULL=1 asks for a million. */
const RUNS = process.env.COCOON_FULL === '1' ? 1_000_000 : 20_000;
const SEED = 4;

const collateral = realCollateral('fmspc-90c06f');
const quote = realQuote('fmspc-90c06f');
const chain = parseQuote(quote).pckChain;
const [pck = new Uint8Array(0)] = splitPemChain(chain, 3);

/** What `read` throws; null for nothing. */
function thrownBy(read: () => unknown): unknown {
  try {
    read();
    return null;
  } catch (error) {
    return error;
  }
}

describe('parsers throw typed errors only', () => {
  const scene = makeScene();
  const parsers: readonly [string, () => Promise<Uint8Array>, (bytes: Uint8Array) => unknown][] = [
    ['quote', async () => quote, parseQuote],
    ['padded quote', async () => quote, trimQuote],
    ['PEM chain', async () => chain, (bytes) => splitPemChain(bytes, 3).map(parseCertificate)],
    ['certificate', async () => pck, (bytes) => readSgxExtension(parseCertificate(bytes).extensions)],
    ['revocation list', async () => collateral.pckCrl, parseRevocationList],
    ['TCB info', async () => collateral.tcbInfo.json, parseTcbInfo],
    ['QE identity', async () => collateral.qeIdentity.json, parseQeIdentity],
    ['bundle', async () => (await scene).input.bundle, decodeBundle],
    ['claims', async () => (await scene).claims, decodeClaims],
    ['GPU report', async () => recorded().report, parseGpuReport],
    ['GPU leaf', async () => recorded().chain[0] ?? new Uint8Array(0), (bytes) => readGpuIdentity(parseCertificateOf(P384_SHA384, bytes))],
    ['GPU document', async () => encodeGpuDocument(await documentOf()), decodeGpuDocument],
  ];

  test.each(parsers)('for a mutated %s', async (_, seed, parse) => {
    const random = seededRandom(SEED);
    const whole = await seed();
    expect(thrownBy(() => parse(whole))).toBeNull();
    const untyped: unknown[] = [];
    let refused = 0;
    for (let run = 0; run < RUNS / (2 * parsers.length); run++) {
      const error = thrownBy(() => parse(mutate(whole, random)));
      if (error !== null) refused++;
      if (error !== null && !(error instanceof EvidenceError)) untyped.push(error);
    }
    expect(untyped).toEqual([]);
    expect(refused).toBeGreaterThan(RUNS / (4 * parsers.length));
  });
});

test('an appraisal that was mutated gives typed errors only', async () => {
  const random = seededRandom(SEED);
  const whole = utf8((await documentOf()).appraisal?.token ?? '');
  const untyped: unknown[] = [];
  for (let run = 0; run < RUNS / 20; run++) {
    const token = Buffer.from(mutate(whole, random)).toString('latin1');
    const error = await parseAppraisal(token, nodeCrypto).then(
      () => null,
      (thrown: unknown) => thrown,
    );
    if (error !== null && !(error instanceof EvidenceError)) untyped.push(error);
  }
  expect(untyped).toEqual([]);
});

describe('the verifier throws nothing and accepts nothing', () => {
  type Part = (whole: Collateral, change: (bytes: Uint8Array) => Uint8Array) => Collateral;
  const parts: readonly [string, Part][] = [
    ['root CRL', (all, change) => ({ ...all, rootCrl: change(all.rootCrl) })],
    ['PCK CRL', (all, change) => ({ ...all, pckCrl: change(all.pckCrl) })],
    ['issuer chain', (all, change) => ({ ...all, pckCrlIssuerChain: change(all.pckCrlIssuerChain) })],
    ['TCB info', (all, change) => ({ ...all, tcbInfo: { ...all.tcbInfo, json: change(all.tcbInfo.json) } })],
    ['QE identity', (all, change) => ({ ...all, qeIdentity: { ...all.qeIdentity, json: change(all.qeIdentity.json) } })],
    ['signature', (all, change) => ({ ...all, tcbInfo: { ...all.tcbInfo, signature: change(all.tcbInfo.signature) } })],
  ];
  const crypto = rememberingCrypto();

  test.each(parts)('with a mutated %s', async (_, change) => {
    const random = seededRandom(SEED);
    const root = await intelRoot();
    const accepted: string[] = [];
    for (let run = 0; run < RUNS / (4 * parts.length); run++) {
      let isSame = false;
      const mutated = change(collateral, (bytes) => {
        const changed = mutate(bytes, random);
        isSame = toHex(changed) === toHex(bytes);
        return changed;
      });
      const { proven } = await verifyCollateral(mutated, root, REAL_NOW['fmspc-90c06f'], crypto);
      if (proven !== null && !isSame) accepted.push(`run ${run}`);
    }
    expect(accepted).toEqual([]);
  });

  test('with a mutated quote', async () => {
    const random = seededRandom(SEED);
    const roots = [await intelRoot()];
    const memory = new VerifierMemory();
    const accepted: string[] = [];
    const nowSec = REAL_NOW['fmspc-90c06f'];
    for (let run = 0; run < RUNS / 4; run++) {
      const mutated = mutate(quote, random);
      const quoted = await verifyQuote(mutated, roots, nowSec, crypto, memory);
      const parts = { collateral: sourceOf(collateral), memory, policy: DEFAULT_LIMITS, nowSec, crypto };
      const holds = quoted.checks.every((check) => check.result === 'pass') && (await appraisePlatform(quoted, parts)).holds;
      if (holds && toHex(mutated) !== toHex(quote)) accepted.push(`run ${run}`);
    }
    expect(accepted).toEqual([]);
  });
});
