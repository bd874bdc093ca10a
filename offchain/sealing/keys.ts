import { Aes128Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core';
import { concat, toBigEndian, utf8 } from '../core/bytes';
import { type CryptoProvider, hkdfExpand, hkdfExtract } from '../core/crypto';
import { SealingError } from './errors';

/** The one suite: HPKE base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM. Source: RFC 9180. */
export const SUITE_X25519 = 1;
/** Bytes of `enc` and of a public key of that suite. */
export const ENC_SIZE = 32;
export const COUNTER_SIZE = 8;
export const RESPONSE_NONCE_SIZE = 32;

const KEY_SIZE = 16;
const NONCE_SIZE = 12;
const SECRET_SIZE = 32;

const suite = () => new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes128Gcm() });

/** `info` of the encapsulation: what the sender knows of the receiver, so that a key is good for one set of claims only. */
async function hpkeInfo(crypto: CryptoProvider, claims: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(concat(utf8('cocoon/1'), Uint8Array.of(SUITE_X25519), await crypto.sha256(claims)));
}

const exportLabel = new Uint8Array(utf8('cocoon/1 session'));

/** A secret that only the two ends know, and the bytes that let the guest derive it. */
export interface Encapsulation {
  readonly enc: Uint8Array;
  readonly secret: Uint8Array;
}

/**
 * Client side: a fresh encapsulation to a guest's sealing key. `claims` are the bytes that the guest's quote covers.
 * @throws SealingError bad_key for a key that is no point, or one of small order
 */
export async function encapsulate(crypto: CryptoProvider, sealingKey: Uint8Array, claims: Uint8Array): Promise<Encapsulation> {
  const info = await hpkeInfo(crypto, claims);
  try {
    const hpke = suite();
    const recipientPublicKey = await hpke.kem.deserializePublicKey(new Uint8Array(sealingKey));
    const sender = await hpke.createSenderContext({ recipientPublicKey, info });
    return { enc: new Uint8Array(sender.enc), secret: new Uint8Array(await sender.export(exportLabel, SECRET_SIZE)) };
  } catch (cause) {
    throw new SealingError('bad_key', 'the sealing key is not valid', {}, { cause });
  }
}

/** A guest's sealing key pair. The private half stays an unextractable key of the runtime. */
export interface SealingKey {
  readonly publicKey: Uint8Array;
  /** @throws SealingError altered */
  decapsulate(crypto: CryptoProvider, enc: Uint8Array, claims: Uint8Array): Promise<Uint8Array>;
}

/** Makes a sealing key that exists in this process only. */
export async function generateSealingKey(): Promise<SealingKey> {
  const pair = await suite().kem.generateKeyPair();
  const publicKey = new Uint8Array(await suite().kem.serializePublicKey(pair.publicKey));
  return {
    publicKey,
    async decapsulate(crypto, enc, claims) {
      try {
        const recipient = await suite().createRecipientContext({
          recipientKey: pair,
          enc: new Uint8Array(enc),
          info: await hpkeInfo(crypto, claims),
        });
        return new Uint8Array(await recipient.export(exportLabel, SECRET_SIZE));
      } catch (cause) {
        throw new SealingError('altered', 'encapsulation is not valid', {}, { cause });
      }
    },
  };
}

/** `seal` of an authorisation: ties it to one sealed prompt. */
export async function sealHash(crypto: CryptoProvider, enc: Uint8Array, counter: bigint): Promise<Uint8Array> {
  return crypto.sha256(concat(Uint8Array.of(SUITE_X25519), enc, toBigEndian(counter, COUNTER_SIZE)));
}

/** A key and the first nonce that go with it. */
export interface AeadKey {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
}

/** What both ends derive for one request from the session's secret and its counter. */
export class RequestSecret {
  private constructor(
    private readonly crypto: CryptoProvider,
    private readonly secret: Uint8Array,
    private readonly enc: Uint8Array,
  ) {}

  static async derive(crypto: CryptoProvider, session: Encapsulation, counter: bigint): Promise<RequestSecret> {
    const secret = await hkdfExpand(crypto, session.secret, concat(utf8('request'), toBigEndian(counter, COUNTER_SIZE)), SECRET_SIZE);
    return new RequestSecret(crypto, secret, session.enc);
  }

  requestKey(): Promise<AeadKey> {
    return this.expandKey(this.secret, 'request');
  }

  /** Keys of the response with this nonce. Derived as Oblivious HTTP does (RFC 9458 section 4.4): extract, then expand. */
  async responseKey(responseNonce: Uint8Array): Promise<AeadKey> {
    const secret = await hkdfExpand(this.crypto, this.secret, utf8('response'), SECRET_SIZE);
    return this.expandKey(await hkdfExtract(this.crypto, concat(this.enc, responseNonce), secret), 'response');
  }

  /** Salt of the receipt's `details`: who does not hold this secret cannot test a guess at the prompt against the commitment. */
  detailsSalt(): Promise<Uint8Array> {
    return hkdfExpand(this.crypto, this.secret, utf8('details'), SECRET_SIZE);
  }

  private async expandKey(prk: Uint8Array, label: string): Promise<AeadKey> {
    return {
      key: await hkdfExpand(this.crypto, prk, utf8(`${label} key`), KEY_SIZE),
      nonce: await hkdfExpand(this.crypto, prk, utf8(`${label} nonce`), NONCE_SIZE),
    };
  }
}

/** The nonce of chunk `index`: the base nonce with the index added by XOR to its last four bytes. */
export function chunkNonce(base: Uint8Array, index: number): Uint8Array {
  const nonce = new Uint8Array(base);
  const mask = toBigEndian(index, 4);
  for (let i = 0; i < 4; i++) nonce[8 + i] = (nonce[8 + i] ?? 0) ^ (mask[i] ?? 0);
  return nonce;
}
