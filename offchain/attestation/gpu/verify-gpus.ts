import { equal, toHex } from '../../core/bytes';
import type { Awaitable, CryptoProvider } from '../../core/crypto';
import { askOr } from '../ask-or';
import type { Claims } from '../claims';
import { EvidenceError, readOr } from '../errors';
import { type Check, CheckList, GPU_CHECKS } from '../report';
import { type Appraisal, type AppraisedGpu, isSignedByService, parseAppraisal } from './gpu-appraisal';
import { type GpuChain, type GpuIdentity, isOfDevice, parseGpuChain, readGpuIdentity, verifyGpuChain } from './gpu-chain';
import { decodeGpuDocument, type GpuDocument, gpuDocumentHash, gpuNonceOf, MAX_GPU_DOCUMENT_SIZE } from './gpu-document';
import type { GpuPolicy } from './gpu-policy';
import { type GpuReport, parseGpuReport } from './gpu-report';

/** Fetches the GPU evidence of a bundle. Null for what is not there; throwing fails the check. */
export type GpuEvidenceSource = () => Awaitable<Uint8Array | null>;

export interface GpuQuestion {
  /** From claims that the quote proves. */
  readonly claims: Pick<Claims, 'role' | 'gpu' | 'keys'>;
  readonly evidence: GpuEvidenceSource | null;
  readonly policy: GpuPolicy;
  /** Unix seconds. */
  readonly nowSec: number;
  readonly crypto: CryptoProvider;
}

/** What was found about a machine's GPUs. */
export interface GpuVerdict {
  /** All of GPU_CHECKS, in their order. */
  readonly checks: readonly Check[];
  /** Unix seconds, included: the first end of validity in the GPUs' chains; infinite without GPUs. Means nothing unless the checks hold. */
  readonly notAfterSec: number;
}

type GpuChecks = CheckList<(typeof GPU_CHECKS)[number]>;

/** What claims without GPU evidence come to, before anybody is asked; null for claims with some. */
export function judgeWithoutGpus({ role, gpu }: Pick<Claims, 'role' | 'gpu'>, policy: GpuPolicy): GpuVerdict | null {
  if (gpu !== null) return null;
  const checks: GpuChecks = new CheckList(GPU_CHECKS);
  const isMissing = policy.required && role === 'worker';
  if (isMissing) checks.fail('gpu-evidence', 'the claims name no GPU evidence, and the policy requires a GPU');
  else for (const name of GPU_CHECKS) checks.notApplicable(name, 'the claims name no GPU evidence, and the policy requires none');
  return withoutEnd(checks);
}

/**
 * Whether the GPUs of a machine are NVIDIA's, in a mode that keeps them to the machine, and asked by this key set. A check that could
 * not run has failed. Never throws for anything that the evidence contains.
 *
 * A report does not say whether debug mode is off or a measurement is as NVIDIA made it: that shows only in the appraisal by NVIDIA's
 * verifier, which the guest asks and puts beside the reports. Without one these checks fail.
 */
export async function verifyGpus(question: GpuQuestion): Promise<GpuVerdict> {
  const checks: GpuChecks = new CheckList(GPU_CHECKS);
  const { claims, policy } = question;
  const without = judgeWithoutGpus(claims, policy);
  if (without !== null) return without;
  const document = await fetchDocument(question, checks);
  if (document === null) return withoutEnd(checks);
  const gpus = readGpus(document, checks);
  if (gpus === null) return withoutEnd(checks);
  for (const [index, gpu] of gpus.entries()) await checkGpu(`gpu ${index}`, gpu, question, checks);
  refuseTwins(gpus, checks);
  await checkAppraisal(document, gpus, question, checks);
  const ends = gpus.flatMap(({ chain }) => chain.certificates.map((certificate) => certificate.notAfterSec));
  return { checks: checks.all(), notAfterSec: Math.min(...ends) };
}

/** Where nothing was read that ends. */
function withoutEnd(checks: GpuChecks): GpuVerdict {
  return { checks: checks.all(), notAfterSec: Number.POSITIVE_INFINITY };
}

interface Gpu {
  readonly report: GpuReport;
  readonly chain: GpuChain;
  readonly identity: GpuIdentity | null;
}

