import type { WorkerClaims } from '../attestation/claims';
import type { CollateralSource } from '../attestation/collateral';
import { type EvidencePolicy, VERDICT_LIFE_SEC } from '../attestation/policy';
import type { Report } from '../attestation/report';
import { isStillListed } from '../attestation/still-listed';
import type { VerifierMemory } from '../attestation/verifier-memory';
import { type AllowlistView, type BlockLookup, type ExpectedEvidence, verifyEvidence } from '../attestation/verify-evidence';
import { fromHex } from '../core/bytes';
import type { Clock } from '../core/clock';
import type { CryptoProvider } from '../core/crypto';
import type { Offer } from '../protocol/calls';
import type { VerifiedGuest } from '../sealing/client-session';

/** A guest that may be sealed to, with what shows it. */
export interface TrustedGuest {
  /** Evidence digest, lower-case hex. */
  readonly digest: string;
  readonly keys: VerifiedGuest;
  readonly claims: WorkerClaims;
  readonly imageHash: string;
  readonly report: Report;
  /** Unix seconds from which nobody may be sealed to by this verdict. */
  readonly expiresAtSec: number;
}

export type GuestVerdict = { readonly trusted: true; readonly guest: TrustedGuest } | { readonly trusted: false; readonly report: Report };

export interface GuestVerifierOptions {
  readonly crypto: CryptoProvider;
  readonly clock: Clock;
  readonly policy: EvidencePolicy;
  /** Raw address of the root contract. */
  readonly network: string;
  readonly allowlist: AllowlistView;
  readonly blocks: BlockLookup;
  readonly collateral: CollateralSource;
  readonly memory: VerifierMemory;
  /** Fetches a bundle by its digest; what comes is believed no more than its sender. */
  fetchBundle(digest: string): Promise<Uint8Array>;
  /** Fetches the GPU evidence beside it, which is asked for only where proven claims name some. */
  fetchGpuEvidence(digest: string): Promise<Uint8Array>;
}

/** Verdicts that are kept: one per guest in the offers of a large proxy. */
const MAX_KEPT = 512;

/**
 * Decides for each offer whether its guest may be sealed to. A verdict is kept until it expires, for exactly what was asked (another
 * owner, key or model under the same digest is another question), and holds only while the allowlist still has image and model
 * active: that is looked at again at every use. Those who ask the same at the same time share one verification.
 */
export class GuestVerifier {
  private readonly kept = new Map<string, TrustedGuest>();
  private readonly running = new Map<string, Promise<GuestVerdict>>();

  constructor(private readonly options: GuestVerifierOptions) {}

  /** @throws ProxyError when the bundle cannot be had */
  async verify(offer: Offer): Promise<GuestVerdict> {
    const expected = expectedOf(offer, this.options.network);
    const question = JSON.stringify(expected);
    const known = this.kept.get(question);
    if (known !== undefined) {
      if (await this.stillHolds(known)) return { trusted: true, guest: known };
      this.kept.delete(question);
    }
    const running = this.running.get(question);
    if (running === undefined) return this.begin(question, expected);
    const verdict = await running;
    // It had begun before this was asked, and the allowlist may have changed meanwhile.
    return !verdict.trusted || (await this.stillHolds(verdict.guest)) ? verdict : this.verify(offer);
  }

  /**
   * Whether a guest that was trusted still is. Anything in doubt, a list that cannot be read included, is a no: asking the verifier
   * again names the check.
   */
  async stillHolds(guest: TrustedGuest): Promise<boolean> {
    const { allowlist, clock, policy } = this.options;
    try {
      const listing = { image: await allowlist.image(guest.imageHash), model: await allowlist.model(guest.claims.model.hash) };
      const nowSec = clock.nowSec();
      return nowSec < guest.expiresAtSec && isStillListed(listing, guest.claims.model.kind, policy, nowSec);
    } catch {
      return false;
    }
  }

  private begin(question: string, expected: ExpectedEvidence): Promise<GuestVerdict> {
    const verdict = this.verifyNow(question, expected).finally(() => {
      if (this.running.get(question) === verdict) this.running.delete(question);
    });
    this.running.set(question, verdict);
    return verdict;
  }

  private async verifyNow(question: string, expected: ExpectedEvidence): Promise<GuestVerdict> {
    const { options } = this;
    const bundle = await options.fetchBundle(expected.digest);
    const nowSec = options.clock.nowSec();
    const verdict = await verifyEvidence({
      bundle,
      gpuEvidence: () => options.fetchGpuEvidence(expected.digest),
      expected,
      policy: options.policy,
      allowlist: options.allowlist,
      blocks: options.blocks,
      collateral: options.collateral,
      memory: options.memory,
      nowSec,
      crypto: options.crypto,
    });
    // The role was asked for and so has passed; the compiler cannot know.
    if (!verdict.accepted || verdict.claims.role !== 'worker') return { trusted: false, report: verdict.report };
    const { claims, claimsBytes, imageHash, report, expiresAtSec } = verdict;
    const guest = {
      digest: expected.digest,
      keys: keysOf(claims, claimsBytes, expected.digest, imageHash),
      claims,
      imageHash,
      report,
      expiresAtSec: Math.min(expiresAtSec, nowSec + VERDICT_LIFE_SEC),
    };
    const oldest = this.kept.keys().next();
    if (this.kept.size >= MAX_KEPT && !oldest.done) this.kept.delete(oldest.value);
    this.kept.set(question, guest);
    return { trusted: true, guest };
  }
}

function expectedOf(offer: Offer, network: string): ExpectedEvidence {
  const { name, kind, hash } = offer.model;
  return {
    digest: offer.keys.evidence,
    role: 'worker',
    network,
    owner: offer.owner,
    sealing: offer.keys.sealing,
    receipt: offer.keys.receipt,
    model: { name, kind, hash },
    tls: null,
  };
}

function keysOf(claims: WorkerClaims, claimsBytes: Uint8Array, digest: string, imageHash: string): VerifiedGuest {
  const [sealing] = claims.keys.sealing;
  if (sealing === undefined) throw new RangeError('worker claims without a sealing key');
  return {
    sealingKey: fromHex(sealing.publicKey, 32),
    receiptKey: fromHex(claims.keys.receipt, 32),
    claims: claimsBytes,
    evidenceDigest: fromHex(digest, 32),
    modelHash: fromHex(claims.model.hash, 32),
    imageHash: fromHex(imageHash, 32),
  };
}
