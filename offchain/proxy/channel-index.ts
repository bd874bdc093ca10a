import { type Coverage, covers, NO_COVERAGE } from '../billing/credit';
import type { SignedVoucher } from '../sealing/relay-body';
import { priceOf, type RequestRecord } from './request-record';
import type { WorkerExposure } from './worker-exposure';

/** A receipt that no voucher covers. */
export interface Unpaid {
  /** NanoTON. */
  readonly price: bigint;
  /** Unix seconds: the latest start. The channel takes the receipt for its withdraw delay more. */
  readonly validUntil: number;
  /** When the receipt came, in unix seconds. */
  readonly at: number;
  readonly isSettling: boolean;
}

/** A request without a receipt that may still get one. */
interface InFlight {
  readonly maxAmount: bigint;
  readonly validUntil: number;
  readonly workerContract: string;
}

/**
 * Where one channel stands, kept in step with its records, so that no request has to read the others. Each number is in exactly one of
 * four groups: in flight, unpaid (a receipt that no voucher covers), void (given up), covered (kept until the voucher is charged).
 */
export class ChannelIndex {
  private newest: SignedVoucher | null = null;
  /** The one that was on chain when the newest came. */
  private replaced: SignedVoucher | null = null;
  private coverage_: Coverage = NO_COVERAGE;
  private readonly hashes = new Map<bigint, string>();
  private readonly flying = new Map<bigint, InFlight>();
  private readonly owed = new Map<bigint, Unpaid>();
  private readonly voided = new Set<bigint>();
  private readonly covered = new Set<bigint>();
  /** Worker contracts by number, of unpaid receipts that came without their answers. */
  private readonly undelivered = new Map<bigint, string>();
  private owedSum = 0n;
  private reservedSum = 0n;

  constructor(private readonly exposure: WorkerExposure) {}

  get voucher(): SignedVoucher | null {
    return this.newest;
  }

  /** What the voucher that is charged on chain left open, by the hash that the chain keeps of it; null when that is not known. */
  openNumbers(hash: bigint): readonly bigint[] | null {
    if (hash === 0n) return [];
    return [this.newest, this.replaced].find((signed) => signed?.voucher.open === hash)?.openNumbers ?? null;
  }

  get coverage(): Coverage {
    return this.coverage_;
  }

  /** Cost of receipts that no voucher covers, in nanoTON. */
  get outstanding(): bigint {
    return this.owedSum;
  }

  /** Sum of the max amounts of requests in flight, in nanoTON. */
  get reserved(): bigint {
    return this.reservedSum;
  }

  /** Receipts that no voucher covers, by number. */
  get unpaid(): ReadonlyMap<bigint, Unpaid> {
    return this.owed;
  }

  get inFlight(): ReadonlyMap<bigint, InFlight> {
    return this.flying;
  }

  /** Numbers on record. */
  get size(): number {
    return this.hashes.size;
  }

  /** Numbers that are kept only until their voucher is charged. */
  get coveredNumbers(): ReadonlySet<bigint> {
    return this.covered;
  }

  /** Hash of the number's authorisation, lower-case hex. */
  hashOf(number: bigint): string | undefined {
    return this.hashes.get(number);
  }

  put(record: RequestRecord): void {
    const { number } = record.order;
    this.remove(number);
    this.hashes.set(number, record.authorisationHash);
    if (record.receipt === null && !record.isVoid) {
      const { maxAmount, validUntil } = record.authorisation;
      this.flying.set(number, { maxAmount, validUntil, workerContract: record.workerContract });
      this.reservedSum += maxAmount;
      this.exposure.addInFlight(record.workerContract, maxAmount);
    } else if (covers(this.coverage_, number)) this.covered.add(number);
    else if (record.receipt === null) this.voided.add(number);
    else {
      const { at, isSettling } = record;
      const price = priceOf(record);
      this.owed.set(number, { price, validUntil: record.authorisation.validUntil, at, isSettling });
      this.owedSum += price;
      if (record.isDelivered) return;
      this.undelivered.set(number, record.workerContract);
      this.exposure.addUndelivered(record.workerContract, record.authorisationHash, { amount: price, atSec: at });
    }
  }

  remove(number: bigint): void {
    this.leave(number);
    this.hashes.delete(number);
    this.voided.delete(number);
    this.covered.delete(number);
  }

  /** Nothing that it covers may be in flight. */
  setVoucher(voucher: SignedVoucher): void {
    this.newest = voucher;
    this.coverage_ = coverageOf(voucher);
    for (const number of [...this.owed.keys(), ...this.voided]) {
      if (!covers(this.coverage_, number)) continue;
      this.leave(number);
      this.voided.delete(number);
      this.covered.add(number);
    }
  }

  /** The chain may go on with it for ever: not every voucher is charged. */
  setReplaced(voucher: SignedVoucher): void {
    this.replaced = voucher;
  }

  /** Takes back what this channel counts for elsewhere. */
  clear(): void {
    for (const number of [...this.hashes.keys()]) this.remove(number);
  }

  /** Takes a number out of the sums. */
  private leave(number: bigint): void {
    const flying = this.flying.get(number);
    if (flying !== undefined) {
      this.flying.delete(number);
      this.reservedSum -= flying.maxAmount;
      this.exposure.addInFlight(flying.workerContract, -flying.maxAmount);
    }
    this.owedSum -= this.owed.get(number)?.price ?? 0n;
    this.owed.delete(number);
    const workerContract = this.undelivered.get(number);
    if (workerContract === undefined) return;
    this.undelivered.delete(number);
    this.exposure.removeUndelivered(workerContract, this.hashes.get(number) ?? '');
  }
}

/** What a voucher covers. */
export function coverageOf({ voucher, openNumbers }: SignedVoucher): Coverage {
  return { total: voucher.total, upTo: voucher.upTo, open: new Set(openNumbers) };
}