/** The document whose hash the claims have. */
async function fetchDocument({ claims, evidence, crypto }: GpuQuestion, checks: GpuChecks): Promise<GpuDocument | null> {
  if (evidence === null || claims.gpu === null) {
    checks.fail('gpu-evidence', 'the claims name GPU evidence, and none came with them');
    return null;
  }
  const encoded = await askOr(evidence, (reason) => checks.fail('gpu-evidence', `the GPU evidence that the claims name: ${reason}`));
  if (encoded === null) return null;
  if (encoded.length > MAX_GPU_DOCUMENT_SIZE) {
    checks.fail('gpu-evidence', `${encoded.length} bytes, limit ${MAX_GPU_DOCUMENT_SIZE}`);
    return null;
  }
  const hash = await gpuDocumentHash(encoded, crypto);
  const reasons = { pass: `${encoded.length} bytes, as the claims name them`, fail: 'not what the claims name' };
  checks.decide('gpu-evidence', hash === claims.gpu, reasons, claims.gpu, hash);
  // What the claims do not name is not even read.
  if (hash !== claims.gpu) return null;
  return readOr(
    () => decodeGpuDocument(encoded),
    (reason) => checks.fail('gpu-structure', reason),
  );
}

function readGpus(document: GpuDocument, checks: GpuChecks): readonly Gpu[] | null {
  const gpus = readOr(
    () => document.gpus.map(({ report, chain }) => ({ report: parseGpuReport(report), chain: parseGpuChain(chain) })),
    (reason) => checks.fail('gpu-structure', reason),
  );
  if (gpus === null) return null;
  checks.pass('gpu-structure', gpus.length === 1 ? '1 GPU' : `${gpus.length} GPUs`);
  return gpus.map(({ report, chain }, index) => {
    const identity = readOr(
      () => readGpuIdentity(chain.leaf),
      (reason) => checks.fail('gpu-identity', `gpu ${index}: ${reason}`),
    );
    return { report, chain, identity };
  });
}

async function checkGpu(place: string, { report, chain, identity }: Gpu, question: GpuQuestion, checks: GpuChecks): Promise<void> {
  const { claims, policy, crypto } = question;
  await checkChain(place, chain, question, checks);
  if (identity !== null) {
    const isSame = equal(identity.firmwareId, report.firmwareId);
    const reasons = {
      pass: `${chain.device.commonName} ${identity.ueid}`,
      fail: `${place}: the report is of other firmware than its certificate`,
    };
    checks.decide('gpu-identity', isSame, reasons, toHex(identity.firmwareId), toHex(report.firmwareId));
    if (!isOfDevice(identity, chain.device))
      checks.fail('gpu-identity', `${place}: the certificate is of another GPU than the one that signed it`);
  }
  const isSigned = await crypto.verifyP384(chain.leaf.publicKey, report.signedBytes, report.signature);
  if (isSigned) checks.pass('gpu-signature', "signed by the GPU's attestation key");
  else checks.fail('gpu-signature', `${place}: not signed by the GPU's attestation key`);

  const [wanted, found] = [toHex(await gpuNonceOf(claims.keys, crypto)), toHex(report.nonce)];
  checks.decide('gpu-nonce', wanted === found, { pass: 'of these keys', fail: `${place}: of other keys or another time` }, wanted, found);
  const { mode } = report;
  if (mode === null) checks.fail('gpu-mode', `${place}: the confidential mode is not shown by this evidence`);
  else decideListed('gpu-mode', place, policy.modes, mode, checks);
  decideListed('gpu-driver', place, policy.drivers, report.driver, checks);
  decideListed('gpu-vbios', place, policy.vbios, report.vbios, checks);
}

function decideListed(
  name: 'gpu-mode' | 'gpu-driver' | 'gpu-vbios',
  place: string,
  listed: readonly string[],
  found: string,
  checks: GpuChecks,
): void {
  const expected = listed.length === 0 ? 'nothing, since the policy lists none' : listed.join(', ');
  checks.decide(name, listed.includes(found), { pass: found, fail: `${place}: ${found} is not listed` }, expected, found);
}

async function checkChain(place: string, chain: GpuChain, { policy, nowSec, crypto }: GpuQuestion, checks: GpuChecks): Promise<void> {
  const top = chain.certificates.at(-1);
  const root = top === undefined ? undefined : policy.roots.find((candidate) => equal(candidate.certificate.der, top.der));
  if (top === undefined || root === undefined) {
    const expected =
      policy.roots.map((candidate) => `${candidate.kind} ${candidate.keyId}`).join(', ') || 'nothing, since the policy lists none';
    const actual = top === undefined ? 'no certificate' : toHex(await crypto.sha384(top.publicKey));
    checks.fail('gpu-root', `${place}: it hangs on a root that the policy does not name`, { expected, actual });
    return;
  }
  checks.pass('gpu-root', `${root.kind} root ${root.keyId.slice(0, 16)}`);
  const verdict = await verifyGpuChain(chain, root, nowSec, crypto);
  if (verdict.ok) checks.pass('gpu-chain', `${chain.certificates.length} certificates, valid until ${verdict.notAfterSec}`);
  else checks.fail('gpu-chain', `${place}: ${verdict.reason}`);
}

