/** Evidence that answers came under, on disk: what `cocoon verify` asks again without this client. */
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { decodeCanonicalJson, encodeCanonicalJson } from '../attestation/canonical-json';
import { decodeClaims } from '../attestation/claims';
import { EvidenceError } from '../attestation/errors';
import { decodeBundle } from '../attestation/evidence';
import { encodeEvidenceFile, MAX_EVIDENCE_FILE_SIZE, readEvidenceFile, type SeenBlock } from '../attestation/evidence-file';
import { expectedByClaims, recordEvidence } from '../attestation/recorded-evidence';
import { VerifierMemory } from '../attestation/verifier-memory';
import type { EvidenceInput } from '../attestation/verify-evidence';
import { concat, fromUtf8, toHex, utf8 } from '../core/bytes';
import type { Clock } from '../core/clock';
import { RECEIPT_FORMAT, type ReceiptFile, receiptFile } from '../protocol/receipt-file';
import { openStateFolder, writeFileAtomic } from '../runtime/state-folder';
import type { AnswerReport } from './answer';
import { EvidenceRefused } from './errors';

export interface EvidenceArchiveOptions {
  /** Made when it is missing; one file for each key set, named by its digest. */
  readonly folder: string;
  /** What the client verifies by. */
  readonly sources: Pick<EvidenceInput, 'policy' | 'allowlist' | 'blocks' | 'collateral' | 'crypto'> & {
    readonly clock: Clock;
    /** Fetches a bundle by its digest. */
    fetchBundle(digest: string): Promise<Uint8Array>;
    /** Fetches the GPU evidence beside it. */
    fetchGpuEvidence(digest: string): Promise<Uint8Array>;
  };
  /** The newest block that was seen. */
  latestBlock(): SeenBlock | null;
  /** Told why evidence could not be kept: the answer counts all the same. */
  onTrouble(error: unknown): void;
}

/** Files that are kept, the newest: some tens of kilobytes each. */
const MAX_FILES = 256;
/** Bundles that are remembered from their verification to the end of an answer. */
const MAX_BUNDLES = 64;

const FILE_NAME = /^[0-9a-f]{64}\.json$/;

export class EvidenceArchive {
  private readonly bundles = new Map<string, Uint8Array>();
  private readonly writing = new Map<string, Promise<void>>();

  constructor(private readonly options: EvidenceArchiveOptions) {
    openStateFolder(options.folder);
  }

  /** Fetches a bundle, and remembers it: when its answer has ended its proxy may not have it any more. */
  async fetchBundle(digest: string): Promise<Uint8Array> {
    const bundle = await this.options.sources.fetchBundle(digest);
    const oldest = this.bundles.keys().next();
    if (this.bundles.size >= MAX_BUNDLES && !oldest.done) this.bundles.delete(oldest.value);
    this.bundles.set(digest, bundle);
    return bundle;
  }

  /** Writes the evidence of a guest that was verified, unless an evidence file is there. Resolves when that is over; never rejects. */
  keep(digest: string): Promise<void> {
    const known = this.writing.get(digest);
    if (known !== undefined) return known;
    const writing = this.write(digest)
      .catch((error: unknown) => this.options.onTrouble(error))
      .finally(() => this.writing.delete(digest));
    this.writing.set(digest, writing);
    return writing;
  }

  /** An answer's receipt with all that it hangs on, its guest's evidence included: the text of a file for `cocoon verify`. */
  async receiptFile(report: AnswerReport, sessionKey: Uint8Array): Promise<string> {
    await this.keep(report.worker);
    const { placed, receipt, costNano } = report;
    const file: ReceiptFile = {
      format: RECEIPT_FORMAT,
      version: 1,
      sessionKey: toHex(sessionKey),
      order: placed.order,
      authorisation: placed.authorisation,
      authorisationSignature: placed.signature,
      receipt: receipt.receipt,
      signature: receipt.signature,
      opening: receipt.opening,
      cost: costNano,
      evidence: this.load(report.worker),
    };
    return `${fromUtf8(encodeCanonicalJson(receiptFile.encode(file)))}\n`;
  }

  /** Waits for what is being written. */
  async close(): Promise<void> {
    await Promise.all(this.writing.values());
  }

  private async write(digest: string): Promise<void> {
    if (this.load(digest) !== null) return;
    const { sources, latestBlock } = this.options;
    const bundle = this.bundles.get(digest) ?? (await this.fetchBundle(digest));
    // It was accepted for its offer, so its claims say what the offer said.
    const expected = expectedByClaims(decodeClaims(decodeBundle(bundle).claims), digest);
    const { policy, allowlist, blocks, collateral, clock, crypto } = sources;
    const gpuEvidence = () => sources.fetchGpuEvidence(digest);
    const [memory, nowSec] = [new VerifierMemory(), clock.nowSec()];
    const input = { bundle, gpuEvidence, expected, policy, allowlist, blocks, collateral, memory, nowSec, crypto };
    const { file, verdict } = await recordEvidence(input, latestBlock());
    // What does not hold any more is asked for again at the next answer.
    if (!verdict.accepted) throw new EvidenceRefused([{ digest, report: verdict.report }]);
    writeFileAtomic(this.path(digest), concat(encodeEvidenceFile(file), utf8('\n')));
    this.bundles.delete(digest);
    this.forgetOldest();
  }

  /** What was written of a guest; null where nothing was, or where what is there now is no evidence file. */
  private load(digest: string): unknown {
    const path = this.path(digest);
    if (!existsSync(path)) return null;
    try {
      const value = decodeCanonicalJson(readFileSync(path).subarray(0, -1), MAX_EVIDENCE_FILE_SIZE);
      readEvidenceFile(value);
      return value;
    } catch (error) {
      if (error instanceof EvidenceError) return null;
      throw error;
    }
  }

  private forgetOldest(): void {
    const { folder } = this.options;
    const files = readdirSync(folder)
      .filter((name) => FILE_NAME.test(name))
      .map((name) => ({ path: join(folder, name), atMs: statSync(join(folder, name)).mtimeMs }))
      .sort((a, b) => b.atMs - a.atMs);
    for (const { path } of files.slice(MAX_FILES)) rmSync(path, { force: true });
  }

  private path(digest: string): string {
    return join(this.options.folder, `${digest}.json`);
  }
}
