/** The key sets that one worker has shown: which are proven, by whom that is still believed, and which is offered. */
import type { Address } from '@ton/core';
import type { Logger } from 'pino';
import { packChallenge, statementHash } from '../../wrappers/statements';
import type { CollateralSource } from '../attestation/collateral';
import { type EvidencePolicy, VERDICT_LIFE_SEC } from '../attestation/policy';
import { failedChecks } from '../attestation/report';
import { isStillListed } from '../attestation/still-listed';
import type { VerifierMemory } from '../attestation/verifier-memory';
import { type BlockLookup, type ListedImage, type ListedModel, verifyEvidence } from '../attestation/verify-evidence';
import { fromHex, toBigEndian, toHex } from '../core/bytes';
import type { Clock } from '../core/clock';
import type { CryptoProvider } from '../core/crypto';
import { PeerError } from '../core/errors';
import { challengeAnswer, challengeCall, type WorkerInfo } from '../protocol/calls';
import { readJson, writeJson } from '../protocol/json';

/** The allowlist as of the last look at the chain, without waiting: it is asked at every use. Throwing means that it is not known. */
export interface AllowlistNow {
  image(hash: string): ListedImage | null;
  model(hash: string): ListedModel | null;
}

export interface WorkerGuestsParts {
  readonly proxy: Address;
  readonly root: Address;
  readonly policy: EvidencePolicy;
  readonly allowlist: AllowlistNow;
  readonly blocks: BlockLookup;
  readonly collateral: CollateralSource;
  /** One for all workers. */
  readonly memory: VerifierMemory;
  readonly clock: Clock;
  readonly crypto: CryptoProvider;
  readonly log: Logger;
}

/** What is asked of the worker, over the connection that it dialled; what comes is not believed. */
export interface WorkerQuestions {
  evidence(digest: string): Promise<Uint8Array>;
  /** Beside the bundle with this digest; asked for only where proven claims name some. */
  gpuEvidence(digest: string): Promise<Uint8Array>;
  challenge(call: Uint8Array): Promise<Uint8Array>;
}

export type GuestInfo = NonNullable<WorkerInfo['guest']>;

/** A guest whose evidence was verified here, as it was described then. */
export interface VerifiedGuest {
  readonly info: GuestInfo;
  readonly bundle: Uint8Array;
  /** Null where the claims name none. */
  readonly gpuEvidence: Uint8Array | null;
  readonly imageHash: string;
  readonly verifiedAtSec: number;
  readonly expiresAtSec: number;
  readonly isSimulated: boolean;
}

/** Evidence that was refused, and the names of the checks that failed. */
export interface RefusedEvidence {
  readonly digest: string;
  readonly checks: readonly string[];
  /** Unix seconds, from which on it is worth another look. */
  readonly untilSec: number;
}

/** Key sets of one worker at a time: the present one and those that are being replaced. */
const MAX_GUESTS = 8;
/** How long evidence that was refused is not looked at again, in seconds: a verification costs more than a stranger's connection. */
const REFUSED_SEC = 10;
/** How long the keys before are offered while new ones are not verified yet, in seconds: the guest accepts under them for ten minutes. */
const OFFER_REPLACED_SEC = 300;

/**
 * A verdict is kept by its evidence's digest until it expires, is made anew after an hour, and is used only while the allowlist has
 * what it rests on: that is looked at at every use, so that a removal counts with the next look at the chain.
 */
export class WorkerGuests {
  private readonly verified = new Map<string, VerifiedGuest>();
  private lastRefused: RefusedEvidence | null = null;
  /** Digests of evidence that has held here, whether it still does or not; the newest. */
  private readonly known = new Set<string>();
  /** The key set that the worker names now. */
  private present: string | null = null;
  /** The one that was offered before it, and until when it still is. */
  private replaced: { readonly digest: string; readonly untilSec: number } | null = null;

  constructor(
    private readonly parts: WorkerGuestsParts,
    private readonly worker: WorkerQuestions,
  ) {}

  /** What was refused last; null once other evidence has been verified. */
  get refused(): RefusedEvidence | null {
    return this.lastRefused;
  }

  /** Whether any evidence was verified and still holds. */
  get isAny(): boolean {
    return [...this.verified.values()].some((guest) => this.holds(guest));
  }

  /** The verified guest with this evidence; null when there is none, or its verdict no longer holds. */
  find(digest: string): VerifiedGuest | null {
    const guest = this.verified.get(digest);
    return guest !== undefined && this.holds(guest) ? guest : null;
  }

  /**
   * The guest to offer while the worker names this evidence: itself, or, while that is still being verified, the one before it, so
   * that no offer has a gap when keys are replaced.
   */
  offered(digest: string): VerifiedGuest | null {
    const found = this.find(digest);
    if (found !== null || this.present !== digest || this.replaced === null) return found;
    return this.parts.clock.nowSec() < this.replaced.untilSec ? this.find(this.replaced.digest) : null;
  }

