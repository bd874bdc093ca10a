import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { equal, toHex } from '../../core/bytes';
import { messageOf } from '../../core/errors';
import { encodeGpuDocument, type GpuAppraiser, type GpuDocument, type GpuEvidence } from '../gpu/gpu-document';
import { parseGpuReport } from '../gpu/gpu-report';
import { PlatformError } from './platform-error';

/** Where evidence of a machine's GPUs comes from. */
export interface GpuAttester {
  readonly by: GpuAppraiser;
  /**
   * The encoded document over all GPUs, asked with this nonce of 32 bytes, and what NVIDIA's verifier found of it.
   * @throws PlatformError gpu_tool_missing, gpu_tool_timeout, gpu_tool_failed, gpu_service, gpu_refused, gpu_malformed
   */
  attest(nonce: Uint8Array): Promise<Uint8Array>;
}

/** Evidence of one GPU as NVIDIA's tools hand it on. Source: NVIDIA attestation-sdk, GpuEvidence. */
export interface CollectedGpu {
  /** Such as HOPPER. */
  readonly arch: string;
  /** Hex, as it was asked with. */
  readonly nonce: string;
  /** The report, base64. */
  readonly evidence: string;
  /** The chain as PEM, base64. */
  readonly certificate: string;
}

/** Older tools say more; what they say beside this stands in the report, too. */
export const collectedGpuSchema: z.ZodType<CollectedGpu> = z.object({
  arch: z.string().regex(/^[A-Z0-9_]{1,32}$/),
  nonce: z.string().max(128),
  evidence: z.base64().min(1),
  certificate: z.base64().min(1),
});

const PEM_BLOCK = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/**
 * The document of collected evidence. It is read here as a verifier reads it, so that what nobody would take is said where it is made.
 * @throws PlatformError gpu_malformed
 */
export function toDocument(collected: readonly CollectedGpu[], nonce: Uint8Array, appraisal: GpuDocument['appraisal']): Uint8Array {
  try {
    return encodeGpuDocument({ gpus: collected.map((gpu, index) => toEvidence(gpu, nonce, `gpu ${index}`)), appraisal });
  } catch (cause) {
    if (cause instanceof PlatformError) throw cause;
    throw new PlatformError('gpu_malformed', `the evidence of the GPUs cannot be used: ${messageOf(cause)}`, {}, { cause });
  }
}

function toEvidence({ evidence, certificate }: CollectedGpu, nonce: Uint8Array, place: string): GpuEvidence {
  const report = new Uint8Array(Buffer.from(evidence, 'base64'));
  const found = parseGpuReport(report).nonce;
  if (!equal(found, nonce)) {
    throw new PlatformError('gpu_malformed', `${place} answered to nonce ${toHex(found).slice(0, 16)}..., it was asked with another one`);
  }
  const pem = Buffer.from(certificate, 'base64').toString('latin1');
  const chain = Array.from(pem.matchAll(PEM_BLOCK), ([block]) => new Uint8Array(new X509Certificate(block).raw));
  return { report, chain };
}
