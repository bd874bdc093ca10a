import { createHash, createPublicKey, randomBytes, sign } from 'node:crypto';
import { concat, toBase64Url, toHex, utf8 } from '../../core/bytes';
import { parseCertificateOf } from '../certificate';
import { derInteger, derOctets, derOid, derSequence } from '../der-writer';
import { COMPOSITE_DEVICE_ID, SHA384 } from '../gpu/gpu-chain';
import type { GpuAppraiser, GpuDocument } from '../gpu/gpu-document';
import { P384_SHA384 } from '../x509';
import { type CertificatePlan, type Issued, issueCertificate, toExtension } from './development-certificates';

// A maker of GPUs for development: everything has the form of NVIDIA's, and no hardware vouches for it.

/** A GPU's certificates and key; nothing but a development root vouches for it. */
export interface SimulatedGpu {
  /** Leaf first, root last. */
  readonly chain: readonly [Issued, Issued, Issued, Issued, Issued];
  /** Digest of the firmware that holds the leaf's key, 48 bytes. */
  readonly firmwareId: Uint8Array;
}

/** Changes to the certificates' plans, by role. */
export type GpuChainChanges = Readonly<Partial<Record<'root' | 'family' | 'provisioner' | 'device' | 'leaf', Partial<CertificatePlan>>>>;

/** The upper part of a chain: who makes GPUs. */
export type GpuMaker = readonly [provisioner: Issued, family: Issued, root: Issued];

export function makeGpuMaker(validity: Pick<CertificatePlan, 'notBeforeSec' | 'notAfterSec'>, changes: GpuChainChanges = {}): GpuMaker {
  const plan = { ...validity, curve: 'P-384', pathLength: 9 } as const;
  const root = issueCertificate({ ...plan, commonName: 'SIMULATED Device Identity CA', ...changes.root }, null);
  const family = issueCertificate({ ...plan, commonName: 'SIMULATED GH100 Identity', ...changes.family }, root);
  const provisioner = issueCertificate({ ...plan, commonName: 'SIMULATED GH100 Provisioner ICA 1', ...changes.provisioner }, family);
  return [provisioner, family, root];
}

export function makeSimulatedGpu(
  maker: GpuMaker,
  validity: Pick<CertificatePlan, 'notBeforeSec' | 'notAfterSec'>,
  changes: GpuChainChanges = {},
): SimulatedGpu {
  const [provisioner] = maker;
  const plan = { ...validity, curve: 'P-384' } as const;
  const device = issueCertificate({ ...plan, commonName: 'SIMULATED GSP BROM', pathLength: 9, ...changes.device }, provisioner);
  const firmwareId = randomBytes(48);
  const leafPlan = { ...plan, commonName: 'SIMULATED GSP FMC LF', pathLength: null, extensions: [deviceIdOf(device, firmwareId)] };
  return { chain: [issueCertificate({ ...leafPlan, ...changes.leaf }, device), device, ...maker], firmwareId };
}

/** The extension by which a leaf says for which device and firmware it was made. */
export function deviceIdOf(device: Issued, firmwareId: Uint8Array): Uint8Array {
  const key = createPublicKey(device.key).export({ format: 'der', type: 'spki' });
  const value = derSequence(derInteger(1), key, derSequence(derOid(SHA384), derOctets(firmwareId)));
  return toExtension(COMPOSITE_DEVICE_ID, false, value);
}

/** What a report is to say, field by field. */
export interface GpuReportPlan {
  readonly nonce: Uint8Array;
  readonly measurements: readonly Uint8Array[];
  /** Type and data of each opaque field, in their order. */
  readonly fields: readonly (readonly [number, Uint8Array])[];
}

/** A report of a GPU passed through on its own, with driver 590.12 and VBIOS 96.00.A5.00.01. */
export function plainReport(nonce: Uint8Array, gpu: SimulatedGpu): GpuReportPlan {
  return {
    nonce,
    measurements: Array.from({ length: 64 }, (_, i) => new Uint8Array(48).fill(i)),
    fields: [
      [6, Uint8Array.of(0x00, 0xa5, 0x00, 0x96, 0x01, 0, 0, 0)],
      [3, utf8('590.12\0')],
      [20, gpu.firmwareId],
      [34, le(1, 2)],
      [36, le(1, 2)],
    ],
  };
}

