import { z } from 'zod';
import { decodeCanonicalJson, encodeCanonicalJson } from './canonical-json';
import { EvidenceError } from './errors';
import { malformedAt } from './malformed-field';

/** The one suite of sealing keys: HPKE base mode. Source: RFC 9180 section 7. */
export const SEALING_SUITE = 'x25519-hkdf-sha256-aes-128-gcm';

/** Most bytes of encoded claims. */
export const MAX_CLAIMS_SIZE = 16 * 1024;

/** Most sealing key entries in a key set. */
const MAX_SEALING_KEYS = 4;

/** What an attested machine is in the network, and what the allowlist lists an image for. */
export type Role = 'worker' | 'proxy';

/**
 * How a model's hash was made: over its files in a canonical order, as the root of a dm-verity tree, or not at all: an engine that
 * the guest did not start from proven weights.
 */
export type ModelKind = 'files' | 'verity' | 'unproven';

/** A public key that callers seal to; lower-case hex of 32 bytes. */
export interface SealingKeyEntry {
  readonly suite: typeof SEALING_SUITE;
  readonly publicKey: string;
}

/** The keys that a machine made at boot and replaces together. */
export interface KeySet {
  /** One entry per suite. A worker has at least one. */
  readonly sealing: readonly SealingKeyEntry[];
  /** Ed25519 public key that signs receipts and challenges; lower-case hex of 32 bytes. */
  readonly receipt: string;
  /** Unix seconds from which nobody may use the keys. */
  readonly notAfter: number;
}

/** The model that a guest serves. `hash` is lower-case hex of 32 bytes; for an unproven model it proves nothing. */
export interface ModelIdentity {
  readonly name: string;
  readonly kind: ModelKind;
  readonly hash: string;
}

/** The inference engine in front of the model: information, since the image hash covers what the image starts. */
export interface EngineIdentity {
  readonly name: string;
  readonly version: string;
}

interface CommonClaims {
  readonly version: 1;
  /** The root contract's address, raw: `0:<64 hex>`. */
  readonly network: string;
  /** Who is paid, raw: `0:<64 hex>`. */
  readonly owner: string;
  readonly keys: KeySet;
  /** The image's name: information, its hash is in the quote. */
  readonly image: string;
  /** SHA-256 of the GPU evidence, lower-case hex, or null where there is none. */
  readonly gpu: string | null;
  /** A recent masterchain block, which bounds the age of the quote; `rootHash` is lower-case hex of 32 bytes. */
  readonly block: { readonly seqno: number; readonly rootHash: string };
  /** Unix seconds by the machine's clock, which is its host's. */
  readonly issuedAt: number;
}

/** What a guest says of itself. */
export interface WorkerClaims extends CommonClaims {
  readonly role: 'worker';
  readonly tls: null;
  readonly model: ModelIdentity;
  readonly engine: EngineIdentity;
}

/** What an attested proxy says of itself. `tls` is SHA-256 of its TLS public key (SubjectPublicKeyInfo), lower-case hex. */
export interface ProxyClaims extends CommonClaims {
  readonly role: 'proxy';
  readonly tls: string;
  readonly model: null;
  readonly engine: null;
}

/** What a machine says of itself and its quote proves that it said: the quote's report data is SHA-512 of the encoded claims. */
export type Claims = WorkerClaims | ProxyClaims;

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const address = z.string().regex(/^0:[0-9a-f]{64}$/);
// Printable ASCII: these names are shown in terminals.
const name = z.string().regex(/^[\x20-\x7e]{1,128}$/);
const uint32 = z.int().min(0).max(0xffffffff);
const modelKind = z.enum(['files', 'verity', 'unproven']);
const model = z.strictObject({ name, kind: modelKind, hash });

const sealingKeys = z
  .array(z.strictObject({ suite: z.literal(SEALING_SUITE), publicKey: hash }))
  .max(MAX_SEALING_KEYS)
  .refine((entries) => new Set(entries.map((entry) => entry.suite)).size === entries.length, 'a suite is repeated');

/** Fields of claims, for documents that repeat them. */
export const CLAIMS_FIELDS = { hash, address, uint32, role: z.enum(['worker', 'proxy']), modelKind, model, sealingKeys } as const;

const common = {
  version: z.literal(1),
  network: address,
  owner: address,
  image: name,
  gpu: hash.nullable(),
  block: z.strictObject({ seqno: uint32, rootHash: hash }),
  issuedAt: uint32,
};

const claimsSchema: z.ZodType<Claims> = z.discriminatedUnion('role', [
  z.strictObject({
    ...common,
    role: z.literal('worker'),
    keys: z.strictObject({ sealing: sealingKeys.min(1), receipt: hash, notAfter: uint32 }),
    tls: z.null(),
    model,
    engine: z.strictObject({ name, version: name }),
  }),
  z.strictObject({
    ...common,
    role: z.literal('proxy'),
    keys: z.strictObject({ sealing: sealingKeys, receipt: hash, notAfter: uint32 }),
    tls: hash,
    model: z.null(),
    engine: z.null(),
  }),
]);

/** The canonical bytes of claims, at most 16 KiB. @throws EvidenceError bad_claims */
export function encodeClaims(claims: Claims): Uint8Array {
  const bytes = encodeCanonicalJson(check(claims));
  if (bytes.length > MAX_CLAIMS_SIZE) throw new EvidenceError('bad_claims', `claims of ${bytes.length} bytes, limit ${MAX_CLAIMS_SIZE}`);
  return bytes;
}

/**
 * Claims from their canonical bytes. Unknown, missing or mistyped fields, unknown versions and suites, and bytes that are not in
 * canonical form are refused.
 *
 * @throws EvidenceError bad_claims, bad_json
 */
export function decodeClaims(bytes: Uint8Array): Claims {
  return check(decodeCanonicalJson(bytes, MAX_CLAIMS_SIZE));
}

function check(value: unknown): Claims {
  const parsed = claimsSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new EvidenceError('bad_claims', `claims are malformed${malformedAt(parsed.error)}`);
}
