/**
 * A verification as data: what is asked, with everything that lookups would answer, so that Node and a page can be asked the same.
 * This file and page.ts run in a browser.
 */
import { fromBase64Url, toBase64Url } from '../../../core/bytes';
import type { CryptoProvider } from '../../../core/crypto';
import type { Collateral } from '../../collateral';
import type { GpuPolicy } from '../../gpu/gpu-policy';
import { type GpuRoot, loadGpuRoot } from '../../gpu/gpu-root';
import type { EvidencePolicy } from '../../policy';
import type { SignedDocument } from '../../signed-document';
import { loadTrustRoot, type TrustRootKind } from '../../trust-root';
import { VerifierMemory } from '../../verifier-memory';
import { type ExpectedEvidence, type ListedImage, type ListedModel, verifyEvidence } from '../../verify-evidence';

/** All bytes in base64url. */
export interface Vector {
  readonly name: string;
  readonly bundle: string;
  readonly expected: ExpectedEvidence;
  readonly root: { readonly kind: TrustRootKind; readonly der: string };
  readonly limits: Omit<EvidencePolicy, 'trustRoots'>;
  readonly images: Readonly<Record<string, ListedImage>>;
  readonly models: Readonly<Record<string, ListedModel>>;
  /** By number. */
  readonly blocks: Readonly<Record<string, { readonly rootHash: string; readonly atSec: number }>>;
  readonly collateral: VectorCollateral;
  /** The GPU evidence that there is, and who vouches for it; without it, neither. */
  readonly gpu?: VectorGpu;
  readonly nowSec: number;
}

interface VectorGpu {
  readonly evidence: string;
  readonly root: { readonly kind: GpuRoot['kind']; readonly der: string };
  readonly appraiserKeys: readonly { readonly keyId: string; readonly publicKey: string }[];
}

interface VectorCollateral {
  readonly rootCrl: string;
  readonly pckCrl: string;
  readonly pckCrlIssuerChain: string;
  readonly tcbInfo: VectorDocument;
  readonly qeIdentity: VectorDocument;
}

type VectorDocument = Readonly<Record<keyof SignedDocument, string>>;

/** The verdict with its report, as JSON. */
export async function answer(vector: Vector, crypto: CryptoProvider): Promise<string> {
  const { root, limits, images, models, blocks, collateral, gpu, nowSec, expected } = vector;
  const held = decodeCollateral(collateral);
  const verdict = await verifyEvidence({
    bundle: fromBase64Url(vector.bundle),
    expected,
    policy: {
      ...limits,
      trustRoots: [await loadTrustRoot({ kind: root.kind, der: fromBase64Url(root.der) }, crypto)],
      gpu: gpu === undefined ? limits.gpu : await gpuPolicy(limits.gpu, gpu, crypto),
    },
    gpuEvidence: () => (gpu === undefined ? null : fromBase64Url(gpu.evidence)),
    allowlist: { image: (hash) => images[hash] ?? null, model: (hash) => models[hash] ?? null },
    blocks: (seqno) => blocks[`${seqno}`] ?? null,
    collateral: { collateralFor: () => held, drop: () => undefined },
    memory: new VerifierMemory(),
    nowSec,
    crypto,
  });
  return JSON.stringify(verdict.accepted ? { ...verdict, claimsBytes: toBase64Url(verdict.claimsBytes) } : verdict);
}

async function gpuPolicy(lists: GpuPolicy, { root, appraiserKeys }: VectorGpu, crypto: CryptoProvider): Promise<GpuPolicy> {
  return {
    ...lists,
    roots: [await loadGpuRoot({ kind: root.kind, der: fromBase64Url(root.der) }, crypto)],
    appraiserKeys: appraiserKeys.map(({ keyId, publicKey }) => ({ keyId, publicKey: fromBase64Url(publicKey) })),
  };
}

export function encodeCollateral({ rootCrl, pckCrl, pckCrlIssuerChain, tcbInfo, qeIdentity }: Collateral): VectorCollateral {
  const document = ({ json, signature, issuerChain }: SignedDocument): VectorDocument => ({
    json: toBase64Url(json),
    signature: toBase64Url(signature),
    issuerChain: toBase64Url(issuerChain),
  });
  return {
    rootCrl: toBase64Url(rootCrl),
    pckCrl: toBase64Url(pckCrl),
    pckCrlIssuerChain: toBase64Url(pckCrlIssuerChain),
    tcbInfo: document(tcbInfo),
    qeIdentity: document(qeIdentity),
  };
}

function decodeCollateral({ rootCrl, pckCrl, pckCrlIssuerChain, tcbInfo, qeIdentity }: VectorCollateral): Collateral {
  const document = ({ json, signature, issuerChain }: VectorDocument): SignedDocument => ({
    json: fromBase64Url(json),
    signature: fromBase64Url(signature),
    issuerChain: fromBase64Url(issuerChain),
  });
  return {
    rootCrl: fromBase64Url(rootCrl),
    pckCrl: fromBase64Url(pckCrl),
    pckCrlIssuerChain: fromBase64Url(pckCrlIssuerChain),
    tcbInfo: document(tcbInfo),
    qeIdentity: document(qeIdentity),
  };
}