/** A report signed by the leaf's key. See `parseGpuReport` for its form. */
export function writeGpuReport({ nonce, measurements, fields }: GpuReportPlan, key: Issued['key']): Uint8Array {
  const blocks = concat(...measurements.map((digest, i) => concat(Uint8Array.of(i + 1, 1, 51, 0, 1, 48, 0), digest)));
  const opaque = concat(...fields.map(([type, data]) => concat(le(type, 2), le(data.length, 2), data)));
  const signed = concat(
    Uint8Array.of(0x11, 0xe0, 0x01, 0xff),
    nonce,
    Uint8Array.of(0, 0x11, 0x60, 0, 0, measurements.length),
    le(blocks.length, 3),
    blocks,
    randomBytes(32),
    le(opaque.length, 2),
    opaque,
  );
  return concat(signed, sign('sha384', signed, { key, dsaEncoding: 'ieee-p1363' }));
}

/** Who signs appraisals; null for a tool that signs none. */
export interface AppraisalSigner {
  readonly keyId: string;
  readonly key: Issued['key'];
  /** What the token calls its algorithm, ES384 unless told otherwise. */
  readonly algorithm?: string;
}

/** What an appraisal is to say beside its form. */
export interface AppraisalPlan {
  readonly by: GpuAppraiser;
  readonly nonce: Uint8Array;
  readonly passed?: boolean;
  /** Claims of every GPU that are to be others. */
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly signer?: AppraisalSigner;
}

/** All that an appraisal names of a GPU: its leaf certificate. */
type CertifiedGpu = { readonly chain: readonly [Pick<Issued, 'der'>, ...(readonly Pick<Issued, 'der'>[])] };

/** An appraisal of these GPUs as NVIDIA's verifier writes one: debug off, every measurement known, nothing revoked. */
export function writeAppraisal(plan: AppraisalPlan, gpus: readonly CertifiedGpu[]): GpuDocument['appraisal'] {
  const nonce = toHex(plan.nonce);
  const devices = gpus.map(({ chain: [leaf] }, index) => {
    const claims = {
      eat_nonce: nonce,
      ueid: BigInt(`0x${parseCertificateOf(P384_SHA384, leaf.der).serial}`).toString(),
      measres: 'success',
      dbgstat: 'disabled',
      secboot: true,
      'x-nvidia-gpu-driver-version': '590.12',
      'x-nvidia-gpu-vbios-version': '96.00.A5.00.01',
      'x-nvidia-gpu-attestation-report-cert-chain': { 'x-nvidia-cert-status': 'valid', 'x-nvidia-cert-ocsp-status': 'good' },
      ...plan.claims,
    };
    return [`GPU-${index}`, writeToken(claims, plan.signer)] as const;
  });
  const overall = {
    sub: 'SIMULATED-ATTESTATION',
    'x-nvidia-overall-att-result': plan.passed ?? true,
    eat_nonce: nonce,
    submods: Object.fromEntries(devices.map(([name, token]) => [name, ['DIGEST', ['SHA-256', sha256Hex(token)]]])),
  };
  return { by: plan.by, token: JSON.stringify([['JWT', writeToken(overall, plan.signer)], Object.fromEntries(devices)]) };
}

function writeToken(claims: object, signer?: AppraisalSigner): string {
  const header = signer === undefined ? { alg: 'none', typ: 'JWT' } : { alg: signer.algorithm ?? 'ES384', kid: signer.keyId };
  const signed = [header, claims].map((part) => toBase64Url(utf8(JSON.stringify(part)))).join('.');
  if (signer === undefined) return `${signed}.`;
  return `${signed}.${toBase64Url(sign('sha384', utf8(signed), { key: signer.key, dsaEncoding: 'ieee-p1363' }))}`;
}

function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function le(value: number, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => Math.floor(value / 256 ** i) % 256);
}
