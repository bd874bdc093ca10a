import { z } from 'zod';
import { fromBase64Url, fromUtf8, toHex, utf8 } from '../../core/bytes';
import type { CryptoProvider } from '../../core/crypto';
import { MalformedError } from '../../core/errors';
import { EvidenceError } from '../errors';
import { malformedAt } from '../malformed-field';

/** Most characters of a token: NVIDIA's have about 1,100 for each GPU. */
export const MAX_APPRAISAL_SIZE = 32 * 1024;

/** What NVIDIA's verifier found of one GPU. */
export interface AppraisedGpu {
  /** The serial number of its leaf certificate, in decimal. This and what follows is one printable word each, safe to show. */
  readonly ueid: string;
  /** Lower-case hex. */
  readonly nonce: string;
  readonly driver: string;
  readonly vbios: string;
  /** Every measurement is one of those in NVIDIA's reference manifests of driver and VBIOS. */
  readonly manifestsMatch: boolean;
  /** Debug mode is off and it booted securely; null where it was not said, which is not "off". */
  readonly debugOff: boolean | null;
  /** Certificates are valid, and the service that knows the revoked ones called them good. */
  readonly notRevoked: boolean;
}

/** What NVIDIA's verifier found, as it said it. */
export interface Appraisal {
  readonly passed: boolean;
  /** Lower-case hex. */
  readonly nonce: string;
  readonly gpus: readonly AppraisedGpu[];
  /** Every token in it, the one over all first. */
  readonly tokens: readonly SignedToken[];
}

interface SignedToken {
  readonly algorithm: string;
  readonly keyId: string | null;
  readonly signedBytes: Uint8Array;
  readonly signature: Uint8Array;
}

/** A key of NVIDIA's remote service, by its name in tokens. */
export interface AppraiserKey {
  readonly keyId: string;
  /** 04, x, y of P-384: 97 bytes. */
  readonly publicKey: Uint8Array;
}

const text = z.string().max(512);
/** What reports show to people, and compare as words of a list: nothing that moves a cursor, and no blank that would begin another word. */
const word = z.string().regex(/^[\x21-\x7e]{1,128}$/);
const gpuName = z.string().regex(/^GPU-\d{1,2}$/);
const bundleSchema = z.tuple([z.tuple([z.literal('JWT'), z.string()]), z.record(gpuName, z.string())]);
const headerSchema = z.object({ alg: text, kid: text.optional() });
const overallSchema = z.object({
  'x-nvidia-overall-att-result': z.boolean(),
  eat_nonce: word,
  submods: z.record(gpuName, z.tuple([z.literal('DIGEST'), z.tuple([z.enum(['SHA-256', 'SHA256']), text])])),
});
const deviceSchema = z.object({
  eat_nonce: word,
  ueid: word,
  measres: text.nullish(),
  dbgstat: text.nullish(),
  secboot: z.boolean().nullish(),
  'x-nvidia-gpu-driver-version': word,
  'x-nvidia-gpu-vbios-version': word,
  'x-nvidia-gpu-attestation-report-cert-chain': z.object({ 'x-nvidia-cert-status': text, 'x-nvidia-cert-ocsp-status': text }),
});

/**
 * An appraisal from a detached EAT bundle: one token over all, with the SHA-256 of one token for each GPU. Signatures are not looked
 * at: NVIDIA's tool in the guest signs none, and those of its service are the question of `isSignedByService`.
 *
 * Source: RFC 9711 section 5; NVIDIA attestation documentation, "GPU Claims", versions 3.0 and 4.0.
 *
 * @throws EvidenceError bad_gpu_evidence
 */
export async function parseAppraisal(token: string, crypto: CryptoProvider): Promise<Appraisal> {
  if (token.length > MAX_APPRAISAL_SIZE) throw bad(`of ${token.length} characters, limit ${MAX_APPRAISAL_SIZE}`);
  const [[, overallToken], deviceTokens] = read(bundleSchema, fromJson(token));
  const overall = splitToken(overallToken);
  const claims = read(overallSchema, overall.claims);
  const names = Object.keys(deviceTokens);
  if (names.length === 0 || names.length !== Object.keys(claims.submods).length) throw bad('has other tokens than it names');
  const gpus: AppraisedGpu[] = [];
  const tokens: SignedToken[] = [overall.token];
  for (const [name, deviceToken] of Object.entries(deviceTokens)) {
    const digest = toHex(await crypto.sha256(utf8(deviceToken)));
    if (claims.submods[name]?.[1][1] !== digest) throw bad('has a token with another digest than it names');
    const device = splitToken(deviceToken);
    gpus.push(describe(read(deviceSchema, device.claims)));
    tokens.push(device.token);
  }
  return { passed: claims['x-nvidia-overall-att-result'], nonce: claims.eat_nonce, gpus, tokens };
}

/** Whether every token is signed by one of these keys. Source: RFC 7518 section 3.4, ES384. */
export async function isSignedByService({ tokens }: Appraisal, keys: readonly AppraiserKey[], crypto: CryptoProvider): Promise<boolean> {
  for (const { algorithm, keyId, signedBytes, signature } of tokens) {
    const key = keys.find((candidate) => candidate.keyId === keyId);
    if (algorithm !== 'ES384' || key === undefined || !(await crypto.verifyP384(key.publicKey, signedBytes, signature))) return false;
  }
  return tokens.length > 0;
}

function describe(claims: z.output<typeof deviceSchema>): AppraisedGpu {
  const { dbgstat, secboot } = claims;
  const chain = claims['x-nvidia-gpu-attestation-report-cert-chain'];
  return {
    ueid: claims.ueid,
    nonce: claims.eat_nonce,
    driver: claims['x-nvidia-gpu-driver-version'],
    vbios: claims['x-nvidia-gpu-vbios-version'],
    manifestsMatch: claims.measres === 'success',
    debugOff: typeof dbgstat === 'string' && typeof secboot === 'boolean' ? dbgstat === 'disabled' && secboot : null,
    notRevoked: chain['x-nvidia-cert-status'] === 'valid' && chain['x-nvidia-cert-ocsp-status'] === 'good',
  };
}

/** Header, claims and signature, each in base64url. Source: RFC 7515 section 7.1. */
function splitToken(token: string): { readonly token: SignedToken; readonly claims: unknown } {
  const [header, payload, signature, more] = token.split('.');
  if (header === undefined || payload === undefined || signature === undefined || more !== undefined) throw bad('has a token that is none');
  const { alg, kid } = read(headerSchema, fromJson(decode(header, fromUtf8)));
  const signed = { algorithm: alg, keyId: kid ?? null, signedBytes: utf8(`${header}.${payload}`), signature: decode(signature, (b) => b) };
  return { token: signed, claims: fromJson(decode(payload, fromUtf8)) };
}

function decode<T>(part: string, convert: (bytes: Uint8Array) => T): T {
  try {
    return convert(fromBase64Url(part));
  } catch (cause) {
    if (cause instanceof MalformedError) throw bad('has a token that is none');
    throw cause;
  }
}

function fromJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    // A SyntaxError quotes its input: it does not travel on.
    if (cause instanceof SyntaxError) throw bad('is not json');
    throw cause;
  }
}

function read<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw bad(`is malformed${malformedAt(parsed.error)}`);
}

function bad(what: string): EvidenceError {
  return new EvidenceError('bad_gpu_evidence', `gpu appraisal ${what}`);
}
