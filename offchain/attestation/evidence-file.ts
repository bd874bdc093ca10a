import { z } from 'zod';
import { fromBase64Url, toBase64Url } from '../core/bytes';
import { MalformedError } from '../core/errors';
import { decodeCanonicalJson, encodeCanonicalJson } from './canonical-json';
import { CLAIMS_FIELDS } from './claims';
import type { Collateral } from './collateral';
import { EvidenceError } from './errors';
import { MAX_BUNDLE_SIZE } from './evidence';
import { MAX_GPU_DOCUMENT_SIZE } from './gpu/gpu-document';
import { malformedAt } from './malformed-field';
import { MAX_CHAIN_SIZE } from './pem';
import { MAX_CRL_SIZE } from './revocation-list';
import { MAX_DOCUMENT_SIZE } from './signed-document';
import type { ExpectedEvidence, ListedImage, ListedModel } from './verify-evidence';

/** Most bytes of an evidence file: every part at its own limit, as base64url, and room for the rest. */
export const MAX_EVIDENCE_FILE_SIZE =
  Math.ceil((4 * (MAX_BUNDLE_SIZE + MAX_GPU_DOCUMENT_SIZE + 2 * MAX_CRL_SIZE + 2 * MAX_DOCUMENT_SIZE + 3 * MAX_CHAIN_SIZE)) / 3) +
  16 * 1024;

/** What an evidence file says of itself. */
export const EVIDENCE_FORMAT = 'cocoon evidence';

/** A masterchain block as a chain's endpoint told it; `rootHash` is lower-case hex of 32 bytes. */
export interface SeenBlock {
  readonly seqno: number;
  readonly rootHash: string;
  /** Unix seconds. */
  readonly atSec: number;
}

/**
 * Everything that a verifier was given when it looked at evidence, so that the same question can be asked again without a network.
 * Bundle and collateral prove themselves, under a root that the file does not choose. Block and allowlist are what was read from the
 * chain, and `expected` what the offer said: whoever holds only the file has its word for them.
 */
export interface EvidenceFile {
  /** When this was seen, unix seconds. */
  readonly seenAtSec: number;
  /** The bundle as it came. */
  readonly bundle: Uint8Array;
  readonly expected: ExpectedEvidence;
  /** The GPU evidence document. Null where none was asked for. */
  readonly gpuEvidence: Uint8Array | null;
  /** Null where none was asked for or none was to be had; so with the facts below. */
  readonly collateral: Collateral | null;
  /** The block that the claims name. */
  readonly block: SeenBlock | null;
  readonly allowlist: {
    /** The newest block that was known when the lists were read. */
    readonly asOf: SeenBlock | null;
    readonly image: (ListedImage & { readonly hash: string }) | null;
    readonly model: (ListedModel & { readonly hash: string }) | null;
  };
}

const { hash, address, uint32, role, modelKind, model, sealingKeys } = CLAIMS_FIELDS;

function bytes(limit: number) {
  return z.codec(
    z.string().max(Math.ceil((4 * limit) / 3)),
    z.custom<Uint8Array>((value) => value instanceof Uint8Array),
    {
      decode: (text, context) => {
        try {
          return fromBase64Url(text);
        } catch (error) {
          if (!(error instanceof MalformedError)) throw error;
          context.issues.push({ code: 'custom', message: error.message, input: text });
          return z.NEVER;
        }
      },
      encode: (value) => toBase64Url(value),
    },
  );
}

const document = z.strictObject({ json: bytes(MAX_DOCUMENT_SIZE), signature: bytes(64), issuerChain: bytes(MAX_CHAIN_SIZE) });
const block = z.strictObject({ seqno: uint32, rootHash: hash, at: uint32 });

