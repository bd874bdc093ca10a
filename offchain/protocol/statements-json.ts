/** Signed statements in JSON: their fixed encodings as base64url, beside the signature. */
import { z } from 'zod';
import {
  type Authorisation,
  type Challenge,
  type ChannelRequest,
  decodeAuthorisation,
  decodeChallenge,
  decodeOrder,
  decodeReceipt,
  decodeRequest,
  decodeWorkerVoucher,
  encodeAuthorisation,
  encodeChallenge,
  encodeOrder,
  encodeReceipt,
  encodeRequest,
  encodeWorkerVoucher,
  type Order,
  type Receipt,
  type WorkerVoucher,
} from '../../wrappers/statements';
import { fromBase64Url, toBase64Url } from '../core/bytes';
import { decodeOpening, encodeOpening, type Opening } from '../sealing/opening';
import { decodeSignedVoucher, encodeSignedVoucher, type SignedVoucher } from '../sealing/relay-body';
import { signature } from './fields';

function statement<T>(decode: (bytes: Uint8Array) => T, encode: (value: T) => Uint8Array) {
  return z.codec(z.string().max(16_384), z.custom<T>(), {
    decode: (text, context) => {
      try {
        return decode(fromBase64Url(text));
      } catch {
        context.issues.push({ code: 'custom', message: 'statement is malformed', input: text });
        return z.NEVER;
      }
    },
    encode: (value) => toBase64Url(encode(value)),
  });
}

export const order = statement<Order>(decodeOrder, encodeOrder);
export const authorisation = statement<Authorisation>(decodeAuthorisation, encodeAuthorisation);
export const receipt = statement<Receipt>(decodeReceipt, encodeReceipt);
export const workerVoucher = statement<WorkerVoucher>(decodeWorkerVoucher, encodeWorkerVoucher);
export const challenge = statement<Challenge>(decodeChallenge, encodeChallenge);
export const channelRequest = statement<ChannelRequest>(decodeRequest, encodeRequest);
export const opening = statement<Opening>(decodeOpening, encodeOpening);
/** A voucher with its signature and open numbers, as in relay bodies. */
export const signedVoucher = statement<SignedVoucher>(decodeSignedVoucher, encodeSignedVoucher);

/** A receipt beside its authorisation: what each side needs to account for it. */
export const signedReceipt = z.strictObject({ receipt, signature });
export const signedWorkerVoucher = z.strictObject({ voucher: workerVoucher, signature });
export const signedChallenge = z.strictObject({ challenge, signature });
export const signedRequest = z.strictObject({ request: channelRequest, signature });

export type SignedReceipt = z.output<typeof signedReceipt>;
export type SignedWorkerVoucher = z.output<typeof signedWorkerVoucher>;
export type SignedChallenge = z.output<typeof signedChallenge>;
export type SignedRequest = z.output<typeof signedRequest>;
