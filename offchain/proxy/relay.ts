/** POST /v1/relay: admits a request, sends it on, passes the answer back, and counts its receipt. */
import type { Logger } from 'pino';
import { packAuthorisation, packOrder, statementHash } from '../../wrappers/statements';
import { BillingError } from '../billing/credit';
import { fromHex, toBigEndian } from '../core/bytes';
import type { Clock } from '../core/clock';
import type { CryptoProvider } from '../core/crypto';
import { codeOf, messageOf } from '../core/errors';
import { errorAnswer, WORKER_HEADER } from '../protocol/calls';
import { bytesValue, hashText } from '../protocol/fields';
import { CallError, readJson } from '../protocol/json';
import { type ClientRequest, decodeClientRequest, SEALED_MEDIA_TYPE, type SignedVoucher } from '../sealing/relay-body';
import { ResponseInspector } from '../sealing/response-inspector';
import { ByteQueue } from '../transport/byte-queue';
import { type Answer, type IncomingCall, readAll, TransportError } from '../transport/exchange';
import type { Channel, Channels } from './channels';
import { MAX_VALID_SEC, type ProxyConfig } from './config';
import type { RequestBook, RequestRecord } from './requests';
import type { WorkerPool } from './worker-pool';
import type { WorkerSession } from './worker-session';

export interface RelayParts {
  readonly config: ProxyConfig;
  readonly channels: Channels;
  readonly requests: RequestBook;
  readonly workers: WorkerPool;
  readonly clock: Clock;
  readonly crypto: CryptoProvider;
  readonly log: Logger;
}

const MAX_ERROR_BODY = 16_384;
/** Answer bytes that wait for a slow caller before the worker is slowed down, too. */
const QUEUE_SIZE = 256 * 1024;

export async function relay(parts: RelayParts, call: IncomingCall): Promise<Answer> {
  const digest = call.headers[WORKER_HEADER] ?? '';
  const { request, guestBytes } = decodeClientRequest(call.body);
  const session = parts.workers.find(digest);
  if (session === null) throw new CallError('worker_gone', 'no worker with this evidence is connected', {}, true);
  const channel = await parts.channels.find(request.order.channel);
  await checkRequest(parts, session, digest, channel, request);
  if (request.voucher !== null) await takeVoucher(parts, channel, request.voucher);

  const contract = session.contract;
  const info = session.info;
  if (contract === null || info === null) throw new CallError('worker_gone', 'the worker is gone', {}, true);
  const record: RequestRecord = {
    order: request.order,
    authorisation: request.guest.authorisation,
    signature: request.signature,
    workerContract: contract.address.toRawString(),
    workerPrices: info.prices,
    evidence: digest,
    receipt: null,
    isVoid: false,
    at: parts.clock.nowSec(),
  };
  await admitRequest(parts, channel, record);
  return sendOn(parts, session, record, guestBytes, call.signal);
}

