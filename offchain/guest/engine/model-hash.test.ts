import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { modelHash } from './model-hash';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

describe('modelHash', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-model-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  function writeTree(): string {
    mkdirSync(join(folder, 'model', 'b'), { recursive: true });
    writeFileSync(join(folder, 'model', 'weights.bin'), 'abc');
    writeFileSync(join(folder, 'model', 'b', 'config.json'), '{}');
    writeFileSync(join(folder, 'model', 'b.txt'), '');
    writeFileSync(join(folder, 'model', '\u00e9'), 'x');
    return join(folder, 'model');
  }

  it('is the hash of a manifest of a single file (pinned)', async () => {
    writeFileSync(join(folder, 'tiny.gguf'), 'abc');
    const hash = await modelHash(join(folder, 'tiny.gguf'));
    const line = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad 3 tiny.gguf\n';
    expect(hash).toBe(sha256(`cocoon model files 1\n${line}`));
    expect(hash).toBe('efe7ef280534d27ed625ff2df8784f46452c9c5798a1c6c87b065f8b87932a80');
  });

  it('lists a folder in the order of the bytes of its paths (pinned)', async () => {
    const hash = await modelHash(writeTree());
    const lines = [
      `${sha256('')} 0 b.txt\n`,
      `${sha256('{}')} 2 b/config.json\n`,
      `${sha256('abc')} 3 weights.bin\n`,
      `${sha256('x')} 1 \u00e9\n`,
    ];
    expect(hash).toBe(sha256(`cocoon model files 1\n${lines.join('')}`));
    expect(hash).toBe('a62f621f39143ac43bad585417e231d8a94684ab7d224e25b5d067cf429d09e5');
  });

  it('changes with a byte, a name, a place and a further file', async () => {
    const path = writeTree();
    const hashes = [await modelHash(path)];
    const change = async (apply: () => void) => {
      rmSync(path, { recursive: true });
      writeTree();
      apply();
      hashes.push(await modelHash(path));
    };
    await change(() => writeFileSync(join(path, 'weights.bin'), 'abd'));
    await change(() => {
      rmSync(join(path, 'b.txt'));
      writeFileSync(join(path, 'c.txt'), '');
    });
    await change(() => {
      rmSync(join(path, 'b.txt'));
      writeFileSync(join(path, 'b', 'b.txt'), '');
    });
    await change(() => writeFileSync(join(path, 'more'), ''));
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  it('reports progress up to the whole', async () => {
    writeFileSync(join(folder, 'big'), Buffer.alloc(3 * 1024 * 1024));
    const seen: (readonly [number, number])[] = [];
    await modelHash(join(folder, 'big'), (done, total) => {
      seen.push([done, total]);
    });
    expect(seen.length).toBeGreaterThan(1);
    expect(seen.at(-1)).toEqual([3 * 1024 * 1024, 3 * 1024 * 1024]);
  });

  it('refuses links, empty folders, strange names and what is not there', async () => {
    const path = writeTree();
    symlinkSync(join(path, 'b.txt'), join(path, 'link'));
    await expect(modelHash(path)).rejects.toMatchObject({ code: 'bad_model_tree', message: expect.stringContaining('link is a link') });
    await expect(modelHash(join(path, 'link'))).rejects.toMatchObject({ code: 'bad_model_tree' });
    mkdirSync(join(folder, 'empty'));
    await expect(modelHash(join(folder, 'empty'))).rejects.toMatchObject({ code: 'bad_model_tree' });
    mkdirSync(join(folder, 'names'));
    writeFileSync(join(folder, 'names', 'a\nb'), '');
    await expect(modelHash(join(folder, 'names'))).rejects.toMatchObject({ code: 'bad_model_tree' });
    await expect(modelHash(join(folder, 'absent'))).rejects.toMatchObject({ code: 'model_not_found' });
  });
});