/** One GPU that answers twice is not two. */
function refuseTwins(gpus: readonly Gpu[], checks: GpuChecks): void {
  const devices = new Set(gpus.map(({ chain }) => toHex(chain.device.publicKey)));
  if (devices.size !== gpus.length) checks.fail('gpu-identity', `${gpus.length} reports of ${devices.size} GPUs`);
}

const NOT_DONE = 'not shown by this evidence: nobody compared it with the reference manifests of NVIDIA';

/** What NVIDIA's verifier found of these very GPUs. */
async function checkAppraisal(document: GpuDocument, gpus: readonly Gpu[], question: GpuQuestion, checks: GpuChecks): Promise<void> {
  if (document.appraisal === null) {
    for (const name of ['gpu-appraisal', 'gpu-manifests', 'gpu-debug', 'gpu-revocation'] as const) checks.fail(name, NOT_DONE);
    return;
  }
  const { by, token } = document.appraisal;
  const appraisal = await readAppraisal(token, question.crypto, checks);
  if (appraisal === null || !(await isTheirs(appraisal, gpus, question, checks))) return;
  if (by === 'remote' && !(await isSignedByService(appraisal, question.policy.appraiserKeys, question.crypto))) {
    checks.fail('gpu-appraisal', "it is not signed by a key of NVIDIA's service that the policy names, so it is information only");
    return;
  }
  const who = by === 'remote' ? "NVIDIA's service" : "NVIDIA's tool, in the guest";
  if (appraisal.passed) checks.pass('gpu-appraisal', `by ${who}`);
  else checks.fail('gpu-appraisal', `${who} refused it`);
  const decide = (name: 'gpu-manifests' | 'gpu-debug' | 'gpu-revocation', holds: (gpu: AppraisedGpu) => boolean, what: Words) => {
    if (appraisal.gpus.every(holds)) checks.pass(name, `${what.pass}, says ${who}`);
    else checks.fail(name, `${what.fail}, says ${who}`);
  };
  decide('gpu-manifests', (gpu) => gpu.manifestsMatch, {
    pass: 'every measurement is in the reference manifests',
    fail: 'measurements differ',
  });
  decide('gpu-debug', (gpu) => gpu.debugOff === true, { pass: 'debug mode is off', fail: 'debug mode is not known to be off' });
  decide('gpu-revocation', (gpu) => gpu.notRevoked, { pass: 'no certificate is revoked', fail: 'a certificate is not known to be good' });
}

type Words = { readonly pass: string; readonly fail: string };

async function readAppraisal(token: string, crypto: CryptoProvider, checks: GpuChecks): Promise<Appraisal | null> {
  try {
    return await parseAppraisal(token, crypto);
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error;
    checks.fail('gpu-appraisal', error.message);
    return null;
  }
}

/** Whether it is of these GPUs, each once, with their versions, and asked by these keys. */
async function isTheirs(appraisal: Appraisal, gpus: readonly Gpu[], { claims, crypto }: GpuQuestion, checks: GpuChecks): Promise<boolean> {
  const nonce = toHex(await gpuNonceOf(claims.keys, crypto));
  const show = (ueid: string, driver: string, vbios: string) => `${ueid} ${driver} ${vbios}`;
  const wanted = gpus.map(({ report, identity }) => show(identity?.ueid ?? 'unknown', report.driver, report.vbios)).sort();
  const found = appraisal.gpus.map(({ ueid, driver, vbios }) => show(ueid, driver, vbios)).sort();
  const compared = { expected: wanted.join(', '), actual: found.join(', ') };
  if (compared.expected !== compared.actual) checks.fail('gpu-appraisal', 'it is of other GPUs', compared);
  const nonces = [appraisal.nonce, ...appraisal.gpus.map((gpu) => gpu.nonce)];
  const other = nonces.find((found) => found !== nonce);
  if (other !== undefined) checks.fail('gpu-appraisal', 'it is of other keys or another time', { expected: nonce, actual: other });
  return other === undefined && compared.expected === compared.actual;
}
