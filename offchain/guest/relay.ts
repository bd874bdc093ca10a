/** Sealed requests in, sealed answers out, a receipt for each. */
import { type Authorisation, packAuthorisation, RECEIPT_STATUS, StatementError, statementHash } from '../../wrappers/statements';
import { toBigEndian } from '../core/bytes';
import type { Clock } from '../core/clock';
import { codeOf, MalformedError } from '../core/errors';
import { NO_USAGE } from '../openai/usage';
import { hashText } from '../protocol/fields';
import { CallError } from '../protocol/json';
import type { Logger } from '../runtime/log';
import { SealingError } from '../sealing/errors';
import type { GuestExchange } from '../sealing/guest-exchange';
import { decodeGuestRequest, type GuestRequest, SEALED_MEDIA_TYPE } from '../sealing/relay-body';
import { ByteQueue } from '../transport/byte-queue';
import type { Answer } from '../transport/exchange';
import { type AnswerSink, type Outcome, runCompletion, type ServedModel } from './completion';
import type { Engine } from './engine/engine';
import type { KeyRing } from './key-ring';
import type { KeySet } from './key-set';
import type { GuestMetrics } from './metrics';
import type { ReceiptLog } from './receipt-log';

/** How far ahead an authorisation may start, in seconds, and how much two honest clocks may differ. */
const MAX_VALID_SEC = 600;
const CLOCK_SKEW_SEC = 60;
/** Most bytes of an answer that wait for a slow reader before its run has to. */
const MAX_WAITING_SIZE = 256 * 1024;

export interface RelayParts {
  readonly engine: Engine;
  readonly keys: KeyRing;
  readonly receipts: ReceiptLog;
  /** Must never go back. */
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: GuestMetrics;
  /** The model that is served now. @throws CallError not_ready */
  serving(): ServedModel;
}

export interface RelayLimits {
  readonly maxRunning: number;
  readonly maxReceipts: number;
}

interface RunningRequest {
  readonly stopper: AbortController;
  readonly ended: Promise<void>;
}

export class Relay {
  private readonly runs = new Map<bigint, RunningRequest>();

  constructor(
    private readonly parts: RelayParts,
    private readonly limits: RelayLimits,
  ) {}

  /** Requests that run. */
  get running(): number {
    return this.runs.size;
  }

  /**
   * Runs one sealed request. What is refused before it is opened is thrown; from there on every outcome is a sealed answer with a receipt.
   * `gone` is aborted when the caller's connection is lost.
   *
   * @throws CallError bad_request, not_ready, key_expired, authorisation_refused, already_used
   */
  async accept(body: Uint8Array, gone: AbortSignal): Promise<Answer> {
    try {
      return await this.admit(decode(body), gone);
    } catch (error) {
      if (error instanceof CallError) this.parts.metrics.refused(error.code);
      throw error;
    }
  }

  /** Has a request end with what it has. Nothing happens when it does not run. */
  stop(authorisationHash: bigint): void {
    this.runs.get(authorisationHash)?.stopper.abort();
  }

  /** Has every request end with what it has, and waits for the receipts. */
  async stopAll(): Promise<void> {
    const runs = [...this.runs.values()];
    for (const run of runs) run.stopper.abort();
    await Promise.allSettled(runs.map((run) => run.ended));
  }

  private async admit(request: GuestRequest, gone: AbortSignal): Promise<Answer> {
    const { authorisation } = request;
    const model = this.parts.serving();
    const keys = this.parts.keys.accepting(toBigEndian(authorisation.receiptKey, 32));
    if (keys === null) throw new CallError('key_expired', 'the receipt key is not, or no longer, that of this guest', {}, true);
    this.checkTime(authorisation.validUntil);
    this.checkRoom();
    const hash = statementHash(packAuthorisation(authorisation));
    this.checkNew(keys, hash, authorisation.validUntil);

    const stopper = new AbortController();
    const answer = new ByteQueue(MAX_WAITING_SIZE);
    const opening = open(keys, request, hash);
    const ended = opening
      .then((exchange) => this.run(exchange, { authorisation, model, signal: stopper.signal }, answer))
      .finally(() => this.runs.delete(hash));
    // The place is taken before anything is awaited, so that the limit holds.
    this.runs.set(hash, { stopper, ended });
    // A request that does not open is refused below; a run never rejects.
    ended.catch(() => {});
    await opening;
    const leave = () => {
      stopper.abort();
      answer.abandon();
    };
    gone.addEventListener('abort', leave, { once: true });
    if (gone.aborted) leave();
    return { status: 200, headers: { 'content-type': SEALED_MEDIA_TYPE }, body: answer };
  }

