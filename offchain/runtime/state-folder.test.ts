import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadOrCreateSeed, openStateFolder, readSecretFile, stateFolderPath, writeFileAtomic } from './state-folder';

let base = '';
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'cocoon-state-'));
});
afterEach(() => rmSync(base, { recursive: true }));

const modeOf = (path: string) => statSync(path).mode & 0o777;

test("a state folder is its owner's alone", () => {
  const path = stateFolderPath(base, 'local', 'proxy');
  expect(path).toBe(join(base, '.cocoon', 'local', 'proxy'));
  openStateFolder(path);
  openStateFolder(path);
  expect([join(base, '.cocoon'), join(base, '.cocoon', 'local'), path].map(modeOf)).toEqual([0o700, 0o700, 0o700]);
});

test('refuses a state folder that cannot be made', () => {
  writeFileSync(join(base, 'file'), '');
  expect(() => openStateFolder(join(base, 'file'))).toThrow(
    expect.objectContaining({ code: 'state_folder_unusable', message: expect.stringMatching(/is a file$/) }),
  );
  expect(() => openStateFolder(join(base, 'file', 'state'))).toThrow(expect.objectContaining({ code: 'state_folder_unusable' }));
});

test('replaces a file as a whole and leaves nothing beside it', () => {
  const path = join(base, 'file');
  writeFileAtomic(path, 'old');
  writeFileAtomic(path, new Uint8Array([1, 2]));
  expect([...readFileSync(path)]).toEqual([1, 2]);
  expect(modeOf(path)).toBe(0o600);
  expect(readdirSync(base)).toEqual(['file']);
});

test('makes a seed once and gives the same one ever after', () => {
  const path = join(base, 'key');
  const seed = loadOrCreateSeed(path);
  expect(seed).toHaveLength(32);
  expect(loadOrCreateSeed(path)).toEqual(seed);
  expect(modeOf(path)).toBe(0o600);
  expect(loadOrCreateSeed(join(base, 'other'))).not.toEqual(seed);
});

test('refuses a damaged key file and leaves it as it is', () => {
  const path = join(base, 'key');
  writeFileSync(path, 'abc', { mode: 0o600 });
  expect(() => loadOrCreateSeed(path)).toThrow(
    expect.objectContaining({ code: 'key_malformed', message: expect.not.stringContaining('abc') }),
  );
  expect(readFileSync(path, 'utf8')).toBe('abc');
});

test('refuses a key file that other users can read', () => {
  const path = join(base, 'key');
  loadOrCreateSeed(path);
  chmodSync(path, 0o640);
  expect(() => loadOrCreateSeed(path)).toThrow(
    expect.objectContaining({ code: 'key_readable_by_others', message: expect.stringContaining('chmod 600') }),
  );
  expect(() => readSecretFile(join(base, 'none'))).toThrow(expect.objectContaining({ code: 'key_unreadable' }));
});
