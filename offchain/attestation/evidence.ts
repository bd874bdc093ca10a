import { z } from 'zod';
import { concat, fromBase64Url, toBase64Url, toHex } from '../core/bytes';
import type { CryptoProvider } from '../core/crypto';
import { MalformedError } from '../core/errors';
import { decodeCanonicalJson, encodeCanonicalJson } from './canonical-json';
import { MAX_CLAIMS_SIZE } from './claims';
import { EvidenceError } from './errors';
import { MAX_QUOTE_SIZE } from './quote';

/** Most bytes of an encoded bundle: both parts as base64url and the braces around them. */
export const MAX_BUNDLE_SIZE = Math.ceil((MAX_QUOTE_SIZE * 4) / 3) + Math.ceil((MAX_CLAIMS_SIZE * 4) / 3) + 64;

/** A quote and the claims that it proves, each as raw bytes. */
export interface Bundle {
  readonly quote: Uint8Array;
  readonly claims: Uint8Array;
}

/** What a TDX module measured of a machine: the build-time register and the four runtime registers, 48 bytes each. */
export interface Measurements {
  readonly mrTd: Uint8Array;
  readonly rtmr: readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
}

const bundleSchema = z.strictObject({ quote: z.string(), claims: z.string() });

/** The bundle's bytes: canonical JSON of two base64url strings. @throws EvidenceError bad_bundle */
export function encodeBundle(bundle: Bundle): Uint8Array {
  checkSizes(bundle);
  return encodeCanonicalJson({ quote: toBase64Url(bundle.quote), claims: toBase64Url(bundle.claims) });
}

/** A bundle from its bytes; quote and claims are not looked into. @throws EvidenceError bad_bundle, bad_json */
export function decodeBundle(bytes: Uint8Array): Bundle {
  const parsed = bundleSchema.safeParse(decodeCanonicalJson(bytes, MAX_BUNDLE_SIZE));
  if (!parsed.success) throw new EvidenceError('bad_bundle', 'bundle has missing or unknown fields');
  try {
    const bundle = { quote: fromBase64Url(parsed.data.quote), claims: fromBase64Url(parsed.data.claims) };
    checkSizes(bundle);
    return bundle;
  } catch (cause) {
    if (cause instanceof MalformedError) throw new EvidenceError('bad_bundle', cause.message, {}, { cause });
    throw cause;
  }
}

/** How a key set is named everywhere: SHA-256 of the bundle's bytes, lower-case hex. */
export async function evidenceDigest(bundleBytes: Uint8Array, crypto: CryptoProvider): Promise<string> {
  return toHex(await crypto.sha256(bundleBytes));
}

/** What a quote over these claims carries: SHA-512 of the encoded claims, 64 bytes. */
export async function reportDataOf(claimsBytes: Uint8Array, crypto: CryptoProvider): Promise<Uint8Array> {
  return crypto.sha512(claimsBytes);
}

/** What the allowlist holds for a machine with these measurements: SHA-256(MRTD, RTMR0, RTMR1, RTMR2, RTMR3), lower-case hex. */
export async function imageHashOf(measurements: Measurements, crypto: CryptoProvider): Promise<string> {
  return toHex(await crypto.sha256(concat(measurements.mrTd, ...measurements.rtmr)));
}

function checkSizes(bundle: Bundle): void {
  if (bundle.quote.length > MAX_QUOTE_SIZE) {
    throw new EvidenceError('bad_bundle', `quote of ${bundle.quote.length} bytes, limit ${MAX_QUOTE_SIZE}`);
  }
  if (bundle.claims.length > MAX_CLAIMS_SIZE) {
    throw new EvidenceError('bad_bundle', `claims of ${bundle.claims.length} bytes, limit ${MAX_CLAIMS_SIZE}`);
  }
}
