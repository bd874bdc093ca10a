/** What each call carries. Client <-> proxy, proxy -> worker, worker -> guest; see docs/protocol.md. */
import { z } from 'zod';
import { address, counter, hash, nano, prices, rawAddress, signature, timeSec } from './fields';
import { authorisation, order, signedChallenge, signedReceipt, signedRequest, signedVoucher, signedWorkerVoucher } from './statements-json';

/** Names in paths and headers. */
export const WORKER_HEADER = 'cocoon-worker';

export const modelKind = z.enum(['files', 'verity', 'unproven']);
export const modelInfo = z.strictObject({
  name: z.string().min(1).max(256),
  kind: modelKind,
  hash,
  contextLength: z.int().min(1),
  capabilities: z.array(z.string().max(32)).max(32),
});

/** The keys of a guest's evidence, as an offer and a guest's status repeat them; evidence proves them. */
export const keySetInfo = z.strictObject({
  evidence: hash,
  sealing: z
    .array(z.strictObject({ suite: z.literal('x25519-hkdf-sha256-aes-128-gcm'), publicKey: hash }))
    .min(1)
    .max(4),
  receipt: hash,
  notAfter: timeSec,
});

// Guest, called by its worker over the machine's local socket

/** GET /v1/guest */
export const guestStatus = z.strictObject({
  /** Made anew at each start: receipts are numbered within it. */
  boot: hash,
  state: z.enum(['booting', 'loading', 'ready', 'draining', 'failed']),
  reason: z.string().max(500).nullable(),
  /** 0 to 1 while loading. */
  progress: z.number().min(0).max(1),
  simulated: z.boolean(),
  image: z.string(),
  engine: z.strictObject({ name: z.string(), version: z.string() }).nullable(),
  model: modelInfo.nullable(),
  keys: keySetInfo.nullable(),
  running: z.int().min(0),
});

/** POST /v1/block: a recent masterchain block and the host's time, the only outside facts that a guest is told. */
export const hostBlock = z.strictObject({ seqno: z.int().min(0), rootHash: hash, atSec: timeSec });

/** POST /v1/challenge, at the worker and at the guest: answered with the receipt key of this evidence, as long as it accepts requests. */
export const challengeCall = z.strictObject({ proxy: address, nonce: hash, evidence: hash });
export const challengeAnswer = signedChallenge;

/** GET /v1/receipts?after=N, at the guest: what it signed in this boot behind number N; earlier ones are forgotten. */
export const guestReceipts = z.strictObject({
  boot: hash,
  receipts: z.array(z.strictObject({ sequence: z.int().min(1), authorisation, receipt: signedReceipt })),
});

// Worker, called by a proxy over the connection that the worker dialled

/** GET /v1/worker */
export const workerInfo = z.strictObject({
  owner: rawAddress,
  prices,
  capacity: z.int().min(0),
  guest: z
    .strictObject({
      model: modelInfo,
      keys: keySetInfo,
      engine: z.strictObject({ name: z.string(), version: z.string() }),
      image: z.string(),
    })
    .nullable(),
  version: z.string(),
});

/** GET /v1/receipts?after=N, at the worker: its receipts for this proxy behind number N; those up to N are acknowledged by asking. */
export const workerReceipts = z.strictObject({
  receipts: z.array(z.strictObject({ sequence: counter, receipt: signedReceipt })).max(1000),
});

/** POST /v1/vouchers, at the worker: the proxy's newest voucher; answered by the newest that the worker holds. */
export const workerVoucherCall = signedWorkerVoucher;
export const workerVoucherAnswer = z.strictObject({ newest: signedWorkerVoucher.nullable() });

// Proxy, called by clients

/** GET /v1/proxy */
export const proxyInfo = z.strictObject({
  contract: rawAddress,
  root: rawAddress,
  operator: rawAddress,
  payerKey: hash,
  feeBasisPoints: z.int().min(0).max(9999),
  withdrawDelaySec: z.int().min(0),
  creditWindow: nano,
  limits: z.strictObject({ maxBodySize: z.int(), maxValidSec: z.int(), maxOpen: z.int() }),
  simulated: z.boolean(),
  version: z.string(),
});

/** One offer: a verified guest behind this proxy. */
export const offer = z.strictObject({
  owner: rawAddress,
  keys: keySetInfo,
  model: modelInfo,
  prices,
  load: z.strictObject({ running: z.int().min(0), capacity: z.int().min(0) }),
  /** What the proxy has seen; null before there is anything. */
  firstTokenMs: z.number().min(0).nullable(),
  tokensPerSec: z.number().min(0).nullable(),
  successRate: z.number().min(0).max(1).nullable(),
  gpu: z.string().max(64).nullable(),
});

/** GET /v1/offers?model= */
export const offers = z.strictObject({ expiresAt: timeSec, offers: z.array(offer).max(256) });

/** POST /v1/vouchers, and the answer of calls about a channel. */
export const voucherCall = z.strictObject({ voucher: signedVoucher });
export const channelStanding = z.strictObject({
  channel: rawAddress,
  voucherTotal: nano,
  upTo: counter,
  outstanding: nano,
  reserved: nano,
});

/** GET /v1/channels/{address}, asked with a request statement in the `cocoon-request` header. */
export const REQUEST_HEADER = 'cocoon-request';
export const channelCall = signedRequest;
export const channelState = z.strictObject({
  standing: channelStanding,
  voucher: signedVoucher.nullable(),
  /**
   * The first receipts that the voucher does not cover, by rising number, each with what the client itself has signed for it: a client
   * that has forgotten a number recognises its own order and authorisation.
   */
  receipts: z.array(z.strictObject({ order, authorisation, authorisationSignature: signature, receipt: signedReceipt })).max(1024),
  inFlight: z.array(counter).max(1024),
});

// Errors

/** The codes of unsealed failures. They are hints: a client shows its own text for the code, never the sender's. */
export const ERROR_STATUS = {
  bad_request: 400,
  credit_exhausted: 402,
  deposit_exhausted: 402,
  no_channel: 402,
  evidence_refused: 403,
  authorisation_refused: 403,
  voucher_refused: 403,
  no_such_model: 404,
  not_found: 404,
  already_used: 409,
  key_expired: 410,
  body_too_large: 413,
  too_many_requests: 429,
  internal: 500,
  worker_failed: 502,
  worker_gone: 503,
  not_ready: 503,
  timeout: 504,
} as const;
export type ErrorCode = keyof typeof ERROR_STATUS;

export const errorAnswer = z.strictObject({
  error: z.strictObject({
    code: z.string().max(64),
    message: z.string().max(500),
    retryable: z.boolean(),
    /** The check that refused, what is missing: safe values only. */
    details: z.record(z.string().max(64), z.string().max(500)).optional(),
  }),
});

export type GuestStatus = z.output<typeof guestStatus>;
export type HostBlock = z.output<typeof hostBlock>;
export type ModelInfo = z.output<typeof modelInfo>;
export type KeySetInfo = z.output<typeof keySetInfo>;
export type WorkerInfo = z.output<typeof workerInfo>;
export type ProxyInfo = z.output<typeof proxyInfo>;
export type Offer = z.output<typeof offer>;
export type Offers = z.output<typeof offers>;
export type ChannelState = z.output<typeof channelState>;
export type ChannelStanding = z.output<typeof channelStanding>;