  /**
   * Forgets guests whose verdict has ended, verifies again those whose verdict is old, and takes up the one that the worker names now.
   * @throws PeerError challenge_failed; MalformedError, TransportError: drop the worker
   */
  async review(owner: string, named: GuestInfo | null): Promise<void> {
    this.notePresent(named?.keys.evidence ?? null);
    for (const [digest, guest] of this.verified) {
      const isOld = this.parts.clock.nowSec() >= guest.verifiedAtSec + VERDICT_LIFE_SEC;
      const kept = !this.holds(guest) ? null : isOld ? await this.verify(owner, guest.info, guest.bundle, guest.gpuEvidence) : guest;
      if (kept === null) this.verified.delete(digest);
      else this.verified.set(digest, kept);
    }
    if (named !== null && !this.verified.has(named.keys.evidence) && !this.isRefused(named.keys.evidence)) await this.admit(owner, named);
  }

  private isRefused(digest: string): boolean {
    return this.lastRefused?.digest === digest && this.parts.clock.nowSec() < this.lastRefused.untilSec;
  }

  private notePresent(digest: string | null): void {
    const { present } = this;
    if (digest === null || digest === present) return;
    // What was never verified was never offered: then the one before it still stands, as long as it did.
    if (present !== null && this.verified.has(present)) {
      this.replaced = { digest: present, untilSec: this.parts.clock.nowSec() + OFFER_REPLACED_SEC };
    }
    this.present = digest;
  }

  /** Takes up a key set that is new here: its evidence must hold, and its guest must be there. */
  private async admit(owner: string, info: GuestInfo): Promise<void> {
    const digest = info.keys.evidence;
    const guest = await this.verify(owner, info, await this.worker.evidence(digest));
    if (guest === null) return;
    await this.challenge(info.keys);
    const oldest = this.verified.keys().next();
    if (this.verified.size >= MAX_GUESTS && !oldest.done) this.verified.delete(oldest.value);
    this.verified.set(digest, guest);
    this.known.delete(digest);
    this.known.add(digest);
    const [first] = this.known;
    if (this.known.size > MAX_GUESTS && first !== undefined) this.known.delete(first);
    this.lastRefused = null;
    const { hash } = info.model;
    this.parts.log.info({ evidence: digest, model: hash, simulated: guest.isSimulated }, 'evidence of a worker verified');
  }

  private async verify(
    owner: string,
    info: GuestInfo,
    bundle: Uint8Array,
    knownGpuEvidence: Uint8Array | null = null,
  ): Promise<VerifiedGuest | null> {
    const { policy, allowlist, blocks, collateral, memory, crypto, root, clock, log } = this.parts;
    const { evidence: digest, sealing, receipt } = info.keys;
    const { name, kind, hash } = info.model;
    const model = { name, kind, hash };
    const expected = { digest, role: 'worker', network: root.toRawString(), owner, sealing, receipt, model, tls: null } as const;
    const nowSec = clock.nowSec();
    let shown = knownGpuEvidence;
    const gpuEvidence = async () => {
      shown ??= await this.worker.gpuEvidence(digest);
      return shown;
    };
    const verdict = await verifyEvidence({
      bundle,
      gpuEvidence,
      expected,
      policy,
      allowlist,
      blocks,
      collateral,
      memory,
      nowSec,
      crypto,
    });
    if (verdict.accepted) {
      const { imageHash, expiresAtSec, report } = verdict;
      return { info, bundle, gpuEvidence: shown, imageHash, verifiedAtSec: nowSec, expiresAtSec, isSimulated: report.simulated };
    }
    const checks = failedChecks(verdict.report).map((check) => check.name);
    // Said once for each evidence: a worker whose image is not active yet is asked again and again.
    if (this.lastRefused?.digest !== digest) log.warn({ evidence: digest, failed: checks.join(' ') }, 'evidence of a worker refused');
    // What has held before is no stranger's: when the chain was silent for a while, nobody waits longer than that.
    this.lastRefused = { digest, checks, untilSec: nowSec + (this.known.has(digest) ? 0 : REFUSED_SEC) };
    return null;
  }

  /** Whether a verdict may still be used: it has not expired, and the allowlist is known and has what it rests on. */
  private holds({ info, imageHash, expiresAtSec }: VerifiedGuest): boolean {
    const { allowlist, clock, policy } = this.parts;
    const nowSec = clock.nowSec();
    try {
      const listing = { image: allowlist.image(imageHash), model: allowlist.model(info.model.hash) };
      return nowSec < expiresAtSec && isStillListed(listing, info.model.kind, policy, nowSec);
    } catch {
      return false;
    }
  }

  /** The guest must sign for this proxy, now, with the key of this evidence: evidence alone could be somebody else's, shown again. */
  private async challenge({ evidence, receipt }: GuestInfo['keys']): Promise<void> {
    const { crypto, proxy } = this.parts;
    const nonce = toHex(crypto.randomBytes(32));
    const answer = await this.worker.challenge(writeJson(challengeCall, { proxy, nonce, evidence }));
    const { challenge, signature } = readJson(challengeAnswer, answer);
    const isOurs = challenge.proxy.equals(proxy) && challenge.nonce === BigInt(`0x${nonce}`);
    const message = toBigEndian(statementHash(packChallenge(challenge)), 32);
    if (!isOurs || !(await crypto.verifyEd25519(fromHex(receipt, 32), message, signature))) {
      throw new PeerError('challenge_failed', "the worker's guest did not sign the challenge");
    }
  }
}
