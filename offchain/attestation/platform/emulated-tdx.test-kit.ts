/** The files of a TDX guest's kernel, emulated: what configfs-tsm and the measurement registers do, and how they fail. */
import { concat, utf8 } from '../../core/bytes';
import { makePki, tdReport } from './forgery.test-kit';
import type { KernelFiles } from './kernel-files';
import { writeQuote } from './quote-writer';
import { extended, RTMR3 } from './runtime-register';
import { TSM_REPORTS } from './tsm-report';

/** An operation on a file, by the last part of its path; `entry` for the folder of a report. */
export type Operation =
  | `read ${'provider' | 'generation' | 'outblob' | 'rtmr3:sha384'}`
  | `write ${'inblob' | 'rtmr3:sha384'}`
  | 'make entry'
  | 'remove entry';

export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: emulated`), { code, errno: -1, syscall: 'emulated' });
}

interface Entry {
  generation: number;
  inblob: Uint8Array | null;
}

/** As the kernel behaves when everything is in order; each field changes one thing. */
export class EmulatedTdx implements KernelFiles {
  readonly kernelRelease: string = '6.18.0-1-amd64';
  provider = 'tdx_guest\n';
  rtmr3: Uint8Array = new Uint8Array(48);
  /** Zeros behind a quote. */
  padding = 70;
  /** Folders that there are, with the names in them. */
  folders = new Map<string, readonly string[]>([
    ['/sys/kernel/config', ['tsm']],
    [TSM_REPORTS, []],
  ]);
  /** Error codes by operation. */
  readonly failures = new Map<Operation, string>();
  /** Called before an operation, for what happens at the wrong moment. */
  onOperation: (operation: Operation, entry: Entry | undefined) => void = () => {};
  /** What the host answers; a proper quote unless told otherwise. */
  answer: (reportData: Uint8Array) => Uint8Array = (reportData) => this.quote(reportData);
  readonly entries = new Map<string, Entry>();
  readonly operations: Operation[] = [];
  private readonly platform = makePki().platform;

  get files(): KernelFiles {
    return this;
  }

  quote(reportData: Uint8Array, rtmr3 = this.rtmr3): Uint8Array {
    const td = tdReport(reportData);
    const [rtmr0, rtmr1, rtmr2] = td.rtmr;
    return concat(writeQuote({ ...td, rtmr: [rtmr0, rtmr1, rtmr2, rtmr3] }, this.platform), new Uint8Array(this.padding));
  }

  async read(path: string, maxBytes: number): Promise<Uint8Array> {
    if (path === RTMR3) {
      this.begin('read rtmr3:sha384');
      return this.rtmr3;
    }
    const { entry, name } = this.attribute(path);
    switch (name) {
      case 'provider':
        this.begin('read provider', entry);
        return utf8(this.provider);
      case 'generation':
        this.begin('read generation', entry);
        return utf8(`${entry.generation}\n`);
      case 'outblob': {
        this.begin('read outblob', entry);
        if (entry.inblob?.length !== 64) throw systemError('EINVAL');
        return this.answer(entry.inblob).subarray(0, maxBytes);
      }
      default:
        throw systemError('EACCES');
    }
  }

  async write(path: string, bytes: Uint8Array): Promise<void> {
    if (path === RTMR3) {
      this.begin('write rtmr3:sha384');
      if (bytes.length !== 48) throw systemError('EINVAL');
      this.rtmr3 = extended(this.rtmr3, bytes);
      return;
    }
    const { entry, name } = this.attribute(path);
    if (name !== 'inblob') throw systemError('EACCES');
    this.begin('write inblob', entry);
    entry.inblob = bytes;
    entry.generation++;
  }

  async makeFolder(path: string): Promise<void> {
    this.begin('make entry');
    if (!this.folders.has(TSM_REPORTS)) throw systemError('ENOENT');
    this.entries.set(path, { generation: 0, inblob: null });
  }

  async removeFolder(path: string): Promise<void> {
    this.begin('remove entry');
    if (!this.entries.delete(path)) throw systemError('ENOENT');
  }

  async list(path: string): Promise<readonly string[] | null> {
    return this.folders.get(path) ?? null;
  }

  private begin(operation: Operation, entry?: Entry): void {
    this.operations.push(operation);
    this.onOperation(operation, entry);
    const code = this.failures.get(operation);
    if (code !== undefined) throw systemError(code);
  }

  private attribute(path: string): { readonly entry: Entry; readonly name: string } {
    const slash = path.lastIndexOf('/');
    const entry = this.entries.get(path.slice(0, slash));
    if (entry === undefined) throw systemError('ENOENT');
    return { entry, name: path.slice(slash + 1) };
  }
}
