import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromHex } from '../../core/bytes';
import { PLAIN_VERITY, verityRoot } from './verity-root';
import { parseVeritySuperblock, readVeritySuperblock } from './verity-superblock';

/** An image of blocks of 4096 bytes: SHA-256 of "verity 0", of "verity 1" and so on, one behind the other. */
function image(blocks: number): Buffer {
  return Buffer.concat(Array.from({ length: blocks * 128 }, (_, i) => createHash('sha256').update(`verity ${i}`).digest()));
}

/** A superblock as `veritysetup format --salt=00112233445566778899aabbccddeeff` of veritysetup 2.6.1 wrote it, without the zeros behind it. */
const SALTED = [
  '7665726974790000', // verity
  '0100000001000000', // version, hash type
  '11111111222233334444555555555555',
  `${'736861323536'.padEnd(64, '0')}`, // sha256
  '0010000000100000', // block sizes
  '8200000000000000', // 130 blocks
  '1000000000000000', // salt size
  '00112233445566778899aabbccddeeff',
].join('');

function superblock(changes: Readonly<Record<number, string>> = {}): Uint8Array {
  const bytes = new Uint8Array(512);
  bytes.set(fromHex(SALTED));
  for (const [at, hex] of Object.entries(changes)) bytes.set(fromHex(hex), Number(at));
  return bytes;
}

describe('verityRoot', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-verity-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  function write(bytes: Uint8Array): string {
    const path = join(folder, 'image');
    writeFileSync(path, bytes);
    return path;
  }

  // What veritysetup 2.6.1 (Debian 12) printed for these images.
  it.each([
    [1, '62aa6e75987b8177edcbd6b94513ae83ba3429bea616990492d248dcc4665c90'],
    [2, 'bdb2dd049f1dc26534c6b981c2968edcea43b91e709c55e80d2e19dbff3b27a3'],
    [128, '63b85d2ffd25bbe88a8e0c026f463b7c24228a7a61c9487141f7cf7895c05745'],
    [129, 'be465c31ff27c8c650c87b63f5c1d306c5c0f7dd184b94e92718a0e9c84759a0'],
    [130, '27438a2dbe5ac9b8ba4f1217704161e59df069dd188d4e7b9111a927de44f6aa'],
  ])('is what `veritysetup format --salt=-` prints for %i blocks', async (blocks, root) => {
    expect(await verityRoot(write(image(blocks)))).toBe(root);
  });

  it.each([
    [130, { salt: '00112233445566778899aabbccddeeff' }, 'd8115e221855b5b6e3d22b9a84da7b87ef1f6a94d1c83a5dd49eab0cee941ca6'],
    [2, { salt: 'ff'.repeat(256) }, '8df0124131dfb484b1f8b1e73b87932924fbae29946efecc1561b7ac8a46327c'],
    [130, { salt: '01', dataBlockSize: 1024, hashBlockSize: 512 }, 'd132ca74366531282d5b8aec7fc0d48a3537374a40a9398c5c6d9414ffac5d8f'],
    [128, { salt: '', dataBlockSize: 512, hashBlockSize: 512 }, 'e05197a970743f9622a3b5b4af2ac479b1b01e7c9b39b15aa09bf8fcb187b514'],
  ])('is what veritysetup prints with a salt and other block sizes (%i blocks, %j)', async (blocks, { salt, ...sizes }, root) => {
    expect(await verityRoot(write(image(blocks)), { ...PLAIN_VERITY, ...sizes, salt: fromHex(salt) })).toBe(root);
  });

  it('covers only the blocks that the tree covers, and tells its progress up to them', async () => {
    const seen: (readonly [number, number])[] = [];
    const withTree = Buffer.concat([image(129), Buffer.alloc(5000, 1)]);
    const root = await verityRoot(write(withTree), { ...PLAIN_VERITY, dataBlocks: 129 }, (done, total) => {
      seen.push([done, total]);
    });
    expect(root).toBe('be465c31ff27c8c650c87b63f5c1d306c5c0f7dd184b94e92718a0e9c84759a0');
    expect(seen.at(-1)).toEqual([129 * 4096, 129 * 4096]);
  });

  it('changes with every byte of the image', async () => {
    const bytes = image(3);
    for (const at of [0, 4095, 4096, 3 * 4096 - 1]) {
      const changed = Buffer.from(bytes);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      expect(await verityRoot(write(changed))).not.toBe(await verityRoot(write(bytes)));
    }
  });

  it('refuses what is no whole number of blocks: veritysetup leaves the rest out, and nothing would cover it', async () => {
    await expect(verityRoot(write(image(2).subarray(0, 5000)))).rejects.toMatchObject({
      code: 'bad_verity_image',
      message: expect.stringContaining('5000 bytes, not whole blocks of 4096'),
    });
  });

  it('refuses an empty image, a folder, one that is shorter than its tree says, and none at all', async () => {
    await expect(verityRoot(write(new Uint8Array(0)))).rejects.toMatchObject({ code: 'bad_verity_image' });
    await expect(verityRoot(folder)).rejects.toMatchObject({ code: 'bad_verity_image' });
    await expect(verityRoot(write(image(2)), { ...PLAIN_VERITY, dataBlocks: 3 })).rejects.toMatchObject({
      message: expect.stringMatching(/ends at byte 8192, expected 12288/),
    });
    await expect(verityRoot(join(folder, 'absent'))).rejects.toMatchObject({ code: 'model_not_found' });
  });
});

