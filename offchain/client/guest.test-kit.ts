import { Address } from '@ton/core';
import type { Usage } from '../../wrappers/statements';
import { encodeClaims, type KeySet, type ModelIdentity, SEALING_SUITE } from '../attestation/claims';
import type { CollateralSource } from '../attestation/collateral';
import { encodeBundle, evidenceDigest, imageHashOf, reportDataOf } from '../attestation/evidence';
import { gpuDocumentHash } from '../attestation/gpu/gpu-document';
import { type CollateralPlan, issueCollateral } from '../attestation/platform/development-collateral';
import { hex, makePki, NOW, type Pki, sourceOf, tdReport } from '../attestation/platform/forgery.test-kit';
import { writeQuote } from '../attestation/platform/quote-writer';
import { loadTrustRoot, type TrustRoot } from '../attestation/trust-root';
import { fromHex, toHex } from '../core/bytes';
import type { Signer } from '../core/crypto';
import type { Offer } from '../protocol/calls';
import { generateSigner, nodeCrypto } from '../runtime/node-crypto';
import type { VerifiedGuest } from '../sealing/client-session';
import { GuestOpener } from '../sealing/guest-exchange';
import { generateSealingKey } from '../sealing/keys';

// What the tests of this room share: guests of real parts, with evidence under a development root.

export { hex, NOW };

export const ROOT = `0:${hex(0x11)}`;
export const OWNER = `0:${hex(0x22)}`;
export const PROXY = `0:${hex(0x77)}`;
export const OPERATOR = `0:${hex(0x78)}`;
export const CHANNEL = Address.parseRaw(`0:${hex(0x79)}`);
export const MODEL: ModelIdentity = { name: 'cocoon-demo', kind: 'files', hash: hex(0x55) };
export const PRICES = { uncachedPrompt: 1_000_000n, cachedPrompt: 500_000n, answer: 4_000_000n, reasoning: 4_000_000n };
export const USAGE: Usage = { uncachedPrompt: 10, cachedPrompt: 0, answer: 20, reasoning: 0 };
/** What USAGE costs at PRICES. */
export const USAGE_COST = 90n;
export const BLOCK = { seqno: 1000, rootHash: hex(0x66) };

export interface TestGuest {
  readonly opener: GuestOpener;
  /** Signs its receipts and challenges. */
  readonly receipt: Signer;
  /** What a client that has verified it seals to. */
  readonly keys: VerifiedGuest;
  readonly bundle: Uint8Array;
  /** Null where its claims name none. */
  readonly gpuEvidence: Uint8Array | null;
  readonly digest: string;
  readonly imageHash: string;
  readonly offer: Offer;
}

let pki: Pki | null = null;

/** One development root for all tests of a file. */
function testPki(): Pki {
  pki ??= makePki();
  return pki;
}

export function testRoot(): Promise<TrustRoot> {
  return loadTrustRoot({ kind: 'development', der: testRootDer() }, nodeCrypto);
}

export function testRootDer(): Uint8Array {
  return testPki().root.der;
}

/** Collateral under which machines of that root are up to date, unless the plan says otherwise. */
export function testCollateral(plan: Partial<CollateralPlan> = {}): CollateralSource {
  return sourceOf(issueCollateral(testPki().authority, { nowSec: NOW - 3600, ...plan }));
}

/** What a guest's evidence says otherwise. */
export interface GuestChange {
  readonly network?: string;
  readonly block?: { readonly seqno: number; readonly rootHash: string };
}

type AttestGpus = (keys: Pick<KeySet, 'sealing' | 'receipt'>) => Promise<Uint8Array | null>;

/** Of a guest that claims no GPU nobody asks for evidence of one. */
export async function noGpuEvidence(): Promise<Uint8Array> {
  throw new RangeError('asked for GPU evidence that no claims name');
}

/** A guest with keys of its own, and evidence under the development root. */
export async function makeGuest(
  model: ModelIdentity = MODEL,
  quoteOf = quoteUnder,
  change: GuestChange = {},
  attestGpus: AttestGpus = async () => null,
): Promise<TestGuest> {
  const sealing = await generateSealingKey();
  const receipt = generateSigner();
  const entries: Offer['keys']['sealing'] = [{ suite: SEALING_SUITE, publicKey: toHex(sealing.publicKey) }];
  const keys = { sealing: entries, receipt: toHex(receipt.publicKey), notAfter: NOW + 86_400 };
  const gpuEvidence = await attestGpus(keys);
  const claims = encodeClaims({
    version: 1,
    role: 'worker',
    network: ROOT,
    owner: OWNER,
    keys,
    tls: null,
    model,
    engine: { name: 'llama.cpp', version: '1.2.3' },
    image: 'cocoon-guest 0.1.0',
    gpu: gpuEvidence === null ? null : await gpuDocumentHash(gpuEvidence, nodeCrypto),
    block: BLOCK,
    issuedAt: NOW - 60,
    ...change,
  });
  const td = tdReport(await reportDataOf(claims, nodeCrypto));
  const imageHash = await imageHashOf(td, nodeCrypto);
  const bundle = encodeBundle({ quote: quoteOf(td), claims });
  const digest = await evidenceDigest(bundle, nodeCrypto);
  const opener = new GuestOpener(nodeCrypto, {
    sealing,
    receipt,
    claims,
    evidenceDigest: fromHex(digest, 32),
    modelHash: fromHex(model.hash, 32),
    imageHash: fromHex(imageHash, 32),
  });
  const offer: Offer = {
    owner: OWNER,
    keys: { evidence: digest, ...keys },
    model: { ...model, contextLength: 4096, capabilities: ['chat'] },
    prices: PRICES,
    load: { running: 0, capacity: 4 },
    firstTokenMs: null,
    tokensPerSec: null,
    successRate: null,
    gpu: null,
  };
  const verified: VerifiedGuest = {
    sealingKey: sealing.publicKey,
    receiptKey: receipt.publicKey,
    claims,
    evidenceDigest: fromHex(digest, 32),
    modelHash: fromHex(model.hash, 32),
    imageHash: fromHex(imageHash, 32),
  };
  return { opener, receipt, keys: verified, bundle, gpuEvidence, digest, imageHash, offer };
}

function quoteUnder(td: ReturnType<typeof tdReport>): Uint8Array {
  return writeQuote(td, testPki().platform);
}
