/** The body of POST /v1/relay: what the proxy takes off, and what worker and guest see. */
import {
  type Authorisation,
  decodeAuthorisation,
  decodeOrder,
  decodeVoucher,
  encodeAuthorisation,
  encodeOrder,
  encodeVoucher,
  MAX_OPEN,
  type Order,
  SIGNATURE_SIZE,
  STATEMENT_SIZE,
  type Voucher,
} from '../../wrappers/statements';
import { ByteReader, concat, toBigEndian } from '../core/bytes';
import { SealingError } from './errors';
import { COUNTER_SIZE, ENC_SIZE, SUITE_X25519 } from './keys';
import { MAX_REQUEST_SIZE } from './padding';

/** Most bytes of one relay body: the largest padded request and what goes around it. */
export const MAX_RELAY_BODY = MAX_REQUEST_SIZE + 65_536;
/** Media type of sealed bodies, both ways. */
export const SEALED_MEDIA_TYPE = 'application/cocoon-sealed';

/** A voucher with its signature and the numbers behind its `open` hash, which says nothing of their order. */
export interface SignedVoucher {
  readonly voucher: Voucher;
  readonly signature: Uint8Array;
  readonly openNumbers: readonly bigint[];
}

/** What worker and guest see: they cannot tell the channel. */
export interface GuestRequest {
  readonly authorisation: Authorisation;
  readonly enc: Uint8Array;
  readonly counter: bigint;
  readonly ciphertext: Uint8Array;
}

/** What the client sends to the proxy. */
export interface ClientRequest {
  readonly voucher: SignedVoucher | null;
  readonly order: Order;
  /** The session key's, over the authorisation's hash. */
  readonly signature: Uint8Array;
  readonly guest: GuestRequest;
}

/** voucher(84) signature(64) number(8)* */
export function encodeSignedVoucher(signed: SignedVoucher): Uint8Array {
  return concat(encodeVoucher(signed.voucher), signed.signature, ...signed.openNumbers.map((number) => toBigEndian(number, 8)));
}

/** @throws MalformedError, StatementError; SealingError oversize */
export function decodeSignedVoucher(bytes: Uint8Array): SignedVoucher {
  const reader = new ByteReader(bytes, 'voucher');
  const voucher = decodeVoucher(reader.take(STATEMENT_SIZE.voucher));
  const signature = reader.take(SIGNATURE_SIZE);
  const count = (bytes.length - STATEMENT_SIZE.voucher - SIGNATURE_SIZE) / 8;
  if (!Number.isInteger(count)) throw new SealingError('truncated', 'open numbers are cut');
  if (count > MAX_OPEN) throw new SealingError('oversize', `${count} open numbers, limit ${MAX_OPEN}`);
  const openNumbers = Array.from({ length: count }, () => reader.bigUint(8));
  return { voucher, signature, openNumbers };
}

/** authorisation(136) suite(1) enc(32) counter(8) ciphertext */
export function encodeGuestRequest(request: GuestRequest): Uint8Array {
  return concat(
    encodeAuthorisation(request.authorisation),
    Uint8Array.of(SUITE_X25519),
    request.enc,
    toBigEndian(request.counter, COUNTER_SIZE),
    request.ciphertext,
  );
}

/** @throws MalformedError, StatementError; SealingError bad_suite */
export function decodeGuestRequest(bytes: Uint8Array): GuestRequest {
  const reader = new ByteReader(bytes, 'sealed request');
  const authorisation = decodeAuthorisation(reader.take(STATEMENT_SIZE.authorisation));
  const suite = reader.uint(1);
  if (suite !== SUITE_X25519) throw new SealingError('bad_suite', `sealing suite ${suite} is unknown`);
  return { authorisation, enc: reader.take(ENC_SIZE), counter: reader.bigUint(COUNTER_SIZE), ciphertext: reader.rest() };
}

/** voucherLength(2) voucher order(76) signature(64) and the guest's request */
export function encodeClientRequest(request: ClientRequest): Uint8Array {
  const voucher = request.voucher === null ? new Uint8Array(0) : encodeSignedVoucher(request.voucher);
  return concat(toBigEndian(voucher.length, 2), voucher, encodeOrder(request.order), request.signature, encodeGuestRequest(request.guest));
}

/** Also gives the bytes that go on to the worker. @throws MalformedError, StatementError, SealingError */
export function decodeClientRequest(bytes: Uint8Array): { readonly request: ClientRequest; readonly guestBytes: Uint8Array } {
  const reader = new ByteReader(bytes, 'relay body');
  const voucherBytes = reader.take(reader.uint(2));
  const voucher = voucherBytes.length === 0 ? null : decodeSignedVoucher(voucherBytes);
  const order = decodeOrder(reader.take(STATEMENT_SIZE.order));
  const signature = reader.take(SIGNATURE_SIZE);
  const guestBytes = reader.rest();
  return { request: { voucher, order, signature, guest: decodeGuestRequest(guestBytes) }, guestBytes };
}
