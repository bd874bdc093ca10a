import { randomBytes } from 'node:crypto';
import { equal, fromUtf8, toHex } from '../../core/bytes';
import { ConfigError, codeOf } from '../../core/errors';
import { printable } from '../../core/printable';
import { MAX_QUOTE_SIZE, parseQuote, type TdReport, trimQuote } from '../quote';
import type { KernelFiles } from './kernel-files';
import { isKernelOlderThan } from './kernel-release';
import { PlatformError } from './platform-error';

/** Where configfs has its reports. Source: Linux, Documentation/ABI/testing/configfs-tsm-report. */
export const TSM_REPORTS = '/sys/kernel/config/tsm/report';
const CONFIGFS = '/sys/kernel/config';
const TDX_PROVIDER = 'tdx_guest';
/** The first release with configfs-tsm. */
const OLDEST_KERNEL = '6.7';
/** A quote and the zeros that platforms put behind it. */
const MAX_OUTBLOB_SIZE = 2 * MAX_QUOTE_SIZE;
const MAX_ATTRIBUTE_SIZE = 4096;

/** A quote without padding, and what its TDX module reports in it. */
export interface TakenQuote {
  readonly bytes: Uint8Array;
  readonly td: TdReport;
}

/**
 * Quotes from the kernel of a TDX guest. Each request has an entry of its own, so that nobody else's write can slip in between; that
 * nobody did, the entry's generation shows: it counts the writes. Of a write that configfs did not take, nothing else tells, since the
 * kernel hands it over when the file is closed and drops what comes of it.
 */
export class TsmReports {
  constructor(
    private readonly files: KernelFiles,
    /** `uname -r`, for what to say about a machine that has no reports. */
    private readonly kernelRelease: string,
  ) {}

  /** Makes sure that this machine can make quotes, without making one. @throws ConfigError no_tdx, tsm_missing, tsm_forbidden */
  async requireTdx(): Promise<void> {
    await this.withEntry(async () => {});
  }

  /**
   * A quote over 64 bytes of report data. It can take a second, and half a minute when the host does not answer.
   * @throws PlatformError; ConfigError as requireTdx; EvidenceError bad_quote when the host answered something else
   */
  quote(reportData: Uint8Array): Promise<TakenQuote> {
    return this.withEntry(async (entry) => {
      const before = await this.generation(entry);
      await this.attempt('inblob', () => this.files.write(`${entry}/inblob`, reportData));
      await this.requireGeneration(entry, before + 1);
      const padded = await this.attempt('outblob', () => this.files.read(`${entry}/outblob`, MAX_OUTBLOB_SIZE));
      await this.requireGeneration(entry, before + 1);
      if (padded.length === 0) {
        throw new PlatformError('quote_empty', "the host's quoting service refused the request: the kernel returned a quote of 0 bytes");
      }
      const bytes = trimQuote(padded);
      const { td } = parseQuote(bytes);
      if (!equal(td.reportData, reportData)) {
        throw new PlatformError('quote_foreign', 'the quote carries report data that are not the ones that were asked for');
      }
      return { bytes, td };
    });
  }

  private async withEntry<T>(use: (entry: string) => Promise<T>): Promise<T> {
    const entry = `${TSM_REPORTS}/cocoon-${toHex(randomBytes(8))}`;
    await this.files.makeFolder(entry).catch(async (cause: unknown) => {
      throw await this.whyNoEntry(cause);
    });
    try {
      await this.requireProvider(entry);
      return await use(entry);
    } finally {
      // Whatever is left of it holds a public quote; the next request has another name.
      await this.files.removeFolder(entry).catch(() => undefined);
    }
  }

  private async requireProvider(entry: string): Promise<void> {
    const provider = await this.readText(`${entry}/provider`);
    if (provider === TDX_PROVIDER) return;
    throw new ConfigError(
      'no_tdx',
      `reports of this machine come from "${printable(provider, 64)}", expected "${TDX_PROVIDER}": this is no TDX guest`,
    );
  }