  private checkTime(validUntil: number): void {
    const nowSec = this.parts.clock.nowSec();
    const latest = nowSec + MAX_VALID_SEC + CLOCK_SKEW_SEC;
    const refuse = (message: string) => new CallError('authorisation_refused', message, { check: 'valid-until' });
    if (validUntil < nowSec) throw refuse(`valid until ${validUntil}, now ${nowSec}`);
    if (validUntil > latest) throw refuse(`valid until ${validUntil}, limit ${latest}`);
  }

  private checkRoom(): void {
    const { maxRunning, maxReceipts } = this.limits;
    if (this.running >= maxRunning) throw new CallError('not_ready', `${this.running} requests run, limit ${maxRunning}`, {}, true);
    // A receipt that cannot be kept is a run that is not paid.
    const receipts = this.parts.receipts.size + this.running;
    if (receipts >= maxReceipts) throw new CallError('not_ready', `${receipts} receipts wait, limit ${maxReceipts}`, {}, true);
  }

  private checkNew(keys: KeySet, hash: bigint, validUntil: number): void {
    switch (keys.replay.remember(hash, validUntil)) {
      case 'new':
        return;
      case 'known':
        throw new CallError('already_used', 'this authorisation has been used');
      case 'full':
        throw new CallError('not_ready', `${keys.replay.size} authorisations are remembered, which is the limit`, {}, true);
    }
  }

  /** Comes to a receipt whatever happens, also when nobody reads the answer any more. */
  private async run(
    exchange: GuestExchange,
    call: { readonly authorisation: Authorisation; readonly model: ServedModel; readonly signal: AbortSignal },
    answer: ByteQueue,
  ): Promise<void> {
    const { clock, log, metrics, receipts } = this.parts;
    const { authorisation, signal } = call;
    const authorisationText = hashText(exchange.authorisationHash);
    const seconds = metrics.startAnswer();
    const sink = new SealedSink(exchange, answer);
    try {
      const outcome = await this.outcomeOf({ head: exchange.head, body: exchange.body, authorisation, signal }, call.model, sink);
      const { bytes, receipt, signature } = await exchange.finish(outcome.usage, outcome.status, clock.nowSec());
      receipts.remember(authorisation, { receipt, signature });
      metrics.answered(outcome, seconds());
      log.info({ authorisation: authorisationText, status: outcome.status, ...outcome.usage }, 'request answered');
      await answer.push(bytes);
      answer.end();
    } catch (error) {
      log.error({ authorisation: authorisationText, code: codeOf(error) }, 'answer without a receipt');
      answer.fail(new SealingError('truncated', 'the answer broke off'));
    }
  }

  /** What is thrown at the run is a defect of ours; the caller still has a receipt, over nothing. */
  private async outcomeOf(call: Parameters<typeof runCompletion>[0], model: ServedModel, sink: SealedSink): Promise<Outcome> {
    try {
      return await runCompletion(call, this.parts.engine, model, sink);
    } catch (error) {
      this.parts.log.error({ code: codeOf(error) }, 'request failed unexpectedly');
      if (!sink.hasHead) await sink.head({ status: 500, headers: {} });
      return { usage: NO_USAGE, status: RECEIPT_STATUS.failed };
    }
  }
}

/** Seals what it is given and hands it to the connection. */
class SealedSink implements AnswerSink {
  hasHead = false;

  constructor(
    private readonly exchange: GuestExchange,
    private readonly answer: ByteQueue,
  ) {}

  async head(head: Parameters<AnswerSink['head']>[0]): Promise<void> {
    this.hasHead = true;
    await this.answer.push(await this.exchange.start(head));
  }

  async data(bytes: Uint8Array): Promise<void> {
    await this.answer.push(await this.exchange.data(bytes));
  }
}

/** @throws CallError bad_request */
function decode(body: Uint8Array): GuestRequest {
  try {
    return decodeGuestRequest(body);
  } catch (error) {
    if (!(error instanceof MalformedError) && !(error instanceof SealingError) && !(error instanceof StatementError)) throw error;
    throw new CallError('bad_request', 'the body is not a sealed request', { code: error.code });
  }
}

/** @throws CallError authorisation_refused, whose text names no content */
async function open(keys: KeySet, request: GuestRequest, authorisationHash: bigint): Promise<GuestExchange> {
  try {
    return await keys.opener.open(request, authorisationHash);
  } catch (error) {
    if (!(error instanceof MalformedError) && !(error instanceof SealingError)) throw error;
    throw new CallError('authorisation_refused', 'the request does not open under its authorisation', { check: 'seal' });
  }
}
