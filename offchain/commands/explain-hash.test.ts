import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEventLog } from '../attestation/event-log';
import { SYNTHETIC_BOOT, type SyntheticEvent, writeEventLog } from '../attestation/event-log.test-kit';
import { imageHashOf, type Measurements } from '../attestation/evidence';
import { encodeEvidenceFile } from '../attestation/evidence-file';
import { historyOf, replayAll } from '../attestation/explain-measurements';
import { fixture, makePki, makeScene, tdReport } from '../attestation/platform/forgery.test-kit';
import { writeQuote } from '../attestation/platform/quote-writer';
import { concat, toHex } from '../core/bytes';
import { imageConfigDigest } from '../guest/guest-image';
import { nodeCrypto } from '../runtime/node-crypto';
import { type ExplainHashOptions, explainHashCommand } from './explain-hash';
import { RecordedTerminal } from './terminal.test-kit';

const MRTD = createHash('sha384').update('firmware').digest();
const OTHER_LOADER = SYNTHETIC_BOOT.map((event, i) => (i === 7 ? { ...event, measured: 'boot loader 2' } : event));

describe('cocoon explain-hash', () => {
  let folder: string;
  let log: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-explain-'));
    log = write('log', writeEventLog(SYNTHETIC_BOOT));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  function write(name: string, content: Uint8Array | string): string {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  }

  async function measurementsOf(events: readonly SyntheticEvent[]): Promise<Measurements> {
    return { mrTd: MRTD, rtmr: await replayAll(historyOf(parseEventLog(writeEventLog(events)), imageConfigDigest()), nodeCrypto) };
  }

  /** A quote with these registers, with the padding that hardware leaves. */
  async function quoteOf(events: readonly SyntheticEvent[]): Promise<Uint8Array> {
    const td = { ...tdReport(new Uint8Array(64)), ...(await measurementsOf(events)) };
    return concat(writeQuote(td, makePki().platform), new Uint8Array(70));
  }

  async function expectedOf(events: readonly SyntheticEvent[]): Promise<string> {
    const { mrTd, rtmr } = await measurementsOf(events);
    const [rtmr0, rtmr1, rtmr2, rtmr3] = rtmr.map(toHex);
    return JSON.stringify({ mrtd: toHex(mrTd), rtmr0, rtmr1, rtmr2, rtmr3 });
  }

  async function run(options: Partial<ExplainHashOptions>): Promise<{ readonly isSame: boolean; readonly text: string }> {
    const terminal = new RecordedTerminal();
    const isSame = await explainHashCommand({ log, ...options }, terminal);
    return { isSame, text: terminal.written };
  }

  it('replays a log into the registers, and says that a synthetic one is', async () => {
    const { isSame, text } = await run({});
    const { rtmr } = await measurementsOf(SYNTHETIC_BOOT);
    expect(isSame).toBe(true);
    expect(text).toContain('SYNTHETIC');
    for (const value of rtmr) expect(text).toContain(toHex(value));
    expect(text).toContain('image hash   - (needs the build-time register');
  });

  it('finds a log and its quote in agreement, gives the image hash, and says that the quote is SIMULATED and not checked', async () => {
    const { isSame, text } = await run({ quote: write('quote', await quoteOf(SYNTHETIC_BOOT)) });
    expect(isSame).toBe(true);
    expect(text.match(/quote {6}same/g)).toHaveLength(4);
    expect(text).toContain(`image hash   ${await imageHashOf(await measurementsOf(SYNTHETIC_BOOT), nodeCrypto)}`);
    expect(text).toContain('SIMULATED');
    expect(text).toContain('verifies nothing');
  });

  it('says that a log is not that of the quote', async () => {
    const { isSame, text } = await run({ quote: write('quote', await quoteOf(OTHER_LOADER)) });
    expect(isSame).toBe(false);
    expect(text.match(/DIFFERS {4}the log does not give what the quote has/g)).toHaveLength(1);
  });

  it('takes the quote out of evidence', async () => {
    const { input } = await makeScene();
    const { text, isSame } = await run({ quote: write('bundle.json', input.bundle) });
    expect(isSame).toBe(false);
    expect(text).toContain('01'.repeat(48));
    expect((await run({ quote: write('bundle.json', concat(input.bundle, Uint8Array.of(0x0a))) })).text).toBe(text);
  });

  it('takes the quote out of the file that a client wrote for cocoon verify', async () => {
    const { input } = await makeScene();
    const bundle = await run({ quote: write('bundle.json', input.bundle) });
    const { bundle: bytes, expected } = input;
    const rest = { collateral: null, block: null, gpuEvidence: null, allowlist: { asOf: null, image: null, model: null } };
    const file = encodeEvidenceFile({ seenAtSec: 1, bundle: bytes, expected, ...rest });
    for (const end of [[], [0x0a]]) {
      expect(await run({ quote: write('evidence.json', concat(file, Uint8Array.from(end))) })).toEqual(bundle);
    }
    expect(bundle.text).toContain('SIMULATED');
  });

  it("calls a real quote of Intel's not simulated", async () => {
    const { text } = await run({ quote: write('real', fixture('fmspc-90c06f.quote')) });
    expect(text).not.toContain('SIMULATED');
    expect(text).toContain('DIFFERS');
  });

  it('names the component that makes a register differ from the expected one, by the log of a machine that is as expected', async () => {
    const { isSame, text } = await run({
      quote: write('quote', await quoteOf(SYNTHETIC_BOOT)),
      expected: write('expected.json', await expectedOf(OTHER_LOADER)),
      reference: write('reference', writeEventLog(OTHER_LOADER)),
    });
    expect(isSame).toBe(false);
    expect(text.match(/DIFFERS/g)).toHaveLength(1);
    expect(text).toMatch(
      /DIFFERS {4}event 8 program started by the firmware .*BOOTX64\.EFI: measured [0-9a-f]{16}\.\.\., expected [0-9a-f]{16}\.\.\./,
    );
    expect(text).toContain(`expected     ${await imageHashOf(await measurementsOf(OTHER_LOADER), nodeCrypto)}`);
    expect(text).not.toContain('note ');
  });

  it('does so from two logs alone', async () => {
    const { isSame, text } = await run({ reference: write('reference', writeEventLog(SYNTHETIC_BOOT.filter((_, i) => i !== 3))) });
    expect(isSame).toBe(false);
    expect(text).toMatch(/DIFFERS {4}event 4 UEFI variable: PK: .* not expected at all/);
    const back = await run({ log: join(folder, 'reference'), reference: log });
    expect(back.text).toMatch(/DIFFERS {4}missing: UEFI variable: PK \(event 4 of the reference\)/);
    expect(await run({ reference: log })).toMatchObject({ isSame: true });
  });

  it('lists what may differ where there is no reference log', async () => {
    const { isSame, text } = await run({ expected: write('expected.json', await expectedOf(OTHER_LOADER)) });
    expect(isSame).toBe(false);
    expect(text).toContain('one of these, or something that is missing: --reference LOG');
    expect(text).toMatch(/DIFFERS {6}program started by the firmware/);
  });

  it('names the build-time register, whose making no log holds', async () => {
    const expected: object = JSON.parse(await expectedOf(SYNTHETIC_BOOT));
    const { isSame, text } = await run({
      quote: write('quote', await quoteOf(SYNTHETIC_BOOT)),
      expected: write('expected.json', JSON.stringify({ ...expected, mrtd: '0'.repeat(96) })),
    });
    expect(isSame).toBe(false);
    expect(text).toMatch(/mrtd\n.*\n.*\n {2}expected {3}0{96}\n {2}DIFFERS {4}the initial contents of the machine/);
  });

  it('says when the reference log is not that of the expected registers', async () => {
    const { text } = await run({
      expected: write('expected.json', await expectedOf(OTHER_LOADER)),
      reference: write('reference', writeEventLog(SYNTHETIC_BOOT)),
    });
    expect(text).toContain('the reference log does not give the expected registers');
    expect(text).toContain('rtmr1 is not what the reference log gives either');
  });

  it.each<readonly [string, () => Partial<ExplainHashOptions>, RegExp]>([
    ['a log that is not there', () => ({ log: join(folder, 'absent') }), /absent does not exist/],
    ['a log that is none', () => ({ log: write('none', 'text') }), /none: event log of 4 bytes/],
    ['a quote that is none', () => ({ quote: write('none', 'text') }), /none: quote of/],
    ['evidence that is none', () => ({ quote: write('none', '{}') }), /none: bundle has missing/],
    ['an evidence file that is none', () => ({ quote: write('none', '{"format":"cocoon evidence"}') }), /none: evidence file is malformed/],
    ['expected registers that are no JSON', () => ({ expected: write('none', 'text') }), /none: is not JSON/],
    ['expected registers without one', () => ({ expected: write('none', '{"mrtd":""}') }), /none: expected \{"mrtd", .* see mrtd/],
  ])('refuses %s in one line (bad_file)', async (_what, options, message) => {
    await expect(run(options())).rejects.toMatchObject({ name: 'ConfigError', code: 'bad_file', message: expect.stringMatching(message) });
  });
});
