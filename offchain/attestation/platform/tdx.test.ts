import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { concat } from '../../core/bytes';
import { parseQuote } from '../quote';
import { EmulatedTdx, type Operation } from './emulated-tdx.test-kit';
import { type KernelFiles, machineFiles } from './kernel-files';
import { isKernelOlderThan } from './kernel-release';
import { extended } from './runtime-register';
import { openTdxPlatform, type TdxMachine } from './tdx';

const CONFIG = createHash('sha384').update('configuration').digest();
const DATA = new Uint8Array(64).fill(7);
const ZEROS = new Uint8Array(48);

describe('the TDX platform', () => {
  let kernel: EmulatedTdx;
  beforeEach(() => {
    kernel = new EmulatedTdx();
  });

  it('gives a quote over the report data, without padding, and leaves no entry behind', async () => {
    const platform = await openTdxPlatform(CONFIG, kernel);
    const bytes = await platform.quote(DATA);
    const { td } = parseQuote(bytes);
    expect(platform.kind).toBe('tdx');
    expect(td.reportData).toEqual(DATA);
    expect(bytes.length).toBe(kernel.quote(DATA).length - kernel.padding);
    expect(kernel.entries.size).toBe(0);
  });

  it('gives quotes at the same time, each with an entry of its own', async () => {
    const platform = await openTdxPlatform(CONFIG, kernel);
    const quotes = await Promise.all([1, 2, 3].map((byte) => platform.quote(new Uint8Array(64).fill(byte))));
    expect(quotes.map((quote) => parseQuote(quote).td.reportData[0])).toEqual([1, 2, 3]);
  });

  it('measures the configuration into RTMR3, once: a guest that is started again finds it there', async () => {
    await openTdxPlatform(CONFIG, kernel);
    expect(kernel.rtmr3).toEqual(extended(ZEROS, CONFIG));
    await openTdxPlatform(CONFIG, kernel);
    expect(kernel.rtmr3).toEqual(extended(ZEROS, CONFIG));
    expect(kernel.operations.filter((operation) => operation === 'write rtmr3:sha384')).toHaveLength(1);
  });

  describe('does not open, and says what is missing, when', () => {
    async function refusal(machine: TdxMachine = kernel): Promise<unknown> {
      return openTdxPlatform(CONFIG, machine).then(
        () => 'opened',
        (error: unknown) => error,
      );
    }

    it('configfs is not mounted (tsm_missing)', async () => {
      kernel.folders = new Map([['/sys/kernel/config', []]]);
      expect(await refusal()).toMatchObject({
        code: 'tsm_missing',
        message: expect.stringContaining('mount -t configfs none /sys/kernel/config'),
      });
    });

    it('there is no configfs at all (tsm_missing)', async () => {
      kernel.folders = new Map();
      expect(await refusal()).toMatchObject({ code: 'tsm_missing', message: expect.stringContaining('no Linux with configfs') });
    });

    it('configfs has no reports (tsm_missing)', async () => {
      kernel.folders = new Map([['/sys/kernel/config', ['usb_gadget']]]);
      expect(await refusal()).toMatchObject({ code: 'tsm_missing', message: expect.stringContaining('modprobe tdx_guest') });
    });

    it('the kernel is too old for quotes (tsm_missing)', async () => {
      kernel.folders = new Map();
      expect(await refusal({ files: kernel, kernelRelease: '6.1.0-18-amd64' })).toMatchObject({
        code: 'tsm_missing',
        message: 'kernel 6.1.0-18-amd64 makes no quotes, 6.7 is the first that does',
      });
    });

    it('reports come from other hardware (no_tdx)', async () => {
      kernel.provider = 'sev_guest\n';
      expect(await refusal()).toMatchObject({ code: 'no_tdx', message: expect.stringContaining('"sev_guest", expected "tdx_guest"') });
    });

    it('the name of a provider has strange characters, which are not passed on (no_tdx)', async () => {
      kernel.provider = `\u001b[2J${'x'.repeat(4000)}`;
      const error = await refusal();
      expect(error).toMatchObject({ code: 'no_tdx', message: expect.not.stringContaining('\u001b') });
    });

    it.each<readonly [Operation, string, string, RegExp]>([
      ['make entry', 'ENXIO', 'no_tdx', /no provider of reports is registered/],
      ['make entry', 'EACCES', 'tsm_forbidden', /run the guest as root/],
      ['make entry', 'EPERM', 'tsm_forbidden', /run the guest as root/],
      ['make entry', 'ENOMEM', 'tsm_missing', /cannot be made: ENOMEM/],
      ['read provider', 'EIO', 'quote_failed', /GetQuote failed/],
      ['read rtmr3:sha384', 'ENOENT', 'rtmr_missing', /modprobe|tdx_guest did not load/],
      ['read rtmr3:sha384', 'EACCES', 'rtmr_forbidden', /cannot be read; run the guest as root/],
      ['read rtmr3:sha384', 'EINTR', 'rtmr_failed', /interrupted/],
      ['write rtmr3:sha384', 'EACCES', 'rtmr_forbidden', /cannot be extended; run the guest as root/],
      ['write rtmr3:sha384', 'EBUSY', 'rtmr_failed', /TDX module is busy/],
      ['write rtmr3:sha384', 'ENXIO', 'rtmr_failed', /refused the register/],
      ['write rtmr3:sha384', 'EIO', 'rtmr_failed', /TDX module failed/],
      ['write rtmr3:sha384', 'EINVAL', 'rtmr_failed', /exactly 48 bytes/],
      ['write rtmr3:sha384', 'ENOSPC', 'rtmr_failed', /answered ENOSPC/],
    ])('the kernel answers at "%s" with %s (%s)', async (operation, kernelCode, code, message) => {
      kernel.failures.set(operation, kernelCode);
      expect(await refusal()).toMatchObject({ code, message: expect.stringMatching(message) });
      expect(kernel.entries.size).toBe(0);
    });

    it('the kernel is too old to extend a register (rtmr_missing)', async () => {
      kernel.failures.set('read rtmr3:sha384', 'ENOENT');
      expect(await refusal({ files: kernel, kernelRelease: '6.12.4' })).toMatchObject({
        code: 'rtmr_missing',
        message: 'kernel 6.12.4 lets nobody extend rtmr3, 6.16 is the first that does',
      });
    });

    it('RTMR3 measures something else already (rtmr_foreign)', async () => {
      kernel.rtmr3 = extended(ZEROS, createHash('sha384').update('another image').digest());
      expect(await refusal()).toMatchObject({ code: 'rtmr_foreign', message: expect.stringContaining('start the machine again') });
      expect(kernel.operations).not.toContain('write rtmr3:sha384');
    });

    it('somebody extends RTMR3 at the same time (rtmr_foreign)', async () => {
      kernel.onOperation = (operation) => {
        if (operation === 'write rtmr3:sha384') kernel.rtmr3 = extended(kernel.rtmr3, CONFIG);
      };
      expect(await refusal()).toMatchObject({ code: 'rtmr_foreign', message: expect.stringContaining('after it was extended') });
    });

    it('the register has another size (rtmr_failed)', async () => {
      kernel.rtmr3 = new Uint8Array(32);
      expect(await refusal()).toMatchObject({ code: 'rtmr_failed', message: 'rtmr3 of 32 bytes, expected 48' });
    });
  });

  describe('gives no quote, and says why, when', () => {
    async function refusal(data = DATA): Promise<unknown> {
      const platform = await openTdxPlatform(CONFIG, kernel);
      breakIt();
      return platform.quote(data).then(
        () => 'quoted',
        (error: unknown) => error,
      );
    }
    let breakIt: () => void;

    it.each<readonly [Operation, string, string, RegExp]>([
      ['read outblob', 'EBUSY', 'quote_busy', /still works on an earlier quote/],
      ['read outblob', 'EINTR', 'quote_busy', /interrupted/],
      ['read outblob', 'ETIMEDOUT', 'quote_timeout', /quoting service did not answer/],
      ['read outblob', 'EINVAL', 'quote_refused', /exactly 64 bytes/],
      ['read outblob', 'EFBIG', 'quote_refused', /larger than the kernel takes/],
      ['read outblob', 'EIO', 'quote_failed', /no quoting service for this guest/],
      ['read outblob', 'ENXIO', 'quote_failed', /provider of reports has gone/],
      ['read outblob', 'ENOTTY', 'quote_failed', /provider of reports has gone/],
      ['read outblob', 'ENOENT', 'quote_conflict', /somebody removed the report entry/],
      ['read outblob', 'ENOMEM', 'quote_failed', /answered ENOMEM at outblob/],
      ['write inblob', 'EACCES', 'quote_refused', /run the guest as root/],
      ['write inblob', 'EBUSY', 'quote_busy', /somebody else writes/],
      ['read generation', 'EIO', 'quote_failed', /GetQuote failed/],
    ])('the kernel answers at "%s" with %s (%s), and another try may do', async (operation, kernelCode, code, message) => {
      breakIt = () => kernel.failures.set(operation, kernelCode);
      expect(await refusal()).toMatchObject({ name: 'PlatformError', code, message: expect.stringMatching(message), data: { kernelCode } });
      expect(kernel.entries.size).toBe(0);
      kernel.failures.clear();
      const platform = await openTdxPlatform(CONFIG, kernel);
      expect(parseQuote(await platform.quote(DATA)).td.reportData).toEqual(DATA);
    });

    it.each<readonly [string, Operation, number]>([
      ['before the quote was made: configfs did not take the report data', 'write inblob', -1],
      ['before the quote was made: somebody else wrote, too', 'write inblob', 1],
      ['while the quote was made', 'read outblob', 1],
    ])('the generation is wrong %s (quote_conflict)', async (_when, wanted, change) => {
      breakIt = () => {
        kernel.onOperation = (operation, entry) => {
          if (operation === wanted && entry !== undefined) entry.generation += change;
        };
      };
      expect(await refusal()).toMatchObject({ code: 'quote_conflict', message: expect.stringMatching(/at generation [0-9], expected 1/) });
      // What the host would be asked for then is not what was wanted.
      expect(kernel.operations.includes('read outblob')).toBe(wanted === 'read outblob');
    });

    it('the generation is no number (quote_failed)', async () => {
      breakIt = () => {
        kernel.onOperation = (operation, entry) => {
          if (operation === 'read generation' && entry !== undefined) entry.generation = Number.NaN;
        };
      };
      expect(await refusal()).toMatchObject({ code: 'quote_failed', message: expect.stringContaining('no number') });
    });

    it("the host's quoting service refuses, which the kernel shows as no bytes (quote_empty)", async () => {
      breakIt = () => {
        kernel.answer = () => new Uint8Array(0);
      };
      expect(await refusal()).toMatchObject({ code: 'quote_empty' });
    });

    it.each<readonly [string, (quote: Uint8Array) => Uint8Array]>([
      ['a quote that is cut', (quote) => quote.subarray(0, 900)],
      ['bytes other than padding behind it', (quote) => concat(quote, Uint8Array.of(0, 1))],
      ['a quote of version 3', (quote) => concat(Uint8Array.of(3), quote.subarray(1))],
      ['nothing but zeros', (quote) => new Uint8Array(quote.length)],
    ])('the host answers with %s (bad_quote)', async (_what, change) => {
      breakIt = () => {
        kernel.answer = (data) => change(kernel.quote(data));
      };
      expect(await refusal()).toMatchObject({ code: 'bad_quote' });
    });

    it('the quote is over other report data (quote_foreign)', async () => {
      breakIt = () => {
        kernel.answer = () => kernel.quote(new Uint8Array(64));
      };
      expect(await refusal()).toMatchObject({ code: 'quote_foreign', message: expect.stringContaining('report data') });
    });

    it('RTMR3 was extended behind its back (quote_foreign)', async () => {
      breakIt = () => {
        kernel.rtmr3 = extended(kernel.rtmr3, CONFIG);
      };
      expect(await refusal()).toMatchObject({ code: 'quote_foreign', message: expect.stringContaining('rtmr3') });
    });

    it('the report data have another size than the kernel takes (quote_refused)', async () => {
      breakIt = () => {};
      expect(await refusal(new Uint8Array(32))).toMatchObject({ code: 'quote_refused' });
    });
  });
});

