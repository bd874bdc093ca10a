import { createHash } from 'node:crypto';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromHex } from '../core/bytes';
import { modelHash } from '../guest/engine/model-hash';
import { type ModelHashOptions, modelHashCommand } from './model-hash';
import { RecordedTerminal } from './terminal.test-kit';

describe('cocoon model-hash', () => {
  let folder: string;
  let image: string;
  let tree: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-hash-'));
    image = join(folder, 'model.img');
    tree = join(folder, 'model.tree');
    writeFileSync(image, Buffer.concat(Array.from({ length: 130 * 128 }, (_, i) => createHash('sha256').update(`verity ${i}`).digest())));
    const superblock = Buffer.alloc(4096);
    superblock.set(fromHex('7665726974790000010000000100000011111111222233334444555555555555736861323536'));
    superblock.set(fromHex('001000000010000082000000000000001000000000000000'), 64);
    superblock.set(fromHex('00112233445566778899aabbccddeeff'), 88);
    writeFileSync(tree, superblock);
    mkdirSync(join(folder, 'model'));
    writeFileSync(join(folder, 'model', 'weights.bin'), 'abc');
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  async function run(options: ModelHashOptions): Promise<RecordedTerminal> {
    const terminal = new RecordedTerminal();
    await modelHashCommand(options, terminal);
    return terminal;
  }

  it('prints the hash of a folder, alone on its line, and its kind beside it', async () => {
    const { written, notes } = await run({ path: join(folder, 'model') });
    expect(written).toBe(`${await modelHash(join(folder, 'model'))}\n`);
    expect(notes).toContain('kind files');
  });

  // What veritysetup 2.6.1 printed for the same image.
  it.each<readonly [string, () => ModelHashOptions, string]>([
    ['without a salt', () => ({ verity: image }), '27438a2dbe5ac9b8ba4f1217704161e59df069dd188d4e7b9111a927de44f6aa'],
    ['with --salt -', () => ({ verity: image, salt: '-' }), '27438a2dbe5ac9b8ba4f1217704161e59df069dd188d4e7b9111a927de44f6aa'],
    [
      'with --salt',
      () => ({ verity: image, salt: '00112233445566778899AABBCCDDEEFF' }),
      'd8115e221855b5b6e3d22b9a84da7b87ef1f6a94d1c83a5dd49eab0cee941ca6',
    ],
    ['with the salt of its tree', () => ({ verity: image, tree }), 'd8115e221855b5b6e3d22b9a84da7b87ef1f6a94d1c83a5dd49eab0cee941ca6'],
  ])('prints the root hash of an image %s, as veritysetup does', async (_what, options, root) => {
    const { written, notes } = await run(options());
    expect(written).toBe(`${root}\n`);
    expect(notes).toContain('kind verity');
  });

  it.each<readonly [string, () => ModelHashOptions, RegExp]>([
    ['nothing to hash', () => ({}), /name the folder or file/],
    ['two things to hash', () => ({ path: folder, verity: image }), /name the folder or file/],
    ['a salt for files', () => ({ path: folder, salt: 'aa' }), /go with --verity/],
    ['a tree for files', () => ({ path: folder, tree }), /go with --verity/],
    ['an offset without a tree', () => ({ verity: image, treeOffset: '0' }), /goes with --tree/],
    ['a salt beside a tree', () => ({ verity: image, tree, salt: 'aa' }), /--salt or --tree, not both/],
    ['a salt that is no hex', () => ({ verity: image, salt: 'xy' }), /up to 256 bytes in hex/],
    ['a salt that is too long', () => ({ verity: image, salt: 'aa'.repeat(257) }), /up to 256 bytes in hex/],
    ['an offset that is no number', () => ({ verity: image, tree, treeOffset: '-1' }), /number of bytes/],
  ])('refuses %s (bad_flags)', async (_what, options, message) => {
    await expect(run(options())).rejects.toMatchObject({ name: 'ConfigError', code: 'bad_flags', message: expect.stringMatching(message) });
  });

  it('refuses what is not there, what is no tree, and an image that is longer than its tree', async () => {
    await expect(run({ path: join(folder, 'absent') })).rejects.toMatchObject({ code: 'model_not_found' });
    await expect(run({ verity: image, tree: image })).rejects.toMatchObject({
      code: 'bad_verity_image',
      message: expect.stringContaining('no verity superblock'),
    });
    const longer = join(folder, 'longer.img');
    writeFileSync(longer, Buffer.alloc(130 * 4096));
    appendFileSync(longer, Buffer.alloc(4096));
    await expect(run({ verity: longer, tree })).rejects.toMatchObject({ message: expect.stringContaining('its tree covers 532480') });
  });
});
