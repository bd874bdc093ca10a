/** One sealed answer on its way in, to its receipt, whether or not the caller still wants it. */
import { cost, type Usage } from '../../wrappers/statements';
import type { Report } from '../attestation/report';
import { CocoonError } from '../core/errors';
import { hashText } from '../protocol/fields';
import type { OpenedPart, OpenedReceipt } from '../sealing/client-session';
import type { ResponseHead } from '../sealing/content';
import type { Channel, PlacedOrder } from './channel';
import { ClientError } from './errors';
import type { TrustedGuest } from './guest-verifier';
import type { ProxyApi } from './proxy-api';

/** What one answer was: who gave it, what it cost, and what shows it. */
export interface AnswerReport {
  readonly model: string;
  /** Evidence digest of the guest, lower-case hex. */
  readonly worker: string;
  /** Raw address of who is paid. */
  readonly owner: string;
  readonly number: bigint;
  /** What was authorised, and our signature over it. */
  readonly placed: PlacedOrder;
  readonly authorisationHash: string;
  readonly receipt: OpenedReceipt;
  readonly costNano: bigint;
  readonly usage: Usage;
  /** The evidence hangs on a development root: say SIMULATED. */
  readonly simulated: boolean;
  /** False: say MODEL NOT PROVEN. */
  readonly modelProven: boolean;
  readonly evidence: Report;
}

export interface AnswerParts {
  readonly placed: PlacedOrder;
  readonly guest: TrustedGuest;
  readonly parts: AsyncGenerator<OpenedPart>;
  readonly channel: Channel;
  readonly proxy: ProxyApi;
  /** Cuts the call, when all else is in vain. */
  readonly cut: AbortController;
  /** How long a stopped answer may take to its receipt. */
  readonly stopWaitMs: number;
  onEnd(report: AnswerReport | null): void;
}

/**
 * Take the head, then data until null. Everything thrown is a ClientError; afterwards the answer is over. A caller that leaves early
 * calls abandon(): the guest is told to stop, and the rest is read for its receipt.
 */
export class Answer {
  private isOver = false;
  private turn: Promise<unknown> = Promise.resolve();
  private ended: AnswerReport | null = null;
  private leaving: Promise<void> | null = null;

  constructor(private readonly parts: AnswerParts) {}

  get guest(): TrustedGuest {
    return this.parts.guest;
  }

  get authorisationHash(): string {
    return hashText(this.parts.placed.authorisationHash);
  }

  /** What the answer was; null until next() has given null. */
  get report(): AnswerReport | null {
    return this.ended;
  }

  /** @throws ClientError answer_broken */
  async head(): Promise<ResponseHead> {
    const part = await this.take();
    if (part?.type === 'head') return part.head;
    throw await this.broken(new Error('the answer does not begin with a head'));
  }

  /** The next bytes; null when the receipt is in, verified and kept. @throws ClientError answer_broken */
  async next(): Promise<Uint8Array | null> {
    for (;;) {
      const part = await this.take();
      if (part === null) return null;
      if (part.type === 'data') return part.data;
    }
  }

  /** Nobody wants the rest: stops the guest and reads on to the receipt, in the background. Resolves when that is over; never rejects. */
  abandon(): Promise<void> {
    this.leaving ??= this.leave();
    return this.leaving;
  }

  private async leave(): Promise<void> {
    if (this.isOver) return;
    const { proxy, cut, stopWaitMs } = this.parts;
    const timer = setTimeout(() => cut.abort(), stopWaitMs);
    proxy.stop(this.authorisationHash).catch(() => undefined);
    try {
      while ((await this.take()) !== null);
    } catch {
      // The channel knows that the answer was lost; nobody waits for it here.
    } finally {
      clearTimeout(timer);
    }
  }

  /** One part after the other, also when the caller and abandon() ask at once. */
  private take(): Promise<OpenedPart | null> {
    const turn = this.turn.then(() => this.takeNow());
    this.turn = turn.catch(() => undefined);
    return turn;
  }

  private async takeNow(): Promise<OpenedPart | null> {
    if (this.isOver) return null;
    let next: IteratorResult<OpenedPart>;
    try {
      next = await this.parts.parts.next();
    } catch (error) {
      throw await this.broken(error);
    }
    if (next.done) throw await this.broken(new Error('the answer ended without a receipt'));
    if (next.value.type === 'receipt') {
      await this.finish(next.value.receipt);
      return null;
    }
    return next.value;
  }

  private async finish(receipt: OpenedReceipt): Promise<void> {
    const { placed, guest, channel, onEnd } = this.parts;
    await channel.receive(placed.number, { receipt: receipt.receipt, signature: receipt.signature });
    this.isOver = true;
    this.ended = {
      model: guest.claims.model.name,
      worker: guest.digest,
      owner: guest.claims.owner,
      number: placed.number,
      placed,
      authorisationHash: this.authorisationHash,
      receipt,
      costNano: cost(receipt.receipt.usage, placed.authorisation.prices, placed.authorisation.maxAmount),
      usage: receipt.receipt.usage,
      simulated: guest.report.simulated,
      modelProven: guest.report.modelProven,
      evidence: guest.report,
    };
    onEnd(this.ended);
  }

  private async broken(cause: unknown): Promise<ClientError> {
    if (!this.isOver) {
      this.isOver = true;
      const { placed, channel, cut, onEnd } = this.parts;
      channel.lost(placed.number);
      cut.abort();
      onEnd(null);
    }
    if (cause instanceof ClientError) return cause;
    const reason = cause instanceof CocoonError ? cause.code : 'unknown';
    return new ClientError('answer_broken', reason, { reason }, { cause });
  }
}