describe('the files of this machine', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-kernel-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  /** As if this folder were the root of the file system. */
  const rooted = (root: string): KernelFiles => ({
    read: (path, maxBytes) => machineFiles.read(join(root, path), maxBytes),
    write: (path, bytes) => machineFiles.write(join(root, path), bytes),
    makeFolder: (path) => machineFiles.makeFolder(join(root, path)),
    removeFolder: (path) => machineFiles.removeFolder(join(root, path)),
    list: (path) => machineFiles.list(join(root, path)),
  });

  it('have nothing of TDX on a machine without it, which is said in words', async () => {
    const machine = { files: rooted(join(folder, 'root')), kernelRelease: '6.18.0' };
    await expect(openTdxPlatform(CONFIG, machine)).rejects.toMatchObject({
      name: 'ConfigError',
      message: expect.stringContaining('no TDX guest'),
    });
    mkdirSync(join(folder, 'root/sys/kernel/config'), { recursive: true });
    await expect(openTdxPlatform(CONFIG, machine)).rejects.toMatchObject({ message: expect.stringContaining('configfs is not mounted') });
    mkdirSync(join(folder, 'root/sys/kernel/config/tsm'));
    await expect(openTdxPlatform(CONFIG, machine)).rejects.toMatchObject({ message: expect.stringContaining('modprobe tdx_guest') });
  });

  it('are read whole, up to a limit', async () => {
    writeFileSync(join(folder, 'large'), Buffer.alloc(101, 1));
    await expect(machineFiles.read(join(folder, 'large'), 100)).rejects.toMatchObject({ code: 'kernel_file' });
    expect(await machineFiles.read(join(folder, 'large'), 101)).toEqual(new Uint8Array(101).fill(1));
  });

  it('are written from their start, and neither made nor cut', async () => {
    writeFileSync(join(folder, 'register'), 'abcdef');
    await machineFiles.write(join(folder, 'register'), Buffer.from('xyz'));
    expect(readFileSync(join(folder, 'register'), 'utf8')).toBe('xyzdef');
    await expect(machineFiles.write(join(folder, 'absent'), Buffer.from('x'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('have folders that are made, listed and removed', async () => {
    await machineFiles.makeFolder(join(folder, 'entry'));
    expect(await machineFiles.list(folder)).toContain('entry');
    await machineFiles.removeFolder(join(folder, 'entry'));
    expect(await machineFiles.list(join(folder, 'entry'))).toBeNull();
  });
});

describe('isKernelOlderThan', () => {
  it('compares the first two numbers, and calls nothing old that it cannot read', () => {
    expect(isKernelOlderThan('6.6.99-generic', '6.7')).toBe(true);
    expect(isKernelOlderThan('5.19', '6.7')).toBe(true);
    expect(isKernelOlderThan('6.7.0', '6.7')).toBe(false);
    expect(isKernelOlderThan('6.16.1', '6.7')).toBe(false);
    expect(isKernelOlderThan('7.0', '6.16')).toBe(false);
    expect(isKernelOlderThan('23.1.0-darwin', '6.7')).toBe(false);
    expect(isKernelOlderThan('unknown', '6.7')).toBe(false);
  });
});
