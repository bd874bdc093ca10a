/** POST /v1/relay: admits a request, sends it on, passes the answer back, and counts its receipt. */
import type { Logger } from 'pino';
import { type Prices, packAuthorisation, packOrder, statementHash } from '../../wrappers/statements';
import { BillingError } from '../billing/credit';
import { fromHex, toBigEndian } from '../core/bytes';
import type { Clock } from '../core/clock';
import type { CryptoProvider } from '../core/crypto';
import { codeOf } from '../core/errors';
import { LedgerError } from '../ledger/ledger';
import { type ErrorCode, errorAnswer, WORKER_HEADER } from '../protocol/calls';
import { bytesValue, hashValue } from '../protocol/fields';
import { CallError, readJson } from '../protocol/json';
import { type ClientRequest, decodeClientRequest, SEALED_MEDIA_TYPE, type SignedVoucher } from '../sealing/relay-body';
import { ResponseInspector } from '../sealing/response-inspector';
import { ByteQueue } from '../transport/byte-queue';
import { type Answer, type IncomingCall, readAll, TransportError } from '../transport/exchange';
import type { Channel, Channels } from './channels';
import { MAX_ON_RECORD, MAX_VALID_SEC, type ProxyConfig } from './config';
import type { RequestRecord } from './request-record';
import { authorisationHashOf, type RequestBook } from './requests';
import type { WorkerPool } from './worker-pool';
import type { SentRequest, WorkerSession } from './worker-session';

export interface RelayParts {
  readonly config: ProxyConfig;
  readonly channels: Channels;
  readonly requests: RequestBook;
  readonly workers: WorkerPool;
  readonly clock: Clock;
  readonly crypto: CryptoProvider;
  readonly log: Logger;
  /** Ends the process: the record cannot be written. */
  fail(error: unknown): void;
}

const MAX_ERROR_BODY = 16_384;
/** Answer bytes that wait for a slow caller before the worker is slowed down, too. */
const QUEUE_SIZE = 256 * 1024;

export async function relay(parts: RelayParts, call: IncomingCall): Promise<Answer> {
  const digest = call.headers[WORKER_HEADER] ?? '';
  const { request, guestBytes } = decodeClientRequest(call.body);
  const session = parts.workers.find(digest);
  const contract = session?.contract ?? null;
  if (session === null || contract === null) throw new CallError('worker_gone', 'no worker with this evidence is connected', {}, true);
  const workerPrices = checkOffer(parts, session, digest, request);
  const channel = await parts.channels.find(request.order.channel);
  await checkSignature(parts, channel, request);
  if (request.voucher !== null) await takeVoucher(parts, channel, request.voucher);

  const { authorisation } = request.guest;
  const record: RequestRecord = {
    order: request.order,
    authorisation,
    authorisationHash: authorisationHashOf(authorisation),
    signature: request.signature,
    workerContract: contract.address.toRawString(),
    workerPrices,
    evidence: digest,
    receipt: null,
    isDelivered: false,
    isVoid: false,
    isSettling: false,
    at: parts.clock.nowSec(),
  };
  await admitRequest(parts, channel, record);
  return sendOn(parts, session, record, guestBytes, call.signal);
}

/**
 * Everything about a request that needs neither record nor chain.
 * @returns the worker's own prices behind the offer
 * @throws CallError authorisation_refused, worker_gone
 */
function checkOffer(parts: RelayParts, session: WorkerSession, digest: string, request: ClientRequest): Prices {
  const { authorisation } = request.guest;
  const refusal = (check: string, message: string) => new CallError('authorisation_refused', message, { check });
  const guest = session.guest(digest);
  if (guest === null) throw new CallError('worker_gone', 'no worker with this evidence is connected', {}, true);
  if (authorisation.orderHash !== statementHash(packOrder(request.order))) throw refusal('order', 'the authorisation is for another order');
  if (authorisation.receiptKey !== bytesValue(fromHex(guest.info.keys.receipt, 32))) {
    throw refusal('receipt-key', "the receipt key is not that of the worker's evidence");
  }
  const now = parts.clock.nowSec();
  if (authorisation.validUntil < now) throw refusal('validity', 'the authorisation has expired');
  if (authorisation.validUntil > now + MAX_VALID_SEC) {
    throw refusal('validity', `the authorisation is valid for more than ${MAX_VALID_SEC} s`);
  }
  const workerPrices = session.workerPricesFor(authorisation.prices);
  if (workerPrices === null) throw refusal('prices', 'the prices are not those of an offer that holds');
  return workerPrices;
}

/** @throws CallError authorisation_refused */
async function checkSignature(parts: RelayParts, channel: Channel, request: ClientRequest): Promise<void> {
  const message = toBigEndian(statementHash(packAuthorisation(request.guest.authorisation)), 32);
  if (!(await parts.crypto.verifyEd25519(channel.view.sessionKey, message, request.signature))) {
    throw new CallError('authorisation_refused', "the authorisation is not signed by the channel's session key", { check: 'signature' });
  }
}

/** @throws CallError voucher_refused */
export async function takeVoucher(parts: Pick<RelayParts, 'requests'>, channel: Channel, voucher: SignedVoucher): Promise<void> {
  try {
    await parts.requests.acceptVoucher(channel, voucher);
  } catch (error) {
    if (error instanceof BillingError) throw new CallError('voucher_refused', error.message, { check: error.code });
    throw error;
  }
}

