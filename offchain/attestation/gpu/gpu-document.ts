import { z } from 'zod';
import { concat, fromBase64Url, fromHex, toBase64Url, toHex, utf8 } from '../../core/bytes';
import type { CryptoProvider } from '../../core/crypto';
import { MalformedError } from '../../core/errors';
import { decodeCanonicalJson, encodeCanonicalJson } from '../canonical-json';
import type { KeySet } from '../claims';
import { EvidenceError } from '../errors';
import { malformedAt } from '../malformed-field';
import { MAX_APPRAISAL_SIZE } from './gpu-appraisal';
import { GPU_CHAIN_LENGTH, MAX_GPU_CERTIFICATE_SIZE } from './gpu-chain';
import { MAX_GPU_REPORT_SIZE } from './gpu-report';

/** Most GPUs of one machine: a board of the largest kind has eight. */
export const MAX_GPUS = 8;

/** Most bytes of the encoded document: every part at its limit, with the JSON around it. */
export const MAX_GPU_DOCUMENT_SIZE =
  MAX_GPUS * Math.ceil(((MAX_GPU_REPORT_SIZE + GPU_CHAIN_LENGTH * MAX_GPU_CERTIFICATE_SIZE) * 4) / 3 + 64) + 2 * MAX_APPRAISAL_SIZE + 256;

/** What one GPU signed, and who vouches for its key. */
export interface GpuEvidence {
  /** See `parseGpuReport`. */
  readonly report: Uint8Array;
  /** DER certificates, leaf first, root last. */
  readonly chain: readonly Uint8Array[];
}

/** Who compared the GPUs with NVIDIA's reference manifests: its tool in the guest, or its service, which signs what it found. */
export type GpuAppraiser = 'nvattest' | 'remote';

/** The evidence of all GPUs of a machine. The claims hold the SHA-256 of its bytes. */
export interface GpuDocument {
  readonly gpus: readonly GpuEvidence[];
  /** What NVIDIA's verifier found, as it said it: see `parseAppraisal`. Null where it was not asked. */
  readonly appraisal: { readonly by: GpuAppraiser; readonly token: string } | null;
}

const bytes = (limit: number) => z.string().max(Math.ceil((limit * 4) / 3));
const documentSchema = z.strictObject({
  version: z.literal(1),
  gpus: z
    .array(
      z.strictObject({
        report: bytes(MAX_GPU_REPORT_SIZE),
        chain: z.array(bytes(MAX_GPU_CERTIFICATE_SIZE)).length(GPU_CHAIN_LENGTH),
      }),
    )
    .min(1)
    .max(MAX_GPUS),
  appraisal: z.strictObject({ by: z.enum(['nvattest', 'remote']), token: z.string().max(MAX_APPRAISAL_SIZE) }).nullable(),
});

/** The document's bytes: canonical JSON, reports and certificates in base64url. @throws EvidenceError bad_gpu_evidence, bad_json */
export function encodeGpuDocument({ gpus, appraisal }: GpuDocument): Uint8Array {
  const encoded = gpus.map(({ report, chain }) => ({ report: toBase64Url(report), chain: chain.map(toBase64Url) }));
  return encodeCanonicalJson(check({ version: 1, gpus: encoded, appraisal }));
}

/** The document of its bytes; nothing in it is looked into. @throws EvidenceError bad_gpu_evidence, bad_json */
export function decodeGpuDocument(encoded: Uint8Array): GpuDocument {
  const { gpus, appraisal } = check(decodeCanonicalJson(encoded, MAX_GPU_DOCUMENT_SIZE));
  try {
    const decoded = gpus.map(({ report, chain }) => ({
      report: fromBase64Url(report),
      chain: chain.map((certificate) => fromBase64Url(certificate)),
    }));
    return { gpus: decoded, appraisal };
  } catch (cause) {
    if (cause instanceof MalformedError) throw new EvidenceError('bad_gpu_evidence', `gpu document: ${cause.message}`, {}, { cause });
    throw cause;
  }
}

/** What claims hold of the document: SHA-256 of its bytes, lower-case hex. */
export async function gpuDocumentHash(encoded: Uint8Array, crypto: CryptoProvider): Promise<string> {
  return toHex(await crypto.sha256(encoded));
}

/**
 * What GPUs are asked with: SHA-256("cocoon gpu nonce 1", sealing public keys in their order, receipt public key), 32 bytes. So their
 * reports are of this key set, and the claims in turn are of these reports.
 */
export async function gpuNonceOf(keys: Pick<KeySet, 'sealing' | 'receipt'>, crypto: CryptoProvider): Promise<Uint8Array> {
  const sealing = keys.sealing.map(({ publicKey }) => fromHex(publicKey, 32));
  return crypto.sha256(concat(utf8('cocoon gpu nonce 1'), ...sealing, fromHex(keys.receipt, 32)));
}

function check(value: unknown): z.output<typeof documentSchema> {
  const parsed = documentSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new EvidenceError('bad_gpu_evidence', `gpu document is malformed${malformedAt(parsed.error)}`);
}
