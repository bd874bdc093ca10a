import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '../../core/bytes';
import { nodeCrypto } from '../../runtime/node-crypto';
import { imageHashOf } from '../evidence';
import { parseQuote } from '../quote';
import { verifyQuote } from '../quote-chain';
import { loadTrustRoot } from '../trust-root';
import { DEVELOPMENT_FILES } from './development-files';
import { createDevelopmentRoot } from './development-root';
import { intelRoot, NOW } from './forgery.test-kit';
import { measureFiles } from './measure-files';
import { openSimulatedPlatform, simulatedMeasurements } from './simulated';

const machine = { mrTd: new Uint8Array(48).fill(1), configDigest: new Uint8Array(48).fill(2) };
let parent = '';
let folder = '';

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'cocoon-platform-'));
  folder = join(parent, 'platform');
});

afterEach(() => rm(parent, { recursive: true, force: true }));

describe('a development root', () => {
  test('is made once and kept, readable by its owner only', async () => {
    const first = await createDevelopmentRoot(folder, NOW);
    expect(toHex(await createDevelopmentRoot(folder, NOW + 1))).toBe(toHex(first));
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    const names = await readdir(folder);
    expect(names.sort()).toEqual(Object.values(DEVELOPMENT_FILES).sort());
    for (const name of names) expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
    expect(await readdir(parent)).toEqual(['platform']);
  });

  test('is the same for two processes that make it at once', async () => {
    const made = await Promise.all([createDevelopmentRoot(folder, NOW), createDevelopmentRoot(folder, NOW)]);
    expect(new Set(made.map(toHex)).size).toBe(1);
    expect(await readdir(parent)).toEqual(['platform']);
  });

  test('that cannot be made is refused (bad_development_root)', async () => {
    await writeFile(join(parent, 'file'), '');
    await expect(createDevelopmentRoot(join(parent, 'file', 'platform'), NOW)).rejects.toMatchObject({ code: 'bad_development_root' });
  });

  test('says SIMULATED in the name of every certificate', async () => {
    const root = await loadTrustRoot({ kind: 'development', der: await createDevelopmentRoot(folder, NOW) }, nodeCrypto);
    expect(root.certificate.commonName).toBe('SIMULATED SGX Root CA');
  });
});

describe('the simulated platform', () => {
  test('makes quotes that verify under its root, decades ahead too, and are refused under Intel', async () => {
    const root = await loadTrustRoot({ kind: 'development', der: await createDevelopmentRoot(folder, NOW) }, nodeCrypto);
    const platform = await openSimulatedPlatform({ folder, ...machine });
    const reportData = new Uint8Array(64).fill(7);
    const quote = await platform.quote(reportData);
    expect(platform.kind).toBe('simulated');
    for (const nowSec of [NOW, NOW + 29 * 365 * 86_400]) {
      const { checks } = await verifyQuote(quote, [root], nowSec, nodeCrypto);
      expect(checks.filter((check) => check.result !== 'pass')).toEqual([]);
    }
    const { checks } = await verifyQuote(quote, [await intelRoot()], NOW, nodeCrypto);
    expect(checks.filter((check) => check.result === 'fail').map((check) => check.name)).toEqual(['trust-root', 'pck-chain']);
    expect(toHex(parseQuote(quote).td.reportData)).toBe(toHex(reportData));
  });

  test('measures what was announced before the guest ran', async () => {
    await createDevelopmentRoot(folder, NOW);
    const platform = await openSimulatedPlatform({ folder, ...machine });
    const { td } = parseQuote(await platform.quote(new Uint8Array(64)));
    expect(await imageHashOf(td, nodeCrypto)).toBe(await imageHashOf(simulatedMeasurements(machine), nodeCrypto));
  });

  test('has the configuration in RTMR3 only, and the built files in MRTD only', async () => {
    const hashOf = (changes: Partial<typeof machine>) => simulatedMeasurements({ ...machine, ...changes });
    const base = hashOf({});
    const configured = hashOf({ configDigest: new Uint8Array(48).fill(3) });
    const built = hashOf({ mrTd: new Uint8Array(48).fill(4) });
    expect(configured.rtmr[3]).not.toEqual(base.rtmr[3]);
    expect(configured.mrTd).toEqual(base.mrTd);
    expect(built.mrTd).not.toEqual(base.mrTd);
    expect(built.rtmr).toEqual(base.rtmr);
    // The register after one extension: SHA-384 of 48 zero bytes and the digest.
    const extended = await nodeCrypto.sha384(Uint8Array.from([...new Uint8Array(48), ...machine.configDigest]));
    expect(toHex(base.rtmr[3])).toBe(toHex(extended));
  });

  test('refuses report data and measurements of other sizes (bad_measurement)', async () => {
    await createDevelopmentRoot(folder, NOW);
    const platform = await openSimulatedPlatform({ folder, ...machine });
    await expect(platform.quote(new Uint8Array(32))).rejects.toMatchObject({ code: 'bad_measurement' });
    expect(() => simulatedMeasurements({ ...machine, mrTd: new Uint8Array(32) })).toThrow('measurement of 32 bytes, expected 48');
  });

  test('refuses a folder without its files, or with a broken key (bad_development_root)', async () => {
    await expect(openSimulatedPlatform({ folder, ...machine })).rejects.toMatchObject({ code: 'bad_development_root' });
    await createDevelopmentRoot(folder, NOW);
    await writeFile(join(folder, DEVELOPMENT_FILES.pckKey), 'broken');
    await expect(openSimulatedPlatform({ folder, ...machine })).rejects.toMatchObject({ code: 'bad_development_root' });
  });
});

describe('measured files', () => {
  beforeEach(async () => {
    await createDevelopmentRoot(folder, NOW);
    await writeFile(join(folder, 'a'), 'one');
    await writeFile(join(folder, 'b'), 'two');
  });

  test('have a digest over what sha384sum prints of them, in byte order of their paths', async () => {
    const line = async (name: string) => `${toHex(await nodeCrypto.sha384(await readFile(join(folder, name))))}  ${name}\n`;
    const expected = await nodeCrypto.sha384(Buffer.from((await line('a')) + (await line('b'))));
    expect(toHex(await measureFiles(folder, ['b', 'a']))).toBe(toHex(expected));
  });

  test('have another digest when a byte, a name or the list changes', async () => {
    const base = toHex(await measureFiles(folder, ['a', 'b']));
    expect(toHex(await measureFiles(folder, ['a']))).not.toBe(base);
    await writeFile(join(folder, 'c'), 'two');
    expect(toHex(await measureFiles(folder, ['a', 'c']))).not.toBe(base);
    await writeFile(join(folder, 'b'), 'tw0');
    expect(toHex(await measureFiles(folder, ['a', 'b']))).not.toBe(base);
  });

  test.each([
    ['no file', []],
    ['a file twice', ['a', 'a']],
    ['a missing file', ['a', 'missing']],
    ['an absolute path', ['/a']],
    ['a way through another folder', ['x/../a']],
    ['a second name for a file', ['./a']],
    ['a line feed in a path', ['a\nb']],
    ['a folder', ['.']],
  ])('with %s are refused (bad_measurement)', async (_, paths) => {
    await expect(measureFiles(folder, paths)).rejects.toMatchObject({ code: 'bad_measurement' });
  });
});
