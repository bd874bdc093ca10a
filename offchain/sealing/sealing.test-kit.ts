/** A guest and a client for tests of this room: real keys, real seals, and the pieces of a sealed answer to take apart. */
import {
  type Authorisation,
  decodeReceipt,
  encodeReceipt,
  packAuthorisation,
  packReceipt,
  RECEIPT_STATUS,
  type Receipt,
  statementHash,
} from '../../wrappers/statements';
import { concat, fromBigEndian, toBigEndian, utf8 } from '../core/bytes';
import type { Signer } from '../core/crypto';
import { generateSigner, nodeCrypto } from '../runtime/node-crypto';
import { type ClientExchange, ClientSession, type OpenedPart, type OpenedReceipt, type VerifiedGuest } from './client-session';
import { encodeResponseHead, type RequestHead, type ResponseHead } from './content';
import { type GuestKeySet, GuestOpener } from './guest-exchange';
import { type AeadKey, chunkNonce, generateSealingKey, RequestSecret } from './keys';
import { detailsOf, encodeOpening, type Opening } from './opening';
import { padChunk } from './padding';
import type { GuestRequest } from './relay-body';

export const NOW_SEC = 1_800_000_000;
export const REQUEST_HEAD: RequestHead = { method: 'POST', path: '/v1/chat/completions', headers: { 'content-type': 'application/json' } };
export const RESPONSE_HEAD: ResponseHead = { status: 200, headers: { 'content-type': 'text/event-stream' } };
export const USAGE = { uncachedPrompt: 11, cachedPrompt: 5, answer: 7, reasoning: 3 };

/** One guest and one client's session with it. */
export interface Pair {
  readonly keys: GuestKeySet;
  readonly guest: VerifiedGuest;
  readonly opener: GuestOpener;
  readonly session: ClientSession;
}

export async function makePair(change: Partial<VerifiedGuest> = {}): Promise<Pair> {
  const sealing = await generateSealingKey();
  const receipt = generateSigner();
  const proven = {
    claims: utf8('{"claims":1}'),
    evidenceDigest: new Uint8Array(32).fill(1),
    modelHash: new Uint8Array(32).fill(2),
    imageHash: new Uint8Array(32).fill(3),
  };
  const keys: GuestKeySet = { sealing, receipt, ...proven };
  const guest: VerifiedGuest = { sealingKey: sealing.publicKey, receiptKey: receipt.publicKey, ...proven, ...change };
  const session = await ClientSession.open(nodeCrypto, guest, NOW_SEC);
  return { keys, guest, opener: new GuestOpener(nodeCrypto, keys), session };
}

/** A sealed request with what its two ends know of it. */
export interface Asked {
  readonly exchange: ClientExchange;
  readonly request: GuestRequest;
  readonly hash: bigint;
}

export function authorise(seal: bigint, receiptKey: Uint8Array, change: Partial<Authorisation> = {}): Authorisation {
  return {
    orderHash: 77n,
    receiptKey: fromBigEndian(receiptKey),
    seal,
    maxAmount: 1_000_000n,
    validUntil: NOW_SEC + 600,
    prices: { uncachedPrompt: 4n, cachedPrompt: 3n, answer: 2n, reasoning: 1n },
    ...change,
  };
}

export function hashOf(authorisation: Authorisation): bigint {
  return statementHash(packAuthorisation(authorisation));
}

export async function ask(pair: Pair, body: Uint8Array = utf8('{"model":"m"}')): Promise<Asked> {
  const exchange = await pair.session.next();
  const authorisation = authorise(exchange.seal, pair.keys.receipt.publicKey);
  const hash = hashOf(authorisation);
  return { exchange, request: await exchange.sealRequest(authorisation, hash, REQUEST_HEAD, body), hash };
}

/** A sealed answer, piece by piece. */
export interface Wire {
  readonly nonce: Uint8Array;
  readonly chunks: readonly Uint8Array[];
  readonly final: Uint8Array;
  readonly clear: Uint8Array;
}

export function join(wire: Wire): Uint8Array {
  return concat(wire.nonce, ...wire.chunks, wire.final, wire.clear);
}

/** The guest's answer to a request: the head and each part in chunks of their own. */
export async function answer(pair: Pair, asked: Asked, parts: readonly Uint8Array[] = [utf8('Hello'), utf8(', world')]): Promise<Wire> {
  const exchange = await pair.opener.open(asked.request, asked.hash);
  const start = await exchange.start(RESPONSE_HEAD);
  const chunks = [start.subarray(32)];
  for (const part of parts) chunks.push(...split(await exchange.data(part)));
  const { bytes } = await exchange.finish(USAGE, RECEIPT_STATUS.complete, NOW_SEC);
  return { nonce: start.subarray(0, 32), chunks, final: bytes.subarray(0, bytes.length - 185), clear: bytes.subarray(-185) };
}

