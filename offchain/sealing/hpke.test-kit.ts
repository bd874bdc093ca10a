/**
 * HPKE's exported secret by the text of RFC 9180, for tests only: a second implementation of what `keys.ts` takes from a library,
 * receiver's side, base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM.
 */
import { createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto';
import { concat, toBase64Url, toBigEndian, utf8 } from '../core/bytes';
import { hkdfExpand, hkdfExtract } from '../core/crypto';
import { nodeCrypto } from '../runtime/node-crypto';

// Identifiers of KEM, KDF and AEAD. Source: RFC 9180 section 7.
const KEM_SUITE = concat(utf8('KEM'), toBigEndian(0x0020, 2));
const HPKE_SUITE = concat(utf8('HPKE'), toBigEndian(0x0020, 2), toBigEndian(0x0001, 2), toBigEndian(0x0001, 2));
const NOTHING = new Uint8Array(0);

/** LabeledExtract. Source: RFC 9180 section 4. */
async function extract(suite: Uint8Array, salt: Uint8Array, label: string, ikm: Uint8Array): Promise<Uint8Array> {
  return hkdfExtract(nodeCrypto, salt, concat(utf8('HPKE-v1'), suite, utf8(label), ikm));
}

/** LabeledExpand to 32 bytes. Source: RFC 9180 section 4. */
function expand(suite: Uint8Array, prk: Uint8Array, label: string, info: Uint8Array): Promise<Uint8Array> {
  return hkdfExpand(nodeCrypto, prk, concat(toBigEndian(32, 2), utf8('HPKE-v1'), suite, utf8(label), info), 32);
}

/** SetupBaseR and Context.Export to 32 bytes. Source: RFC 9180 sections 4.1, 5.1 and 5.3. */
export async function exportSecret(
  privateKey: Uint8Array,
  publicKey: Uint8Array,
  enc: Uint8Array,
  info: Uint8Array,
  context: Uint8Array,
): Promise<Uint8Array> {
  const shared = diffieHellman({
    privateKey: createPrivateKey({
      key: { kty: 'OKP', crv: 'X25519', d: toBase64Url(privateKey), x: toBase64Url(publicKey) },
      format: 'jwk',
    }),
    publicKey: createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: toBase64Url(enc) }, format: 'jwk' }),
  });
  const eae = await extract(KEM_SUITE, NOTHING, 'eae_prk', shared);
  const sharedSecret = await expand(KEM_SUITE, eae, 'shared_secret', concat(enc, publicKey));
  const schedule = concat(
    Uint8Array.of(0),
    await extract(HPKE_SUITE, NOTHING, 'psk_id_hash', NOTHING),
    await extract(HPKE_SUITE, NOTHING, 'info_hash', info),
  );
  const secret = await extract(HPKE_SUITE, sharedSecret, 'secret', NOTHING);
  const exporter = await expand(HPKE_SUITE, secret, 'exp', schedule);
  return expand(HPKE_SUITE, exporter, 'sec', context);
}
