/** The caller's end of the seal: one encapsulation with one guest, many requests. */
import {
  type Authorisation,
  decodeReceipt,
  encodeReceipt,
  packReceipt,
  type Receipt,
  STATEMENT_SIZE,
  statementHash,
} from '../../wrappers/statements';
import { concat, equal, fromBigEndian, toBigEndian, utf8 } from '../core/bytes';
import type { CryptoProvider } from '../core/crypto';
import { decodeResponseHead, encodeRequestContent, type RequestHead, type ResponseHead } from './content';
import { SealingError } from './errors';
import { FrameReader } from './frames';
import { type AeadKey, chunkNonce, type Encapsulation, encapsulate, RequestSecret, sealHash } from './keys';
import { decodeOpening, detailsOf, type Opening } from './opening';
import { padRequest, unpadChunk } from './padding';
import type { GuestRequest } from './relay-body';

/** A client reuses one encapsulation for at most so many requests, or so long. */
export const MAX_SESSION_REQUESTS = 1000n;
export const MAX_SESSION_AGE_SEC = 600;

/** What the caller must know of the guest: all of it from verified evidence. */
export interface VerifiedGuest {
  readonly sealingKey: Uint8Array;
  readonly receiptKey: Uint8Array;
  /** The claims' bytes, as the quote covers them. */
  readonly claims: Uint8Array;
  readonly evidenceDigest: Uint8Array;
  readonly modelHash: Uint8Array;
  readonly imageHash: Uint8Array;
}

/** A verified receipt with the opening that only the caller holds. */
export interface OpenedReceipt {
  readonly receipt: Receipt;
  readonly signature: Uint8Array;
  readonly opening: Opening;
}

/** What comes out of a sealed answer, in order: one head, data, one receipt. Anything else throws. */
export type OpenedPart =
  | { readonly type: 'head'; readonly head: ResponseHead }
  | { readonly type: 'data'; readonly data: Uint8Array }
  | { readonly type: 'receipt'; readonly receipt: OpenedReceipt };

/** One session: never stored, never shared between processes, so that no counter is used twice. */
export class ClientSession {
  private counter = 0n;

  private constructor(
    private readonly crypto: CryptoProvider,
    private readonly guest: VerifiedGuest,
    private readonly encapsulation: Encapsulation,
    private readonly madeAtSec: number,
  ) {}

  static async open(crypto: CryptoProvider, guest: VerifiedGuest, nowSec: number): Promise<ClientSession> {
    return new ClientSession(crypto, guest, await encapsulate(crypto, guest.sealingKey, guest.claims), nowSec);
  }

  /** Whether the session may carry another request. */
  isFresh(nowSec: number): boolean {
    return this.counter < MAX_SESSION_REQUESTS && nowSec - this.madeAtSec < MAX_SESSION_AGE_SEC;
  }

  /** Takes the next counter. Its `seal` goes into the authorisation. @throws SealingError session_used_up */
  async next(): Promise<ClientExchange> {
    if (this.counter >= MAX_SESSION_REQUESTS) throw new SealingError('session_used_up', `limit ${MAX_SESSION_REQUESTS} requests`);
    const counter = this.counter++;
    const secret = await RequestSecret.derive(this.crypto, this.encapsulation, counter);
    const seal = await sealHash(this.crypto, this.encapsulation.enc, counter);
    return new ClientExchange(this.crypto, this.guest, this.encapsulation.enc, counter, secret, fromBigEndian(seal));
  }
}

/** One sealed request and its answer. */
export class ClientExchange {
  private isUsed = false;
  private requestHash: Uint8Array | null = null;
  private authorisationHash = 0n;

  constructor(
    private readonly crypto: CryptoProvider,
    private readonly guest: VerifiedGuest,
    private readonly enc: Uint8Array,
    private readonly counter: bigint,
    private readonly secret: RequestSecret,
    /** SHA-256 of encapsulation and counter: the authorisation's `seal`. */
    readonly seal: bigint,
  ) {}

  /** Seals the request under its authorisation, once. @throws SealingError session_used_up, bad_head, oversize */
  async sealRequest(authorisation: Authorisation, authorisationHash: bigint, head: RequestHead, body: Uint8Array): Promise<GuestRequest> {
    if (this.isUsed) throw new SealingError('session_used_up', 'an exchange seals one request');
    const content = encodeRequestContent(head, body);
    const padded = padRequest(content);
    // Set before anything is awaited: a second call meanwhile would seal two requests with one key and nonce.
    this.isUsed = true;
    this.requestHash = await this.crypto.sha256(content);
    this.authorisationHash = authorisationHash;
    const { key, nonce } = await this.secret.requestKey();
    const aad = toBigEndian(authorisationHash, 32);
    const ciphertext = await this.crypto.sealAesGcm(key, nonce, padded, aad);
    return { authorisation, enc: this.enc, counter: this.counter, ciphertext };
  }

