import { fromBase64Url, toBase64Url } from '../../../core/bytes';
import { nodeCrypto } from '../../../runtime/node-crypto';
import { encodeClaims, type WorkerClaims } from '../../claims';
import { encodeBundle, evidenceDigest, imageHashOf } from '../../evidence';
import {
  appraiserKeys,
  documentOf,
  evidenceOf,
  gpu,
  maker,
  nonceOf,
  nvidiaRootDer,
  policyOf,
  recorded,
  service,
} from '../../gpu/gpu.test-kit';
import { encodeGpuDocument, type GpuDocument, gpuDocumentHash } from '../../gpu/gpu-document';
import type { GpuRoot } from '../../gpu/gpu-root';
import { issueCollateral } from '../../platform/development-collateral';
import { writeAppraisal } from '../../platform/development-gpu';
import { pki as trialPki } from '../../platform/forgeries.test-kit';
import {
  fixture,
  hex,
  makeScene,
  NOW,
  REAL_NOW,
  realCollateral,
  realQuote,
  type Scene,
  WORKER_CLAIMS,
} from '../../platform/forgery.test-kit';
import { mutate, seededRandom } from '../../platform/mutation.test-kit';
import { DEFAULT_LIMITS } from '../../policy';
import { parseQuote } from '../../quote';
import { trialCases } from '../cases';
import { encodeCollateral, type Vector } from './vector';

/** Evidence of every kind: honest, asked otherwise, with other claims, real, forged as in the trials, and with its bytes changed. */
export async function makeVectors(seed: number): Promise<readonly Vector[]> {
  const scene = await makeScene();
  const honest = await vectorOf('honest', scene);
  return [
    honest,
    ...askedOtherwise(honest),
    ...(await withOtherClaims()),
    ...(await realVectors(honest, scene)),
    ...(await gpuVectors(seed)),
    ...(await trialVectors(honest, scene, seed)),
    ...(await changedVectors(honest, scene, seed)),
  ];
}

const INTEL = { kind: 'intel', der: toBase64Url(fixture('intel-sgx-root-ca.der')) } as const;

async function vectorOf(name: string, { pki: { authority, root }, quote, input }: Scene): Promise<Vector> {
  const imageHash = await imageHashOf(parseQuote(quote).td, nodeCrypto);
  return {
    name,
    bundle: toBase64Url(input.bundle),
    expected: input.expected,
    root: { kind: 'development', der: toBase64Url(root.der) },
    limits: { ...DEFAULT_LIMITS, minImageAgeSec: 100, minModelAgeSec: 100, maxBlockAgeSec: 1000 },
    images: { [imageHash]: { roles: ['worker'], activeFromSec: NOW - 100 } },
    models: { [WORKER_CLAIMS.model.hash]: { kind: 'files', activeFromSec: NOW - 100 } },
    blocks: { 1000: { rootHash: hex(0x66), atSec: NOW - 1000 } },
    collateral: encodeCollateral(issueCollateral(authority, { nowSec: NOW - 3600 })),
    nowSec: NOW,
  };
}

/** Honest evidence, and an offer, a chain, an allowlist or a clock that say something else. */
function askedOtherwise(honest: Vector): readonly Vector[] {
  const { expected, limits } = honest;
  const changes: Readonly<Record<string, Partial<Vector>>> = {
    'another digest': { expected: { ...expected, digest: hex(0) } },
    'another role': { expected: { ...expected, role: 'proxy' } },
    'another network': { expected: { ...expected, network: `0:${hex(0)}` } },
    'another owner': { expected: { ...expected, owner: `0:${hex(0)}` } },
    'another model': { expected: { ...expected, model: null } },
    'no sealing key': { expected: { ...expected, sealing: [] } },
    'another receipt key': { expected: { ...expected, receipt: hex(0) } },
    'an unknown block': { blocks: {} },
    'another block': { blocks: { 1000: { rootHash: hex(0x67), atSec: NOW } } },
    'a block that is too old': { blocks: { 1000: { rootHash: hex(0x66), atSec: NOW - 1001 } } },
    'no image': { images: {} },
    'no model': { models: {} },
    "Intel's root": { root: INTEL },
    'no accepted status': { limits: { ...limits, acceptedTcb: [] } },
    'stale collateral': { limits: { ...limits, maxCollateralAgeSec: 3599 } },
    'collateral that is held back': { limits: { ...limits, minEvaluationNumber: 2 } },
    yesterday: { nowSec: NOW - 86_400 },
    tomorrow: { nowSec: NOW + 86_400 },
    'next year': { nowSec: NOW + 400 * 86_400 },
  };
  return Object.entries(changes).map(([name, change]) => ({ ...honest, ...change, name }));
}

async function withOtherClaims(): Promise<readonly Vector[]> {
  const { keys, model } = WORKER_CLAIMS;
  const changes: Readonly<Record<string, Partial<WorkerClaims>>> = {
    'expired keys': { keys: { ...keys, notAfter: NOW } },
    'claims from the future': { issuedAt: NOW + 61 },
    'claims of another owner': { owner: `0:${hex(0x23)}` },
    'claims of other keys': { keys: { ...keys, receipt: hex(0x45) } },
    'a model that is not proven': { model: { ...model, kind: 'unproven' } },
  };
  const claimed = Object.entries(changes).map(async ([name, change]) =>
    vectorOf(name, await makeScene(encodeClaims({ ...WORKER_CLAIMS, ...change }))),
  );
  return [...(await Promise.all(claimed)), await vectorOf('proven bytes that are no claims', await makeScene(Uint8Array.of(0x7b, 0x7d)))];
}

