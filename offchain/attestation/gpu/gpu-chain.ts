import { equal } from '../../core/bytes';
import type { CryptoProvider } from '../../core/crypto';
import { type Certificate, type ChainVerdict, parseCertificateOf, readPublicKey, verifyChain } from '../certificate';
import { DER_TAG, enterDer, toOid, toSmallNumber } from '../der';
import { EvidenceError } from '../errors';
import { P384_SHA384 } from '../x509';
import { GPU_ROOT_NAME, type GpuRoot } from './gpu-root';

/**
 * Chains of GPUs, leaf first: the key that signs reports, held by measured firmware; the GPU's own key, held by its boot ROM; who
 * provisions its family; the family; the root. The names were seen on Hopper (GH100) and Blackwell (GB100) parts.
 */
const GPU_CHAIN = {
  roles: [/ GSP FMC LF$/, / GSP BROM$/, / Provisioner ICA \d+$/, / G[HB]\d+ Identity$/, GPU_ROOT_NAME],
  leaf: 'signer',
} as const;

export const GPU_CHAIN_LENGTH = GPU_CHAIN.roles.length;

/** Most bytes of one certificate: NVIDIA's have at most 900. */
export const MAX_GPU_CERTIFICATE_SIZE = 2048;

/** The certificates of a GPU, leaf first, root last. */
export interface GpuChain {
  readonly certificates: readonly Certificate[];
  readonly leaf: Certificate;
  /** Of the GPU itself. */
  readonly device: Certificate;
}

/** What a leaf says of whom it was made for. */
export interface GpuIdentity {
  /** How NVIDIA's services name this GPU and firmware: the leaf's serial number in decimal. */
  readonly ueid: string;
  /** The GPU's own public key: 04, x, y. */
  readonly deviceKey: Uint8Array;
  /** Digest of the firmware that holds the leaf's key, 48 bytes. */
  readonly firmwareId: Uint8Array;
}

/** Nothing is verified but the form. @throws EvidenceError bad_gpu_evidence, bad_certificate, bad_der */
export function parseGpuChain(ders: readonly Uint8Array[]): GpuChain {
  const certificates = ders.map((der) => parseCertificateOf(P384_SHA384, der));
  const [leaf, device] = certificates;
  if (leaf === undefined || device === undefined || certificates.length !== GPU_CHAIN_LENGTH) {
    throw bad(`chain of ${certificates.length} certificates, expected ${GPU_CHAIN_LENGTH}`);
  }
  return { certificates, leaf, device };
}

/** Roles, names, validity, signatures up to the root. Revocation is not looked at: NVIDIA has no lists, its tool asks a service. */
export function verifyGpuChain({ certificates }: GpuChain, root: GpuRoot, nowSec: number, crypto: CryptoProvider): Promise<ChainVerdict> {
  return verifyChain(certificates, GPU_CHAIN, root.certificate, nowSec, crypto);
}

/** A leaf names what it was made for in the extension of TCG's DICE. Source: TCG DICE Certificate Profiles, section 5.1. */
export const COMPOSITE_DEVICE_ID = '2.23.133.5.4.1';
/** Source: RFC 5758 section 3.2 (arc of NIST's hashes). */
export const SHA384 = '2.16.840.1.101.3.4.2.2';

/**
 * The form that Hopper's leaves have: CompositeDeviceID { version 1, the device's SubjectPublicKeyInfo, FWID { SHA-384, digest } }.
 * Leaves of other families say it in other forms, which are refused until there is evidence to test them with.
 *
 * @throws EvidenceError bad_gpu_evidence, bad_certificate, bad_der
 */
export function readGpuIdentity(leaf: Certificate): GpuIdentity {
  const extension = leaf.extensions.get(COMPOSITE_DEVICE_ID);
  if (extension === undefined) throw bad('leaf does not say for which device it is');
  const fields = enterDer(extension);
  if (toSmallNumber(fields.next(DER_TAG.integer)) !== 1) throw bad('leaf has a device id of an unknown version');
  const deviceKey = readPublicKey(fields.enter(), P384_SHA384);
  const firmware = fields.enter();
  const hash = toOid(firmware.next(DER_TAG.oid));
  const firmwareId = firmware.next(DER_TAG.octetString).content;
  firmware.end();
  fields.end();
  if (hash !== SHA384 || firmwareId.length !== 48) throw bad('leaf has a firmware id that is not of SHA-384');
  return { ueid: BigInt(`0x${leaf.serial}`).toString(), deviceKey, firmwareId };
}

/** Whether the leaf's words fit the certificate that signed it. */
export function isOfDevice(identity: GpuIdentity, device: Certificate): boolean {
  return equal(identity.deviceKey, device.publicKey);
}

function bad(what: string): EvidenceError {
  return new EvidenceError('bad_gpu_evidence', `gpu ${what}`);
}