  /**
   * Opens a sealed answer as it comes. Ends only behind a valid receipt for this authorisation, this answer and this guest.
   * @throws SealingError truncated, altered, oversize, bad_head, trailing_bytes, receipt_mismatch; MalformedError, StatementError when
   * the guest itself sealed a final chunk of another form
   */
  async *openResponse(source: AsyncIterable<Uint8Array>): AsyncGenerator<OpenedPart> {
    const frames = new FrameReader();
    const sealed = this.crypto.startSha256();
    const response = this.crypto.startSha256();
    let keys: AeadKey | null = null;
    let index = 0;
    let headBytes: Uint8Array | null = new Uint8Array(0);
    let opened: OpenedReceipt | null = null;

    for await (const bytes of source) {
      for (const frame of frames.push(bytes)) {
        switch (frame.type) {
          case 'nonce':
            keys = await this.secret.responseKey(frame.nonce);
            sealed.update(frame.wire);
            break;
          case 'chunk': {
            sealed.update(frame.wire);
            const content = unpadChunk(await this.open(keys, index++, frame.ciphertext, new Uint8Array(0)));
            response.update(content);
            if (headBytes === null) {
              if (content.length > 0) yield { type: 'data', data: content };
              break;
            }
            // Bounded: a head announces its length first, and a longer one than allowed is refused there.
            headBytes = concat(headBytes, content);
            const decoded = decodeResponseHead(headBytes);
            if (decoded === null) break;
            headBytes = null;
            yield { type: 'head', head: decoded.head };
            if (decoded.rest.length > 0) yield { type: 'data', data: decoded.rest };
            break;
          }
          case 'final': {
            const content = unpadChunk(await this.open(keys, index++, frame.ciphertext, utf8('final')));
            if (headBytes !== null) throw new SealingError('bad_head', 'the answer has no head');
            opened = await this.checkReceipt(content, await sealed.digest(), await response.digest());
            break;
          }
          case 'receipt':
            if (opened === null || !equal(frame.wire, encodeOpened(opened))) {
              throw new SealingError('receipt_mismatch', 'the receipt in clear is not the sealed one');
            }
            break;
        }
      }
    }
    frames.end();
    if (opened === null) throw new SealingError('truncated', 'the answer ended before its receipt');
    yield { type: 'receipt', receipt: opened };
  }

  private async open(keys: AeadKey | null, index: number, ciphertext: Uint8Array, aad: Uint8Array): Promise<Uint8Array> {
    if (keys === null) throw new SealingError('truncated', 'a chunk came before the nonce');
    const plaintext = await this.crypto.openAesGcm(keys.key, chunkNonce(keys.nonce, index), ciphertext, aad);
    if (plaintext === null) throw new SealingError('altered', `chunk ${index} does not open`);
    return plaintext;
  }

  private async checkReceipt(content: Uint8Array, sealedHash: Uint8Array, responseHash: Uint8Array): Promise<OpenedReceipt> {
    const receiptBytes = content.subarray(0, STATEMENT_SIZE.receipt);
    const signature = content.subarray(STATEMENT_SIZE.receipt, STATEMENT_SIZE.receipt + 64);
    const receipt = decodeReceipt(receiptBytes);
    const opening = decodeOpening(content.subarray(STATEMENT_SIZE.receipt + 64));
    const mismatch = (what: string) => new SealingError('receipt_mismatch', `the receipt is for another ${what}`);

    if (receipt.authorisationHash !== this.authorisationHash) throw mismatch('authorisation');
    if (receipt.sealedHash !== fromBigEndian(sealedHash)) throw mismatch('sealed answer');
    if (!equal(opening.responseHash, responseHash)) throw mismatch('answer');
    if (this.requestHash === null || !equal(opening.requestHash, this.requestHash)) throw mismatch('request');
    if (!equal(opening.salt, await this.secret.detailsSalt())) throw mismatch('exchange');
    if (!equal(opening.evidenceDigest, this.guest.evidenceDigest)) throw mismatch('evidence');
    if (!equal(opening.modelHash, this.guest.modelHash)) throw mismatch('model');
    if (!equal(opening.imageHash, this.guest.imageHash)) throw mismatch('image');
    if (receipt.details !== fromBigEndian(await detailsOf(this.crypto, opening))) throw mismatch('opening');
    const signed = await this.crypto.verifyEd25519(this.guest.receiptKey, toBigEndian(statementHash(packReceipt(receipt)), 32), signature);
    if (!signed) throw new SealingError('receipt_mismatch', "the receipt is not signed by the guest's receipt key");
    return { receipt, signature, opening };
  }
}

function encodeOpened(opened: OpenedReceipt): Uint8Array {
  return concat(encodeReceipt(opened.receipt), opened.signature);
}