/** A refusal for want of deposit rests on the newest state of the chain, never on the last look. @throws CallError */
async function admitRequest(parts: RelayParts, channel: Channel, record: RequestRecord): Promise<void> {
  const { creditWindowNano, workerCreditNano } = parts.config;
  const limits = { creditWindow: creditWindowNano, workerCredit: workerCreditNano, maxOnRecord: MAX_ON_RECORD };
  let begun = await parts.requests.begin(channel, record, limits);
  if (!begun.admitted && begun.reason === 'deposit_exhausted') {
    await parts.channels.refresh(channel);
    begun = await parts.requests.begin(channel, record, limits);
  }
  if (begun.admitted) return;
  switch (begun.reason) {
    case 'already_used':
      throw new CallError('already_used', 'the number or the authorisation is already used');
    case 'worker_exhausted':
      throw new CallError('not_ready', 'as much runs at this worker as it may', { check: 'worker-credit' }, true);
    case 'channel_full':
      throw new CallError('credit_exhausted', 'too many requests are unsigned or uncharged: send a voucher', { missingNano: '0' }, true);
    case 'deposit_exhausted':
      throw new CallError('deposit_exhausted', 'the deposit does not cover this request', { missingNano: begun.missing.toString() });
    case 'credit_exhausted':
      throw new CallError('credit_exhausted', 'too much is unsigned: send a voucher', { missingNano: begun.missing.toString() }, true);
  }
}

async function sendOn(
  parts: RelayParts,
  session: WorkerSession,
  record: RequestRecord,
  guestBytes: Uint8Array,
  callerGone: AbortSignal,
): Promise<Answer> {
  const startedMs = performance.now();
  if (!session.connection.isOpen) {
    await parts.requests.withdraw(record);
    throw new CallError('worker_gone', 'the worker was lost', {}, true);
  }
  let sent: SentRequest;
  try {
    sent = await session.relay(guestBytes);
  } catch (error) {
    // It may have run: the number stays used and the amount reserved until the worker shows its receipt or the time is over.
    session.stats.failed();
    if (error instanceof TransportError) throw new CallError('worker_gone', 'the worker was lost', {}, true);
    throw error;
  }
  if (sent.answer.status !== 200) throw await refused(parts, session, record, sent);

  const queue = new ByteQueue(QUEUE_SIZE);
  const stop = () => {
    queue.abandon();
    session.stop(record.authorisationHash).catch((error) => parts.log.info({ code: codeOf(error) }, 'stop not delivered'));
  };
  callerGone.addEventListener('abort', stop, { once: true });
  if (callerGone.aborted) stop();
  // The answer is read to its receipt whether or not the caller is still there.
  passOn(parts, session, sent.answer, hashValue(record.authorisationHash), queue, startedMs)
    .catch((error) => parts.fail(error))
    .finally(() => {
      callerGone.removeEventListener('abort', stop);
      sent.done();
    });
  return { status: 200, headers: { 'content-type': SEALED_MEDIA_TYPE }, body: queue };
}

/** @throws LedgerError */
async function passOn(
  parts: RelayParts,
  session: WorkerSession,
  answer: Answer,
  hash: bigint,
  queue: ByteQueue,
  startedMs: number,
): Promise<void> {
  const inspector = new ResponseInspector(parts.crypto);
  let firstByteMs: number | null = null;
  try {
    for await (const bytes of answer.body) {
      firstByteMs ??= performance.now() - startedMs;
      await inspector.push(bytes);
      // On record before the caller can know that the answer is complete.
      if (inspector.hasReceipt) await session.count(inspector.receipt(hash), true);
      await queue.push(bytes);
    }
    const { receipt } = inspector.receipt(hash);
    queue.end();
    session.stats.succeeded(firstByteMs ?? 0, performance.now() - startedMs, receipt.usage.answer + receipt.usage.reasoning);
  } catch (error) {
    queue.fail(new TransportError('cut', 'the worker was lost'));
    if (error instanceof LedgerError) throw error;
    session.stats.failed();
    parts.log.warn({ code: codeOf(error) }, 'answer broke off');
    return;
  }
  await session.sendVoucher();
}

/** Refusals by which a worker or its guest says that nothing has run. */
const BEFORE_RUN: ReadonlySet<string> = new Set<ErrorCode>([
  'already_used',
  'authorisation_refused',
  'bad_request',
  'body_too_large',
  'key_expired',
  'not_ready',
  'too_many_requests',
]);

/** Settles what a refusal means for the record, and puts it in our words by its code: the worker's text is not passed on. */
async function refused(parts: RelayParts, session: WorkerSession, record: RequestRecord, sent: SentRequest): Promise<CallError> {
  let code = '';
  try {
    code = readJson(errorAnswer, await readAll(sent.answer.body, MAX_ERROR_BODY)).error.code;
  } catch {
    // Not our shape: the status is all there is.
  } finally {
    sent.done();
  }
  // Anything else may have run: the number stays used, as it does when the worker is lost.
  if (BEFORE_RUN.has(code)) await parts.requests.withdraw(record);
  else session.stats.failed();
  switch (code) {
    case 'key_expired':
      return new CallError('key_expired', 'the keys of this evidence have been replaced', {}, true);
    case 'already_used':
      return new CallError('already_used', 'the authorisation is already used');
    case 'not_ready':
    case 'too_many_requests':
      return new CallError('not_ready', 'the worker takes no more requests now', {}, true);
    case 'authorisation_refused':
    case 'bad_request':
      return new CallError('authorisation_refused', 'the guest refused the authorisation', { check: 'guest' });
    default:
      return new CallError('worker_failed', 'the worker failed', { status: String(sent.answer.status) }, true);
  }
}