  private async generation(entry: string): Promise<number> {
    const text = await this.readText(`${entry}/generation`);
    if (!/^[0-9]{1,15}$/.test(text)) throw new PlatformError('quote_failed', 'the kernel gave a generation that is no number');
    return Number(text);
  }

  private async requireGeneration(entry: string, expected: number): Promise<void> {
    const generation = await this.generation(entry);
    if (generation === expected) return;
    throw new PlatformError('quote_conflict', `the report entry is at generation ${generation}, expected ${expected}`);
  }

  private async readText(path: string): Promise<string> {
    return fromUtf8(await this.attempt(path, () => this.files.read(path, MAX_ATTRIBUTE_SIZE))).trim();
  }

  private async attempt<T>(what: string, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (cause) {
      if (cause instanceof PlatformError) throw cause;
      const code = codeOf(cause);
      const [ourCode, words] = ATTEMPT_FAILURES.get(code) ?? ['quote_failed', `the kernel answered ${code} at ${what}`];
      throw new PlatformError(ourCode, words, { kernelCode: code }, { cause });
    }
  }

  /** What is missing on a machine where no entry can be made. */
  private async whyNoEntry(cause: unknown): Promise<ConfigError> {
    const code = codeOf(cause);
    switch (code) {
      case 'ENOENT':
        return new ConfigError('tsm_missing', await this.whatIsMissing(), {}, { cause });
      case 'ENXIO':
        return new ConfigError(
          'no_tdx',
          'no provider of reports is registered: this is no TDX guest, or module tdx_guest did not load',
          {},
          { cause },
        );
      case 'EACCES':
      case 'EPERM':
        return new ConfigError(
          'tsm_forbidden',
          `no right to make an entry in ${TSM_REPORTS}: run the guest as root, or give it that folder`,
          {},
          { cause },
        );
      default:
        return new ConfigError('tsm_missing', `an entry in ${TSM_REPORTS} cannot be made: ${code}`, {}, { cause });
    }
  }

  private async whatIsMissing(): Promise<string> {
    const { files, kernelRelease } = this;
    if (isKernelOlderThan(kernelRelease, OLDEST_KERNEL))
      return `kernel ${kernelRelease} makes no quotes, ${OLDEST_KERNEL} is the first that does`;
    const names = await files.list(CONFIGFS);
    if (names === null) return `there is no ${CONFIGFS}: this is no Linux with configfs, so no TDX guest`;
    if (names.length === 0) return `configfs is not mounted: mount -t configfs none ${CONFIGFS}`;
    return `there is no ${TSM_REPORTS}: this is no TDX guest, or module tdx_guest did not load (modprobe tdx_guest)`;
  }
}

/**
 * What the kernel's codes mean when a quote is asked for.
 * Source: Linux, drivers/virt/coco/tdx-guest/tdx-guest.c (tdx_report_new), drivers/virt/coco/guest/report.c.
 */
const ATTEMPT_FAILURES: ReadonlyMap<string, readonly [code: string, words: string]> = new Map([
  ['EBUSY', ['quote_busy', 'the host still works on an earlier quote, or somebody else writes to this entry']],
  ['EINTR', ['quote_busy', 'the wait for the quote was interrupted']],
  ['ETIMEDOUT', ['quote_timeout', "the host's quoting service did not answer: is it running, and does it reach the quoting enclave?"]],
  ['EINVAL', ['quote_refused', 'the kernel refused the request: it takes exactly 64 bytes of report data']],
  ['EFBIG', ['quote_refused', 'the quote is larger than the kernel takes']],
  ['EIO', ['quote_failed', 'the host has no quoting service for this guest: GetQuote failed']],
  ['ENXIO', ['quote_failed', 'the provider of reports has gone: was module tdx_guest unloaded?']],
  // The same, by kernels that still say it in this way.
  ['ENOTTY', ['quote_failed', 'the provider of reports has gone: was module tdx_guest unloaded?']],
  ['ENOENT', ['quote_conflict', 'somebody removed the report entry while it was used']],
  ['EACCES', ['quote_refused', 'no right to use the report entry: run the guest as root']],
  ['EPERM', ['quote_refused', 'no right to use the report entry: run the guest as root']],
]);
