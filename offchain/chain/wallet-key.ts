import { mnemonicToPrivateKey, mnemonicValidate } from '@ton/crypto';
import { fromHex } from '../core/bytes';
import type { Signer } from '../core/crypto';
import { ConfigError } from '../core/errors';
import { signerFromSeed } from '../runtime/node-crypto';
import { readSecretFile } from '../runtime/state-folder';

/**
 * The signer of a wallet's key file: a 32-byte seed as 64 hex digits (what loadOrCreateSeed makes), or the 24 words of a TON wallet.
 * @throws ConfigError key_unreadable, key_readable_by_others, key_malformed
 */
export async function loadWalletSigner(path: string): Promise<Signer> {
  const text = readSecretFile(path);
  if (/^[0-9a-f]{64}$/.test(text)) return signerFromSeed(fromHex(text));
  const words = text.toLowerCase().split(/\s+/);
  if (words.length === 24 && (await mnemonicValidate(words))) {
    const { secretKey } = await mnemonicToPrivateKey(words);
    return signerFromSeed(secretKey.subarray(0, 32));
  }
  throw new ConfigError('key_malformed', `key file ${path} holds neither 64 lower-case hex digits nor the 24 words of a wallet`, { path });
}