describe('the superblock of a verity tree', () => {
  it('says salt, block sizes and how many blocks are covered', () => {
    expect(parseVeritySuperblock(superblock())).toEqual({
      salt: fromHex('00112233445566778899aabbccddeeff'),
      dataBlockSize: 4096,
      hashBlockSize: 4096,
      dataBlocks: 130,
    });
  });

  it('is read at its offset, as `veritysetup format --hash-offset` puts it behind the image', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cocoon-verity-'));
    const path = join(folder, 'image');
    writeFileSync(path, Buffer.concat([image(130), superblock({ 80: '0100', 88: `0a${'00'.repeat(15)}` }), Buffer.alloc(3584)]));
    const format = await readVeritySuperblock(path, 130 * 4096);
    expect(await verityRoot(path, format)).toBe('dbaddc361ba1fa897c0590800e6a2c6988f33c49884954a45b0b192250dfbb13');
    await expect(readVeritySuperblock(path, 0)).rejects.toThrow('no verity superblock');
    await expect(readVeritySuperblock(path, 134 * 4096)).rejects.toMatchObject({ code: 'bad_verity_image' });
    rmSync(folder, { recursive: true });
  });

  it.each<readonly [string, Readonly<Record<number, string>>, RegExp]>([
    ['another signature', { 0: '00' }, /no verity superblock/],
    ['another version', { 8: '02' }, /version 2, expected 1/],
    ['the hash type of Chromium OS', { 12: '00' }, /hash type 0, expected 1/],
    ['another algorithm', { 35: '353132' }, /sha512, expected sha256/],
    ['an algorithm that is no name', { 32: 'ff0a' }, /tree with ff0a/],
    ['blocks of no power of two', { 64: '00110000' }, /data blocks of 4352 bytes/],
    ['blocks of nothing', { 68: '00000000' }, /hash blocks of 0 bytes/],
    ['blocks larger than a page', { 68: '00200000' }, /hash blocks of 8192 bytes/],
    ['no blocks', { 72: '0000' }, /over 0 blocks/],
    ['more blocks than there can be', { 76: '01000001' }, /limit 4294967296/],
    ['a salt that is too long', { 80: '0101' }, /salt of 257 bytes, limit 256/],
  ])('is refused with %s', (_what, changes, message) => {
    expect(() => parseVeritySuperblock(superblock(changes))).toThrow(message);
  });
});