function split(bytes: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + Number(fromBigEndian(bytes.subarray(at, at + 4)));
    chunks.push(bytes.subarray(at, end));
    at = end;
  }
  return chunks;
}

/** What a guest that lies may change in the end of its answer. */
export interface Lie {
  readonly opening?: Partial<Opening>;
  readonly receipt?: Partial<Receipt>;
  readonly signer?: Signer;
}

/** An answer made without GuestExchange, by a holder of the guest's keys who may lie about it. */
export async function lyingAnswer(pair: Pair, asked: Asked, lie: Lie): Promise<Wire> {
  const { enc, counter } = asked.request;
  const session = { enc, secret: await pair.keys.sealing.decapsulate(nodeCrypto, enc, pair.keys.claims) };
  const secret = await RequestSecret.derive(nodeCrypto, session, counter);
  const nonce = new Uint8Array(32).fill(9);
  const key = await secret.responseKey(nonce);
  const head = encodeResponseHead(RESPONSE_HEAD);
  const chunk = await sealChunk(key, 0, head, false);
  const opened = await pair.opener.open(asked.request, asked.hash);
  const requestContent = concat(toBigEndian(headSize(opened.head), 2), utf8(JSON.stringify(opened.head)), opened.body);
  const opening: Opening = {
    salt: await secret.detailsSalt(),
    evidenceDigest: pair.keys.evidenceDigest,
    modelHash: pair.keys.modelHash,
    imageHash: pair.keys.imageHash,
    requestHash: await nodeCrypto.sha256(requestContent),
    responseHash: await nodeCrypto.sha256(head),
    ...lie.opening,
  };
  const receipt: Receipt = {
    authorisationHash: asked.hash,
    sealedHash: fromBigEndian(await nodeCrypto.sha256(concat(nonce, chunk))),
    details: fromBigEndian(await detailsOf(nodeCrypto, opening)),
    usage: USAGE,
    status: RECEIPT_STATUS.complete,
    at: NOW_SEC,
    ...lie.receipt,
  };
  const signature = await (lie.signer ?? pair.keys.receipt).sign(toBigEndian(statementHash(packReceipt(receipt)), 32));
  const clear = concat(encodeReceipt(receipt), signature);
  return { nonce, chunks: [chunk], final: await sealChunk(key, 1, concat(clear, encodeOpening(opening)), true), clear };
}

function headSize(head: RequestHead): number {
  return utf8(JSON.stringify(head)).length;
}

/** A chunk as the format says, for contents that the guest would not seal. */
export async function sealChunk(key: AeadKey, index: number, content: Uint8Array, isFinal: boolean): Promise<Uint8Array> {
  const aad = isFinal ? utf8('final') : new Uint8Array(0);
  const ciphertext = await nodeCrypto.sealAesGcm(key.key, chunkNonce(key.nonce, index), padChunk(content), aad);
  return concat(toBigEndian(ciphertext.length + (isFinal ? 2 ** 31 : 0), 4), ciphertext);
}

/** Everything that an answer opened to. */
export interface Opened {
  readonly head: ResponseHead | null;
  readonly body: Uint8Array;
  readonly receipt: OpenedReceipt | null;
}

export async function* pieces(...parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

/** Opens an answer to its end. @throws what the client throws */
export async function openAll(exchange: ClientExchange, source: AsyncIterable<Uint8Array>): Promise<Opened> {
  let head: ResponseHead | null = null;
  let receipt: OpenedReceipt | null = null;
  const data: Uint8Array[] = [];
  for await (const part of exchange.openResponse(source)) take(part);
  return { head, body: concat(...data), receipt };

  function take(part: OpenedPart): void {
    if (part.type === 'head') head = part.head;
    else if (part.type === 'data') data.push(part.data);
    else receipt = part.receipt;
  }
}

/** A copy with one byte changed; negative indices count from the end. */
export function flip(bytes: Uint8Array, at: number, mask = 1): Uint8Array {
  const changed = new Uint8Array(bytes);
  const index = at < 0 ? bytes.length + at : at;
  changed[index] = (changed[index] ?? 0) ^ mask;
  return changed;
}

/** The receipt in clear of an answer. */
export function clearReceipt(wire: Wire): Receipt {
  return decodeReceipt(wire.clear.subarray(0, 121));
}