const fileSchema = z.strictObject({
  format: z.literal(EVIDENCE_FORMAT),
  version: z.literal(1),
  seenAt: uint32,
  bundle: bytes(MAX_BUNDLE_SIZE),
  expected: z.strictObject({
    digest: hash,
    role,
    network: address,
    owner: address,
    sealing: sealingKeys,
    receipt: hash,
    model: model.nullable(),
    tls: hash.nullable(),
  }),
  gpuEvidence: bytes(MAX_GPU_DOCUMENT_SIZE).nullable(),
  collateral: z
    .strictObject({
      rootCrl: bytes(MAX_CRL_SIZE),
      pckCrl: bytes(MAX_CRL_SIZE),
      pckCrlIssuerChain: bytes(MAX_CHAIN_SIZE),
      tcbInfo: document,
      qeIdentity: document,
    })
    .nullable(),
  block: block.nullable(),
  allowlist: z.strictObject({
    asOf: block.nullable(),
    image: z.strictObject({ hash, roles: z.array(role).max(2), activeFrom: uint32 }).nullable(),
    model: z.strictObject({ hash, kind: modelKind, activeFrom: uint32 }).nullable(),
  }),
});

/** The file's bytes: canonical JSON, byte strings as base64url. @throws EvidenceError bad_evidence_file for what is over a limit */
export function encodeEvidenceFile(file: EvidenceFile): Uint8Array {
  const { seenAtSec, bundle, expected, gpuEvidence, collateral, allowlist } = file;
  const encoded = z.safeEncode(fileSchema, {
    format: EVIDENCE_FORMAT,
    version: 1,
    seenAt: seenAtSec,
    bundle,
    expected: { ...expected, sealing: [...expected.sealing] },
    gpuEvidence,
    collateral,
    block: blockOut(file.block),
    allowlist: {
      asOf: blockOut(allowlist.asOf),
      image: allowlist.image === null ? null : entryOut({ ...allowlist.image, roles: [...allowlist.image.roles] }),
      model: allowlist.model === null ? null : entryOut(allowlist.model),
    },
  });
  if (!encoded.success) throw malformed(encoded.error);
  return encodeCanonicalJson(encoded.data);
}

/**
 * An evidence file from its bytes; the bundle and the collateral in it are not looked into. Unknown fields and versions are refused.
 *
 * @throws EvidenceError bad_evidence_file, bad_json
 */
export function decodeEvidenceFile(fileBytes: Uint8Array): EvidenceFile {
  return readEvidenceFile(decodeCanonicalJson(fileBytes, MAX_EVIDENCE_FILE_SIZE));
}

/** As decodeEvidenceFile, for a value that stands in another document. @throws EvidenceError bad_evidence_file */
export function readEvidenceFile(value: unknown): EvidenceFile {
  const parsed = fileSchema.safeParse(value);
  if (!parsed.success) throw malformed(parsed.error);
  const { seenAt, bundle, expected, gpuEvidence, collateral, allowlist } = parsed.data;
  return {
    seenAtSec: seenAt,
    bundle,
    expected,
    gpuEvidence,
    collateral,
    block: blockIn(parsed.data.block),
    allowlist: {
      asOf: blockIn(allowlist.asOf),
      image: allowlist.image === null ? null : entryIn(allowlist.image),
      model: allowlist.model === null ? null : entryIn(allowlist.model),
    },
  };
}

type WrittenBlock = z.output<typeof block>;

function blockIn(written: WrittenBlock | null): SeenBlock | null {
  return written === null ? null : { seqno: written.seqno, rootHash: written.rootHash, atSec: written.at };
}

function blockOut(seen: SeenBlock | null): WrittenBlock | null {
  return seen === null ? null : { seqno: seen.seqno, rootHash: seen.rootHash, at: seen.atSec };
}

function entryIn<T extends { readonly activeFrom: number }>({ activeFrom, ...entry }: T) {
  return { ...entry, activeFromSec: activeFrom };
}

function entryOut<T extends { readonly activeFromSec: number }>({ activeFromSec, ...entry }: T) {
  return { ...entry, activeFrom: activeFromSec };
}

function malformed(error: z.core.$ZodError): EvidenceError {
  return new EvidenceError('bad_evidence_file', `evidence file is malformed${malformedAt(error)}`);
}