/** Real quotes, which are over other claims: their platforms are accepted or refused all the same, check by check. */
async function realVectors(honest: Vector, { claims }: Scene): Promise<readonly Vector[]> {
  const quotes = [
    ['fmspc-90c06f', 'fmspc-90c06f'],
    ['fmspc-b0c06f', 'fmspc-b0c06f'],
    ['fmspc-90c06f-outofdate', 'fmspc-90c06f'],
    ['v5', 'fmspc-90c06f'],
  ] as const;
  const made = quotes.map(([name, platform]) => {
    const change = {
      name: `real ${name}`,
      root: INTEL,
      nowSec: REAL_NOW[platform],
      collateral: encodeCollateral(realCollateral(platform)),
    };
    return withBundle({ ...honest, ...change }, encodeBundle({ quote: realQuote(name), claims }));
  });
  return Promise.all(made);
}

/** Evidence of GPUs, appraised by the tool and by the service, with bits changed for which claims are made; and of a real one. */
async function gpuVectors(seed: number): Promise<readonly Vector[]> {
  const nonce = await nonceOf();
  const honest = await documentOf();
  const by = { gpus: honest.gpus, appraisal: writeAppraisal({ by: 'remote', nonce, signer: service }, [gpu]) };
  const simulated = { kind: 'development', der: maker[2].der } as const;
  const [evidence = evidenceOf(gpu, nonce)] = honest.gpus;
  const random = seededRandom(seed);
  const vectors = [
    await gpuVector('GPU, by the tool', simulated, honest),
    await gpuVector('GPU, by the service', simulated, by),
    await gpuVector('GPU, by nobody', simulated, { ...honest, appraisal: null }),
    await gpuVector('GPU of other keys', simulated, { ...honest, gpus: [evidenceOf(gpu, new Uint8Array(32))] }),
    await gpuVector('GPU that nobody made', { kind: 'nvidia', der: nvidiaRootDer() }, honest),
    await gpuVector('real GPU', { kind: 'nvidia', der: nvidiaRootDer() }, { gpus: [recorded()], appraisal: null }),
  ];
  for (let i = 0; i < 10; i++) {
    const gpus = [{ ...evidence, report: flipped(evidence.report, random) }];
    vectors.push(await gpuVector(`GPU report with a bit changed, ${i}`, simulated, { ...honest, gpus }));
  }
  return vectors;
}

async function gpuVector(name: string, root: { kind: GpuRoot['kind']; der: Uint8Array }, document: GpuDocument): Promise<Vector> {
  const evidence = encodeGpuDocument(document);
  const vector = await vectorOf(
    name,
    await makeScene(encodeClaims({ ...WORKER_CLAIMS, gpu: await gpuDocumentHash(evidence, nodeCrypto) })),
  );
  const { required, modes, drivers, vbios } = await policyOf();
  return {
    ...vector,
    limits: { ...vector.limits, gpu: { required, modes, drivers, vbios, roots: [], appraiserKeys: [] } },
    gpu: {
      evidence: toBase64Url(evidence),
      root: { kind: root.kind, der: toBase64Url(root.der) },
      appraiserKeys: appraiserKeys.map(({ keyId, publicKey }) => ({ keyId, publicKey: toBase64Url(publicKey) })),
    },
  };
}

const TRIALS = 300;

async function trialVectors(honest: Vector, { claims }: Scene, seed: number): Promise<readonly Vector[]> {
  const vectors: Vector[] = [];
  for (const { subject, world, story } of trialCases(seed, 'all')) {
    if (vectors.length === TRIALS) break;
    const root = world === 'intel' ? INTEL : { kind: 'development' as const, der: toBase64Url(trialPki.root.der) };
    const collateral = encodeCollateral(subject.collateral);
    const vector = { ...honest, name: `trial: ${story.join(', ')}`, root, collateral, nowSec: subject.nowSec };
    vectors.push(await withBundle(vector, encodeBundle({ quote: subject.quote, claims })));
  }
  return vectors;
}

const CHANGES = 150;

/** One bit of the bundle, of the quote or of the claims, and bundles mutated at random. */
async function changedVectors(honest: Vector, { quote, claims }: Scene, seed: number): Promise<readonly Vector[]> {
  const random = seededRandom(seed);
  const bundle = fromBase64Url(honest.bundle);
  const vectors: Vector[] = [];
  for (let i = 0; i < CHANGES; i++) {
    vectors.push(
      await withBundle({ ...honest, name: `bundle with a bit changed, ${i}` }, flipped(bundle, random)),
      await withBundle({ ...honest, name: `quote with a bit changed, ${i}` }, encodeBundle({ quote: flipped(quote, random), claims })),
      await withBundle({ ...honest, name: `claims with a bit changed, ${i}` }, encodeBundle({ quote, claims: flipped(claims, random) })),
      await withBundle({ ...honest, name: `mutated bundle, ${i}` }, mutate(bundle, random)),
    );
  }
  return vectors;
}

function flipped(bytes: Uint8Array, random: () => number): Uint8Array {
  const changed = Uint8Array.from(bytes);
  const at = Math.floor(random() * bytes.length);
  changed[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(random() * 8));
  return changed;
}

/** The same question about another bundle, by somebody who was told its digest. */
async function withBundle(vector: Vector, bundle: Uint8Array): Promise<Vector> {
  return { ...vector, bundle: toBase64Url(bundle), expected: { ...vector.expected, digest: await evidenceDigest(bundle, nodeCrypto) } };
}
