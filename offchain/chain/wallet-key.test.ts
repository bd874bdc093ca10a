import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keyPairFromSeed, mnemonicNew, mnemonicToPrivateKey } from '@ton/crypto';
import { loadWalletSigner } from './wallet-key';

let folder = '';
let path = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cocoon-key-'));
  path = join(folder, 'key');
});
afterEach(() => rmSync(folder, { recursive: true }));

test('reads a seed', async () => {
  writeFileSync(path, `${'05'.repeat(32)}\n`, { mode: 0o600 });
  const { publicKey } = await loadWalletSigner(path);
  expect(Buffer.from(publicKey)).toEqual(keyPairFromSeed(Buffer.alloc(32, 5)).publicKey);
});

test('reads the words of a wallet, as wallets do', async () => {
  const words = await mnemonicNew();
  writeFileSync(path, words.join('\n'), { mode: 0o600 });
  const { publicKey } = await loadWalletSigner(path);
  expect(Buffer.from(publicKey)).toEqual((await mnemonicToPrivateKey(words)).publicKey);
});

test('refuses anything else without repeating it', async () => {
  for (const text of ['05', 'one two three', Array.from({ length: 24 }, () => 'abandon').join(' ')]) {
    writeFileSync(path, text, { mode: 0o600 });
    await expect(loadWalletSigner(path)).rejects.toMatchObject({ code: 'key_malformed', message: expect.not.stringContaining(text) });
  }
});
