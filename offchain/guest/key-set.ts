import { type EngineIdentity, encodeClaims, type ModelIdentity, SEALING_SUITE } from '../attestation/claims';
import { encodeBundle, evidenceDigest, imageHashOf, reportDataOf } from '../attestation/evidence';
import { gpuDocumentHash, gpuNonceOf } from '../attestation/gpu/gpu-document';
import type { GpuAttester } from '../attestation/platform/gpu-attester';
import type { Platform } from '../attestation/platform/platform';
import { parseQuote } from '../attestation/quote';
import { fromHex, toHex } from '../core/bytes';
import type { Clock } from '../core/clock';
import type { CryptoProvider } from '../core/crypto';
import type { KeySetInfo } from '../protocol/calls';
import { generateSigner } from '../runtime/node-crypto';
import { type GuestKeySet, GuestOpener } from '../sealing/guest-exchange';
import { generateSealingKey } from '../sealing/keys';
import { ReplayMemory } from './replay-memory';

/** What a guest says of itself beside its keys. */
export interface GuestFacts {
  /** Raw address of the root contract. */
  readonly network: string;
  readonly owner: string;
  readonly image: string;
  readonly model: ModelIdentity;
  readonly engine: EngineIdentity;
  readonly block: { readonly seqno: number; readonly rootHash: string };
}

/** Keys, the evidence that proves them, and the memory of what ran under them: made together, erased together. */
export interface KeySet {
  readonly keys: GuestKeySet;
  readonly opener: GuestOpener;
  readonly replay: ReplayMemory;
  /** The evidence bundle's bytes. */
  readonly bundle: Uint8Array;
  /** The encoded document of GPU evidence whose hash the claims have; null without GPUs. */
  readonly gpuEvidence: Uint8Array | null;
  readonly info: KeySetInfo;
  readonly madeAtSec: number;
}

/** What making a key set takes from the machine. */
export interface KeySetMeans {
  readonly platform: Platform;
  /** Null for a machine whose GPUs, if it has any, are not proven. */
  readonly gpu: GpuAttester | null;
  readonly crypto: CryptoProvider;
  /** Must never go back. */
  readonly clock: Clock;
  /** Authorisations that the set can remember. */
  readonly maxRemembered: number;
  /** How long the keys may be used, by their claims. */
  readonly lifeSec: number;
}

/** Makes keys in memory and has GPUs and platform prove them. @throws EvidenceError, PlatformError */
export async function makeKeySet(facts: GuestFacts, means: KeySetMeans): Promise<KeySet> {
  const { crypto, clock } = means;
  const sealing = await generateSealingKey();
  const receipt = generateSigner();
  const madeAtSec = clock.nowSec();
  const notAfter = madeAtSec + means.lifeSec;
  const entries: KeySetInfo['sealing'] = [{ suite: SEALING_SUITE, publicKey: toHex(sealing.publicKey) }];
  const publicKeys = { sealing: entries, receipt: toHex(receipt.publicKey), notAfter };
  const gpuEvidence = means.gpu === null ? null : await means.gpu.attest(await gpuNonceOf(publicKeys, crypto));
  const claims = encodeClaims({
    version: 1,
    role: 'worker',
    tls: null,
    gpu: gpuEvidence === null ? null : await gpuDocumentHash(gpuEvidence, crypto),
    ...facts,
    keys: publicKeys,
    issuedAt: madeAtSec,
  });
  const quote = await means.platform.quote(await reportDataOf(claims, crypto));
  const bundle = encodeBundle({ quote, claims });
  const digest = await evidenceDigest(bundle, crypto);
  const keys: GuestKeySet = {
    sealing,
    receipt,
    claims,
    evidenceDigest: fromHex(digest, 32),
    modelHash: fromHex(facts.model.hash, 32),
    imageHash: fromHex(await imageHashOf(parseQuote(quote).td, crypto), 32),
  };
  return {
    keys,
    opener: new GuestOpener(crypto, keys),
    replay: new ReplayMemory(clock, means.maxRemembered),
    bundle,
    gpuEvidence,
    info: { evidence: digest, ...publicKeys },
    madeAtSec,
  };
}