/** Everything about a request that needs no record. @throws CallError */
async function checkRequest(
  parts: RelayParts,
  session: WorkerSession,
  digest: string,
  channel: Channel,
  request: ClientRequest,
): Promise<void> {
  const { authorisation } = request.guest;
  const refuse = (check: string, message: string) => {
    throw new CallError('authorisation_refused', message, { check });
  };
  const guest = session.guest(digest);
  if (guest === null) throw new CallError('worker_gone', 'no worker with this evidence is connected', {}, true);
  if (authorisation.orderHash !== statementHash(packOrder(request.order))) refuse('order', 'the authorisation is for another order');
  if (authorisation.receiptKey !== bytesValue(fromHex(guest.info.keys.receipt, 32))) {
    refuse('receipt-key', "the receipt key is not that of the worker's evidence");
  }
  if (!session.hasOffered(authorisation.prices)) refuse('prices', 'the prices are not those of an offer that holds');
  const now = parts.clock.nowSec();
  if (authorisation.validUntil < now) refuse('validity', 'the authorisation has expired');
  if (authorisation.validUntil > now + MAX_VALID_SEC) refuse('validity', `the authorisation is valid for more than ${MAX_VALID_SEC} s`);
  const message = toBigEndian(statementHash(packAuthorisation(authorisation)), 32);
  if (!(await parts.crypto.verifyEd25519(channel.view.sessionKey, message, request.signature))) {
    refuse('signature', "the authorisation is not signed by the channel's session key");
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
  const window = parts.config.creditWindowNano;
  let admission = await parts.requests.begin(channel, record, window);
  if (!admission.admitted && admission.reason === 'deposit_exhausted') {
    admission = await parts.requests.begin(await parts.channels.refresh(channel), record, window);
  }
  if (admission.admitted) return;
  switch (admission.reason) {
    case 'already_used':
      throw new CallError('already_used', 'the number or the authorisation is already used');
    case 'deposit_exhausted':
      throw new CallError('deposit_exhausted', 'the deposit does not cover this request', { missingNano: admission.missing.toString() });
    case 'credit_exhausted':
      throw new CallError('credit_exhausted', 'too much is unsigned: send a voucher', { missingNano: admission.missing.toString() }, true);
  }
}

async function sendOn(
  parts: RelayParts,
  session: WorkerSession,
  record: RequestRecord,
  guestBytes: Uint8Array,
  callerGone: AbortSignal,
): Promise<Answer> {
  const hash = statementHash(packAuthorisation(record.authorisation));
  const startedMs = performance.now();
  let sent: Awaited<ReturnType<WorkerSession['relay']>>;
  try {
    sent = await session.relay(guestBytes);
  } catch (error) {
    // It may have run: the number stays used and the amount reserved until the worker shows its receipt or the time is over.
    session.stats.failed();
    if (error instanceof TransportError) throw new CallError('worker_gone', 'the worker was lost', {}, true);
    throw error;
  }
  if (sent.answer.status !== 200) {
    sent.done();
    await parts.requests.withdraw(record);
    throw await refusedByWorker(sent.answer);
  }

  const queue = new ByteQueue(QUEUE_SIZE);
  const stop = () => {
    queue.abandon();
    session.stop(hashText(hash)).catch((error) => parts.log.info({ code: codeOf(error) }, 'stop not delivered'));
  };
  callerGone.addEventListener('abort', stop, { once: true });
  if (callerGone.aborted) stop();
  // The answer is read to its receipt whether or not the caller is still there.
  void passOn(parts, session, sent.answer, hash, queue, startedMs).finally(() => {
    callerGone.removeEventListener('abort', stop);
    sent.done();
  });
  return { status: 200, headers: { 'content-type': SEALED_MEDIA_TYPE }, body: queue };
}

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
      if (inspector.hasReceipt) await session.count(inspector.receipt(hash));
      await queue.push(bytes);
    }
    const { receipt } = inspector.receipt(hash);
    queue.end();
    session.stats.succeeded(firstByteMs ?? 0, performance.now() - startedMs, receipt.usage.answer + receipt.usage.reasoning);
  } catch (error) {
    session.stats.failed();
    parts.log.warn({ code: codeOf(error), reason: messageOf(error) }, 'answer broke off');
    queue.fail(new TransportError('cut', 'the worker was lost'));
    return;
  }
  await session.sendVoucher();
}

/** The worker's refusal, in our words by its code: its text is not passed on. */
async function refusedByWorker(answer: Answer): Promise<CallError> {
  let code = '';
  try {
    code = readJson(errorAnswer, await readAll(answer.body, MAX_ERROR_BODY)).error.code;
  } catch {
    // Not our shape: the status is all there is.
  }
  switch (code) {
    case 'key_expired':
      return new CallError('key_expired', 'the keys of this evidence have been replaced', {}, true);
    case 'already_used':
      return new CallError('already_used', 'the authorisation is already used');
    case 'authorisation_refused':
    case 'bad_request':
      return new CallError('authorisation_refused', 'the guest refused the authorisation', { check: 'guest' });
    default:
      return new CallError('worker_failed', 'the worker refused the request', { status: String(answer.status) }, true);
  }
}
