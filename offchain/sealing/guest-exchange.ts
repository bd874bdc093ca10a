/** The guest's end of the seal: opens one request, seals its answer as it comes, ends it with a receipt. */
import { encodeReceipt, packReceipt, type Receipt, type ReceiptStatus, statementHash, type Usage } from '../../wrappers/statements';
import { concat, fromBigEndian, toBigEndian, utf8 } from '../core/bytes';
import type { CryptoProvider, IncrementalHash, Signer } from '../core/crypto';
import { decodeRequestContent, encodeResponseHead, type RequestHead, type ResponseHead } from './content';
import { SealingError } from './errors';
import { frameHeader, MAX_CHUNK_CONTENT } from './frames';
import { type AeadKey, chunkNonce, RESPONSE_NONCE_SIZE, RequestSecret, type SealingKey, sealHash } from './keys';
import { detailsOf, encodeOpening } from './opening';
import { padChunk, unpadRequest } from './padding';
import type { GuestRequest } from './relay-body';

/** One key set as the guest holds it: made together, erased together. */
export interface GuestKeySet {
  readonly sealing: SealingKey;
  readonly receipt: Signer;
  /** The claims' bytes that the quote covers. */
  readonly claims: Uint8Array;
  readonly evidenceDigest: Uint8Array;
  readonly modelHash: Uint8Array;
  readonly imageHash: Uint8Array;
}

/** Most secrets of sessions that are remembered; a miss costs one decapsulation. */
const MAX_SECRETS = 4096;

/** Opens requests with one key set. The cache of secrets is only an optimisation. */
export class GuestOpener {
  private readonly secrets = new Map<string, Uint8Array>();

  constructor(
    private readonly crypto: CryptoProvider,
    private readonly keys: GuestKeySet,
  ) {}

  /**
   * Opens a request under its authorisation: the `seal` must be that of this encapsulation and counter, the receipt key ours, and
   * the ciphertext sealed under this authorisation's hash, so that nobody but the client can run anything under it.
   * @throws SealingError altered, bad_head; MalformedError truncated
   */
  async open(request: GuestRequest, authorisationHash: bigint): Promise<GuestExchange> {
    const seal = await sealHash(this.crypto, request.enc, request.counter);
    if (fromBigEndian(seal) !== request.authorisation.seal)
      throw new SealingError('altered', 'the authorisation is for another sealed request');
    if (request.authorisation.receiptKey !== fromBigEndian(this.keys.receipt.publicKey)) {
      throw new SealingError('altered', 'the authorisation is for another receipt key');
    }
    const session = { enc: request.enc, secret: await this.sessionSecret(request.enc) };
    const secret = await RequestSecret.derive(this.crypto, session, request.counter);
    const { key, nonce } = await secret.requestKey();
    const padded = await this.crypto.openAesGcm(key, nonce, request.ciphertext, toBigEndian(authorisationHash, 32));
    if (padded === null) throw new SealingError('altered', 'the request does not open');
    const content = unpadRequest(padded);
    const { head, body } = decodeRequestContent(content);
    const responseNonce = this.crypto.randomBytes(RESPONSE_NONCE_SIZE);
    return new GuestExchange(this.crypto, this.keys, authorisationHash, {
      head,
      body,
      requestHash: await this.crypto.sha256(content),
      salt: await secret.detailsSalt(),
      responseNonce,
      responseKey: await secret.responseKey(responseNonce),
    });
  }

  private async sessionSecret(enc: Uint8Array): Promise<Uint8Array> {
    const id = enc.join();
    const known = this.secrets.get(id);
    if (known !== undefined) return known;
    const secret = await this.keys.sealing.decapsulate(this.crypto, enc, this.keys.claims);
    if (this.secrets.size >= MAX_SECRETS) {
      const oldest = this.secrets.keys().next();
      if (!oldest.done) this.secrets.delete(oldest.value);
    }
    this.secrets.set(id, secret);
    return secret;
  }
}

interface Opened {
  readonly head: RequestHead;
  readonly body: Uint8Array;
  readonly requestHash: Uint8Array;
  readonly salt: Uint8Array;
  readonly responseNonce: Uint8Array;
  readonly responseKey: AeadKey;
}

/** One opened request. Call start once, data any number of times, finish once; each gives the bytes to send. */
export class GuestExchange {
  private index = 0;
  private readonly sealed: IncrementalHash;
  private readonly response: IncrementalHash;

  constructor(
    private readonly crypto: CryptoProvider,
    private readonly keys: GuestKeySet,
    readonly authorisationHash: bigint,
    private readonly opened: Opened,
  ) {
    this.sealed = crypto.startSha256();
    this.response = crypto.startSha256();
  }

  get head(): RequestHead {
    return this.opened.head;
  }

  get body(): Uint8Array {
    return this.opened.body;
  }

  /** The nonce and the head of the answer. */
  async start(head: ResponseHead): Promise<Uint8Array> {
    this.sealed.update(this.opened.responseNonce);
    return concat(this.opened.responseNonce, await this.data(encodeResponseHead(head)));
  }

  /** Some bytes of the answer, in as many chunks as they need. */
  async data(content: Uint8Array): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < content.length; at += MAX_CHUNK_CONTENT) {
      const part = content.subarray(at, at + MAX_CHUNK_CONTENT);
      this.response.update(part);
      const chunk = await this.chunk(part, false);
      this.sealed.update(chunk);
      chunks.push(chunk);
    }
    return concat(...chunks);
  }

  /** The final chunk and the receipt in clear, and the receipt itself to keep. */
  async finish(
    usage: Usage,
    status: ReceiptStatus,
    atSec: number,
  ): Promise<{ readonly bytes: Uint8Array; readonly receipt: Receipt; readonly signature: Uint8Array }> {
    const opening = {
      salt: this.opened.salt,
      evidenceDigest: this.keys.evidenceDigest,
      modelHash: this.keys.modelHash,
      imageHash: this.keys.imageHash,
      requestHash: this.opened.requestHash,
      responseHash: await this.response.digest(),
    };
    const receipt: Receipt = {
      authorisationHash: this.authorisationHash,
      sealedHash: fromBigEndian(await this.sealed.digest()),
      details: fromBigEndian(await detailsOf(this.crypto, opening)),
      usage,
      status,
      at: atSec,
    };
    const signature = await this.keys.receipt.sign(toBigEndian(statementHash(packReceipt(receipt)), 32));
    const clear = concat(encodeReceipt(receipt), signature);
    const final = await this.chunk(concat(clear, encodeOpening(opening)), true);
    return { bytes: concat(final, clear), receipt, signature };
  }

  private async chunk(content: Uint8Array, isFinal: boolean): Promise<Uint8Array> {
    const { key, nonce } = this.opened.responseKey;
    const aad = isFinal ? utf8('final') : new Uint8Array(0);
    const ciphertext = await this.crypto.sealAesGcm(key, chunkNonce(nonce, this.index++), padChunk(content), aad);
    return concat(frameHeader(ciphertext.length, isFinal), ciphertext);
  }
}
