import { generateKeyPairSync } from 'node:crypto';
import { z } from 'zod';
import { concat, fromHex, fromUtf8 } from '../../core/bytes';
import { nodeCrypto } from '../../runtime/node-crypto';
import { SEALING_SUITE } from '../claims';
import { splitPemChain } from '../pem';
import { publicPointOf } from '../platform/development-certificates';
import {
  type GpuMaker,
  makeGpuMaker,
  makeSimulatedGpu,
  plainReport,
  type SimulatedGpu,
  writeAppraisal,
  writeGpuReport,
} from '../platform/development-gpu';
import { fixture, hex, NOW } from '../platform/forgery.test-kit';
import { type Check, hasRun } from '../report';
import { encodeGpuDocument, type GpuDocument, type GpuEvidence, gpuDocumentHash, gpuNonceOf } from './gpu-document';
import type { GpuPolicy } from './gpu-policy';
import { type GpuRoot, loadGpuRoot } from './gpu-root';
import { type GpuQuestion, verifyGpus } from './verify-gpus';

// What the tests of GPU evidence share: one simulated GPU of which everything holds, and the recorded one.

const YEAR = 365 * 86_400;
export const validity = { notBeforeSec: NOW - YEAR, notAfterSec: NOW + YEAR };
export const maker = makeGpuMaker(validity);
export const gpu = makeSimulatedGpu(maker, validity);
export const secondGpu = makeSimulatedGpu(maker, validity);
export const keys = { sealing: [{ suite: SEALING_SUITE, publicKey: hex(0x33) }], receipt: hex(0x44), notAfter: NOW + 86_400 } as const;
export const nonceOf = (of: Parameters<typeof gpuNonceOf>[0] = keys) => gpuNonceOf(of, nodeCrypto);

export function rootOf(of: GpuMaker = maker): Promise<GpuRoot> {
  return loadGpuRoot({ kind: 'development', der: of[2].der }, nodeCrypto);
}

/** NVIDIA's service, as far as signing goes. */
const { privateKey: serviceKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
export const service = { keyId: 'service-1', key: serviceKey };
export const appraiserKeys = [{ keyId: service.keyId, publicKey: concat(Uint8Array.of(4), publicPointOf(serviceKey)) }];

export async function policyOf(changes: Partial<GpuPolicy> = {}): Promise<GpuPolicy> {
  const lists = { modes: ['passthrough'], drivers: ['590.12'], vbios: ['96.00.A5.00.01'] } as const;
  return { required: true, roots: [await rootOf()], ...lists, appraiserKeys, ...changes };
}

export function evidenceOf(of: SimulatedGpu, nonce: Uint8Array, edit: Partial<ReturnType<typeof plainReport>> = {}): GpuEvidence {
  return {
    report: writeGpuReport({ ...plainReport(nonce, of), ...edit }, of.chain[0].key),
    chain: of.chain.map(({ der }) => der),
  };
}

/** The document of the simulated GPU, with changes. */
export async function documentOf(changes: Partial<GpuDocument> = {}): Promise<GpuDocument> {
  const nonce = await nonceOf();
  return { gpus: [evidenceOf(gpu, nonce)], appraisal: writeAppraisal({ by: 'nvattest', nonce }, [gpu]), ...changes };
}

/** A document of the simulated GPU for any key set, as its guest would have it. */
export async function documentFor(of: Parameters<typeof gpuNonceOf>[0]): Promise<Uint8Array> {
  const nonce = await nonceOf(of);
  return encodeGpuDocument({ gpus: [evidenceOf(gpu, nonce)], appraisal: writeAppraisal({ by: 'nvattest', nonce }, [gpu]) });
}

/** What is asked about a document that the claims name, whatever is in it. */
export async function questionOf(document: Uint8Array | GpuDocument, changes: Partial<GpuQuestion> = {}): Promise<GpuQuestion> {
  const encoded = document instanceof Uint8Array ? document : encodeGpuDocument(document);
  const claims = { role: 'worker', gpu: await gpuDocumentHash(encoded, nodeCrypto), keys } as const;
  return { claims, evidence: () => encoded, policy: await policyOf(), nowSec: NOW, crypto: nodeCrypto, ...changes };
}

/** The checks that refused, without those that could not run. */
export async function refusalsOf(question: GpuQuestion): Promise<readonly Check[]> {
  const { checks } = await verifyGpus(question);
  return checks.filter((check) => check.result === 'fail' && hasRun(check));
}

const recordedSchema = z.tuple([z.object({ nonce: z.string(), evidence: z.base64(), certificate: z.base64() })]);

/** The evidence of a real GPU, and the nonce that it was asked with. */
export function recorded(): GpuEvidence & { readonly nonce: Uint8Array } {
  const [{ nonce, evidence, certificate }] = recordedSchema.parse(JSON.parse(fromUtf8(fixture('hopper.evidence.json'))));
  const chain = splitPemChain(Buffer.from(certificate, 'base64'), 8);
  return { nonce: fromHex(nonce, 32), report: new Uint8Array(Buffer.from(evidence, 'base64')), chain };
}

export function nvidiaRootDer(): Uint8Array {
  const [der = new Uint8Array(0)] = splitPemChain(fixture('nvidia-device-identity-ca.pem'), 1);
  return der;
}

export function nvidiaRoot(): Promise<GpuRoot> {
  return loadGpuRoot({ kind: 'nvidia', der: nvidiaRootDer() }, nodeCrypto);
}

/** The detached EAT that NVIDIA's service gave for another GPU. */
export function recordedAppraisal(): string {
  return fromUtf8(fixture('hopper.eat.json')).trim();
}

export const namesOf = (checks: readonly Check[]): string[] => checks.map(({ name }) => name);
