import { equal, utf8 } from '../../core/bytes';
import { nodeCrypto } from '../../runtime/node-crypto';
import { appraisePlatform } from '../appraise-platform';
import { parseCertificate, parseCertificateOf } from '../certificate';
import { decodeClaims } from '../claims';
import { verifyCollateral } from '../collateral';
import { EvidenceError } from '../errors';
import { decodeBundle } from '../evidence';
import { documentOf, recorded } from '../gpu/gpu.test-kit';
import { parseAppraisal } from '../gpu/gpu-appraisal';
import { readGpuIdentity } from '../gpu/gpu-chain';
import { decodeGpuDocument, encodeGpuDocument } from '../gpu/gpu-document';
import { parseGpuReport } from '../gpu/gpu-report';
import { splitPemChain } from '../pem';
import {
  intelRoot,
  makeScene,
  REAL_NOW,
  realCollateral,
  realQuote,
  rememberingCrypto,
  sourceOf,
  withBundle,
} from '../platform/forgery.test-kit';
import { mutate, seededRandom } from '../platform/mutation.test-kit';
import { DEFAULT_LIMITS } from '../policy';
import { parseQeIdentity } from '../qe-identity';
import { parseQuote, trimQuote } from '../quote';
import { verifyQuote } from '../quote-chain';
import { parseRevocationList } from '../revocation-list';
import { readSgxExtension } from '../sgx-extension';
import { parseTcbInfo } from '../tcb-info';
import { VerifierMemory } from '../verifier-memory';
import { verifyEvidence } from '../verify-evidence';
import { P384_SHA384 } from '../x509';
import { collateralParts } from './collateral-parts';

/** Who is given mutated bytes. */
export interface FuzzSubject {
  readonly name: string;
  /** The part of all runs that is its own. */
  readonly share: number;
  readonly bytes: Uint8Array;
  /** Whether it takes the bytes. Throws what it must not throw. */
  takes(bytes: Uint8Array): Promise<boolean>;
  /** Whether it may take bytes that differ from its own: a parser looks at the form alone, a verifier may not. */
  readonly looksAtFormOnly: boolean;
}

export interface FuzzResult {
  readonly runs: number;
  readonly refused: number;
  /** What was thrown without a type, or taken although it was changed, by the number of the run. Empty where all is well. */
  readonly faults: readonly string[];
}

/** The same runs for the same seed, so that a fault can be seen again. */
export async function fuzz(
  subject: FuzzSubject,
  seed: number,
  runs: number,
  onRun: (run: number) => void = () => undefined,
): Promise<FuzzResult> {
  const random = seededRandom(seed);
  const faults: string[] = [];
  let refused = 0;
  for (let run = 0; run < runs; run++) {
    const mutated = mutate(subject.bytes, random);
    try {
      if (!(await subject.takes(mutated))) refused++;
      else if (!subject.looksAtFormOnly && !equal(mutated, subject.bytes)) faults.push(`${subject.name}, run ${run}: taken though changed`);
    } catch (error) {
      faults.push(`${subject.name}, run ${run}: ${error instanceof Error ? error.stack : error}`);
    }
    onRun(run);
  }
  return { runs, refused, faults };
}

/** Every parser, and the verifiers of quote, collateral and bundle. Their shares add up to 1. */
export async function fuzzSubjects(): Promise<readonly FuzzSubject[]> {
  return [...(await parsers()), ...(await collateralVerifiers()), await quoteVerifier(), await bundleVerifier()];
}

async function parsers(): Promise<readonly FuzzSubject[]> {
  const { input, claims } = await makeScene();
  const collateral = realCollateral('fmspc-90c06f');
  const quote = realQuote('fmspc-90c06f');
  const chain = parseQuote(quote).pckChain;
  const [pck = new Uint8Array(0)] = splitPemChain(chain, 3);
  const gpus = await documentOf();
  const [gpuLeaf = new Uint8Array(0)] = recorded().chain;
  const appraisal = (token: Uint8Array) => parseAppraisal(Buffer.from(token).toString('latin1'), nodeCrypto);
  const table: readonly [string, Uint8Array, (bytes: Uint8Array) => unknown][] = [
    ['quote', quote, parseQuote],
    ['padded quote', quote, trimQuote],
    ['PEM chain', chain, (bytes) => splitPemChain(bytes, 3).map(parseCertificate)],
    ['certificate', pck, (bytes) => readSgxExtension(parseCertificate(bytes).extensions)],
    ['revocation list', collateral.pckCrl, parseRevocationList],
    ['TCB info', collateral.tcbInfo.json, parseTcbInfo],
    ['QE identity', collateral.qeIdentity.json, parseQeIdentity],
    ['bundle', input.bundle, decodeBundle],
    ['claims', claims, decodeClaims],
    ['GPU report', recorded().report, parseGpuReport],
    ['GPU leaf', gpuLeaf, (bytes) => readGpuIdentity(parseCertificateOf(P384_SHA384, bytes))],
    ['GPU document', encodeGpuDocument(gpus), decodeGpuDocument],
    ['GPU appraisal', utf8(gpus.appraisal?.token ?? ''), appraisal],
  ];
  return table.map(([name, bytes, parse]) => ({
    name: `parser of a ${name}`,
    share: 0.5 / table.length,
    bytes,
    looksAtFormOnly: true,
    takes: async (mutated) => {
      try {
        await parse(mutated);
        return true;
      } catch (error) {
        if (error instanceof EvidenceError) return false;
        throw error;
      }
    },
  }));
}

async function collateralVerifiers(): Promise<readonly FuzzSubject[]> {
  const crypto = rememberingCrypto();
  const root = await intelRoot();
  const parts = Object.entries(collateralParts(realCollateral('fmspc-90c06f')));
  return parts.map(([name, [bytes, replace]]) => ({
    name: `verifier of collateral, by its ${name}`,
    share: 0.2 / parts.length,
    bytes,
    looksAtFormOnly: false,
    takes: async (mutated) => (await verifyCollateral(replace(mutated), root, REAL_NOW['fmspc-90c06f'], crypto)).proven !== null,
  }));
}

async function quoteVerifier(): Promise<FuzzSubject> {
  const roots = [await intelRoot()];
  const crypto = rememberingCrypto();
  const memory = new VerifierMemory();
  const nowSec = REAL_NOW['fmspc-90c06f'];
  const parts = { collateral: sourceOf(realCollateral('fmspc-90c06f')), memory, policy: DEFAULT_LIMITS, nowSec, crypto };
  return {
    name: 'verifier of a quote',
    share: 0.2,
    bytes: realQuote('fmspc-90c06f'),
    looksAtFormOnly: false,
    takes: async (mutated) => {
      const quoted = await verifyQuote(mutated, roots, nowSec, crypto, memory);
      return quoted.checks.every((check) => check.result === 'pass') && (await appraisePlatform(quoted, parts)).holds;
    },
  };
}

async function bundleVerifier(): Promise<FuzzSubject> {
  const { input } = await makeScene();
  const crypto = rememberingCrypto();
  return {
    name: 'verifier of a bundle',
    share: 0.1,
    bytes: input.bundle,
    looksAtFormOnly: false,
    takes: async (mutated) => {
      const { accepted, report } = await verifyEvidence({ ...(await withBundle(input, mutated)), crypto });
      // A report that contradicts its verdict is as bad as a wrong verdict.
      if (accepted !== report.ok) throw new RangeError('verdict and report differ');
      return accepted;
    },
  };
}
