import { toHex } from '../core/bytes';
import type { Certificate } from './certificate';
import type { CollateralVerdict, ProvenCollateral, ProvenList } from './collateral';
import type { PlatformIdentity } from './sgx-extension';
import type { TrustRoot } from './trust-root';

/** A platform's chain that was verified. */
export interface ProvenChain {
  /** Leaf first. */
  readonly certificates: readonly Certificate[];
  readonly root: TrustRoot;
  readonly pck: Certificate;
  readonly ca: Certificate;
  readonly platform: PlatformIdentity;
  /** Unix seconds, both included. */
  readonly notBeforeSec: number;
  readonly notAfterSec: number;
}

/** Of the documents in collateral: they go up with every recovery. */
export interface EvaluationNumbers {
  readonly tcbInfo: number;
  readonly qeIdentity: number;
}

/** What only ever grows, and must outlive a process: without it, whoever serves collateral could wait for the next start. */
export interface Ratchet {
  /** The highest evaluation number by root and platform family. */
  readonly floors: Readonly<Record<string, number>>;
  /** Serial numbers, lower-case hex, by root and issuer. */
  readonly revoked: Readonly<Record<string, readonly string[]>>;
}

interface KeptCollateral {
  readonly root: TrustRoot;
  readonly verdict: CollateralVerdict;
  readonly proven: ProvenCollateral;
}

/** Chains and sets of collateral that are kept; the oldest goes first. */
const MAX_KEPT = 1024;
/** Platform families whose highest evaluation number is kept: Intel's have some tens. */
const MAX_FLOORS = 4096;

/**
 * What a verifier remembers from one quote to the next: what was proven, by the SHA-256 of its bytes, the highest evaluation
 * numbers, and what was ever revoked. Only time can make what is proven fail, so it counts within its validity only. Refusals are not kept.
 */
export class VerifierMemory {
  private readonly chains = new Map<string, ProvenChain>();
  private readonly collaterals = new Map<string, KeptCollateral>();
  private readonly floors = new Map<string, number>();
  /** Serial numbers by issuer: a root and its CAs, which nobody else can add to, so nothing of it is ever forgotten. */
  private readonly revoked = new Map<string, Set<string>>();
  /** The lists that are in `revoked` already. */
  private readonly noted = new WeakSet<ReadonlySet<string>>();

  /** @param onGrowth is told the whole ratchet whenever it has grown */
  constructor(
    known: Ratchet = { floors: {}, revoked: {} },
    private readonly onGrowth: (ratchet: Ratchet) => void = () => undefined,
  ) {
    for (const [name, floor] of Object.entries(known.floors)) this.floors.set(name, floor);
    for (const [name, serials] of Object.entries(known.revoked)) this.revoked.set(name, new Set(serials));
  }

  /** A chain by the digest of its PEM, under one of these roots; null when it must be verified. */
  chain(digest: string, trustRoots: readonly TrustRoot[], nowSec: number): ProvenChain | null {
    const chain = this.chains.get(digest);
    return chain !== undefined && trustRoots.includes(chain.root) && isWithin(chain, nowSec) ? chain : null;
  }

  keepChain(digest: string, chain: ProvenChain): void {
    keep(this.chains, digest, chain, MAX_KEPT);
  }

  /** The verdict on collateral by its digest, under this root; null when it must be verified. */
  collateral(digest: string, root: TrustRoot, nowSec: number): CollateralVerdict | null {
    const kept = this.collaterals.get(digest);
    return kept !== undefined && kept.root === root && isWithin(kept.proven, nowSec) ? kept.verdict : null;
  }

  /** Keeps a verdict that is good. */
  keepCollateral(digest: string, root: TrustRoot, verdict: CollateralVerdict): void {
    if (verdict.proven !== null) keep(this.collaterals, digest, { root, verdict, proven: verdict.proven }, MAX_KEPT);
  }

  /**
   * The highest evaluation numbers that were ever proven for such platforms, these included. Lower ones are of the past: whoever
   * hands them out holds a recovery back.
   */
  raiseFloors(root: TrustRoot, { tcbInfo, qeIdentity }: ProvenCollateral): EvaluationNumbers {
    return {
      tcbInfo: this.raiseFloor(`${root.keyId} ${toHex(tcbInfo.fmspc)}`, tcbInfo.tcbEvaluationDataNumber),
      qeIdentity: this.raiseFloor(root.keyId, qeIdentity.tcbEvaluationDataNumber),
    };
  }

  /** Takes over what a list that holds has revoked. */
  noteRevoked(root: TrustRoot, { issuer, revoked }: ProvenList): void {
    if (this.noted.has(revoked)) return;
    this.noted.add(revoked);
    const name = issuerName(root, issuer);
    const all = this.revoked.get(name) ?? new Set();
    const before = all.size;
    for (const serial of revoked) all.add(serial);
    this.revoked.set(name, all);
    if (all.size > before) this.onGrowth(this.ratchet());
  }

  /**
   * Whether any list that was ever proven has revoked this serial number of the issuer's. An older list is valid for as long as the
   * newer one: whoever hands it out brings nobody back.
   */
  isRevoked(root: TrustRoot, issuer: Certificate, serial: string): boolean {
    return this.revoked.get(issuerName(root, issuer))?.has(serial) ?? false;
  }

  private raiseFloor(name: string, seen: number): number {
    const before = this.floors.get(name) ?? 0;
    const floor = Math.max(seen, before);
    keep(this.floors, name, floor, MAX_FLOORS);
    if (floor > before) this.onGrowth(this.ratchet());
    return floor;
  }

  private ratchet(): Ratchet {
    return {
      floors: Object.fromEntries(this.floors),
      revoked: Object.fromEntries([...this.revoked].map(([name, serials]) => [name, [...serials]])),
    };
  }
}

function issuerName(root: TrustRoot, issuer: Certificate): string {
  return `${root.keyId} ${toHex(issuer.publicKey)}`;
}

function isWithin(validity: { readonly notBeforeSec: number; readonly notAfterSec: number }, nowSec: number): boolean {
  return validity.notBeforeSec <= nowSec && nowSec <= validity.notAfterSec;
}

function keep<V>(map: Map<string, V>, key: string, value: V, limit: number): void {
  map.delete(key);
  const oldest = map.keys().next();
  if (map.size >= limit && !oldest.done) map.delete(oldest.value);
  map.set(key, value);
}
