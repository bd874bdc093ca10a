import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { modelHash } from './engine/model-hash';
import { requireInMemory } from './engine/model-storage';
import { linuxDeviceMapper } from './engine/verity-mount';
import { verityDevice } from './engine/verity-mount.test-kit';
import { WeightsProof, weightsProof } from './model-proof';

const never = () => {};
const anywhere = () => Promise.resolve();

describe('weightsProof', () => {
  let folder: string;
  let modelPath: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-proof-'));
    modelPath = join(folder, 'tiny.gguf');
    writeFileSync(modelPath, 'abc');
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it('proves files by their hash, with progress up to the whole', async () => {
    const proof = weightsProof({ modelPath, proof: 'files', modelHash: null, requireSafePlace: anywhere, deviceMapper: linuxDeviceMapper });
    const seen: number[] = [];
    expect(await proof.prove((progress) => seen.push(progress))).toBe(await modelHash(modelPath));
    expect(proof.kind).toBe('files');
    expect(seen.at(-1)).toBe(1);
  });

  it('proves the same weights as often as it is asked, and refuses ones that have changed since (model_changed)', async () => {
    const proof = weightsProof({ modelPath, proof: 'files', modelHash: null, requireSafePlace: anywhere, deviceMapper: linuxDeviceMapper });
    const hash = await proof.prove(never);
    expect(await proof.prove(never)).toBe(hash);
    writeFileSync(modelPath, 'abd');
    await expect(proof.prove(never)).rejects.toMatchObject({ name: 'EngineError', code: 'model_changed' });
    await expect(proof.prove(never)).rejects.toMatchObject({ code: 'model_changed' });
    writeFileSync(modelPath, 'abc');
    expect(await proof.prove(never)).toBe(hash);
  });

  it('refuses another model than the one that the config names (model_differs), at the first time already', async () => {
    const wanted = 'efe7ef280534d27ed625ff2df8784f46452c9c5798a1c6c87b065f8b87932a80';
    const proof = weightsProof({
      modelPath,
      proof: 'files',
      modelHash: wanted,
      requireSafePlace: anywhere,
      deviceMapper: linuxDeviceMapper,
    });
    expect(await proof.prove(never)).toBe(wanted);
    const other = weightsProof({
      modelPath,
      proof: 'files',
      modelHash: '0'.repeat(64),
      requireSafePlace: anywhere,
      deviceMapper: linuxDeviceMapper,
    });
    await expect(other.prove(never)).rejects.toMatchObject({
      name: 'ConfigError',
      code: 'model_differs',
      message: expect.stringContaining(wanted),
    });
  });

  it('hashes nothing in a place where others can change it', async () => {
    const onDisk = weightsProof({
      modelPath,
      proof: 'files',
      modelHash: null,
      requireSafePlace: (path) => requireInMemory(path, async () => 0xef53n),
      deviceMapper: linuxDeviceMapper,
    });
    await expect(onDisk.prove(never)).rejects.toMatchObject({ code: 'model_on_disk', message: expect.stringContaining('tmpfs') });
  });

  it('proves a mounted image by its device, and no device by nothing (model_not_verity)', async () => {
    const proof = weightsProof({
      modelPath,
      proof: 'verity',
      modelHash: null,
      requireSafePlace: anywhere,
      deviceMapper: linuxDeviceMapper,
    });
    expect(proof.kind).toBe('verity');
    await expect(proof.prove(never)).rejects.toMatchObject({ code: 'model_not_verity' });
  });

  it('asks for the root of a mounted image each time: the same, or nothing (model_changed, model_differs)', async () => {
    const roots = ['aa'.repeat(32), 'aa'.repeat(32), 'bb'.repeat(32)];
    const deviceMapper = verityDevice(() => roots.shift() ?? '');
    const proof = weightsProof({ modelPath, proof: 'verity', modelHash: null, requireSafePlace: anywhere, deviceMapper });
    expect(await proof.prove(never)).toBe('aa'.repeat(32));
    expect(await proof.prove(never)).toBe('aa'.repeat(32));
    await expect(proof.prove(never)).rejects.toMatchObject({ name: 'EngineError', code: 'model_changed' });
    const another = { modelPath, proof: 'verity', modelHash: '0'.repeat(64), requireSafePlace: anywhere } as const;
    const differing = weightsProof({ ...another, deviceMapper: verityDevice(() => 'aa'.repeat(32)) });
    await expect(differing.prove(never)).rejects.toMatchObject({ code: 'model_differs' });
  });

  it('keeps the first hash when proofs are asked for in a row', async () => {
    const hashes = ['aa', 'aa', 'bb'];
    const proof = new WeightsProof('files', async () => hashes.shift() ?? '', null);
    expect(await proof.prove(never)).toBe('aa');
    expect(await proof.prove(never)).toBe('aa');
    await expect(proof.prove(never)).rejects.toMatchObject({
      code: 'model_changed',
      message: expect.stringContaining('is bb, and was aa'),
    });
  });
});

describe('requireInMemory', () => {
  it.each([
    ['tmpfs', 0x01021994n],
    ['ramfs', 0x858458f6n],
    ['ramfs, where its number comes with a sign', -0x7a7ba70an],
  ])('takes %s', async (_name, type) => {
    await expect(requireInMemory('/model', async () => type)).resolves.toBeUndefined();
  });

  it.each([
    ['ext4', 0xef53n],
    ['overlayfs', 0x794c7630n],
    ['a network file system', 0x6969n],
  ])('refuses %s (model_on_disk)', async (_name, type) => {
    await expect(requireInMemory('/model', async () => type)).rejects.toMatchObject({ code: 'model_on_disk' });
  });

  it('says when there is no model (model_not_found)', async () => {
    const typeOf = () => Promise.reject(new Error('ENOENT'));
    await expect(requireInMemory('/model', typeOf)).rejects.toMatchObject({ code: 'model_not_found' });
  });
});
