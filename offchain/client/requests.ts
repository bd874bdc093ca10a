/** One request from prompt to sealed answer: choose a guest, verify it, authorise, seal, send; on failure before the answer, the next. */

import type { Clock } from '../core/clock';
import type { CryptoProvider } from '../core/crypto';
import { MalformedError } from '../core/errors';
import { formatTon, minNano } from '../core/money';
import { type CompletionRequest, parseRequest } from '../openai/requests';
import type { Offer } from '../protocol/calls';
import { type ClientExchange, ClientSession, type OpenedPart } from '../sealing/client-session';
import type { ResponseHead } from '../sealing/content';
import { encodeClientRequest, MAX_RELAY_BODY } from '../sealing/relay-body';
import { Answer, type AnswerReport } from './answer';
import type { CarriedVoucher, Channel, PlacedOrder } from './channel';
import { ClientError, EvidenceRefused, ProxyError, type Refusal } from './errors';
import type { GuestVerdict, GuestVerifier, TrustedGuest } from './guest-verifier';
import { rankOffers, requestCost, requestSize } from './offers';
import type { ProxyApi } from './proxy-api';

export interface RequestsOptions {
  readonly proxy: ProxyApi;
  readonly verifier: GuestVerifier;
  readonly channel: Channel;
  readonly crypto: CryptoProvider;
  readonly clock: Clock;
  /** The most that one request may cost, in nanoTON. */
  readonly maxAmountNano: bigint;
  readonly stopWaitMs: number;
  onAnswer(report: AnswerReport): void;
}

export interface PromptRequest {
  readonly path: string;
  readonly body: Uint8Array;
  readonly signal: AbortSignal;
}

/** An answer whose first part is here. */
export interface BegunAnswer {
  readonly head: ResponseHead;
  readonly answer: Answer;
  readonly request: CompletionRequest;
}

/** A guest that passed verification, beside its offer. */
export interface TrustedOffer {
  readonly offer: Offer;
  readonly guest: TrustedGuest;
}

/** What one request has found out so far. */
interface Search {
  readonly tried: Set<string>;
  readonly refusals: Map<string, Refusal>;
  failure: ClientError | null;
  /** Whether the proxy was lost once already. */
  hasReconnected: boolean;
}

/** Failures of one guest, behind which another may do better. */
const PASSING_CODES: ReadonlySet<string> = new Set([
  'key_expired',
  'worker_gone',
  'worker_failed',
  'evidence_refused',
  'not_ready',
  'too_many_requests',
  'not_found',
  'no_such_model',
  'internal',
  'timeout',
  'answer_broken',
]);

/** The verdict on a guest ended while a request waited for its turn: the verifier is asked again, and names the check. */
class GuestWithdrawn extends ClientError {
  constructor() {
    super('evidence_refused');
  }
}

/** Tries in all: enough to get past a few dead guests, and not to pay for the same prompt again and again. */
const MAX_TRIES = 6;

export class Requests {
  private readonly sessions = new Map<string, ClientSession>();
  private readonly background = new Set<Promise<void>>();
  private readonly running = new Set<AbortController>();
  private known: { readonly offers: readonly Offer[]; readonly untilSec: number } | null = null;

  constructor(private readonly options: RequestsOptions) {}

  /**
   * Sends a prompt and gives the answer once it begins. Nothing is sealed to a guest that was not verified.
   * @throws ClientError with what a person can do; EvidenceRefused; what aborted `signal`; ChainError, LedgerError
   */
  async begin(prompt: PromptRequest): Promise<BegunAnswer> {
    const request = readRequest(prompt.body);
    if (prompt.body.length > MAX_RELAY_BODY / 2) throw new ClientError('body_too_large', `limit ${MAX_RELAY_BODY / 2} bytes`);
    await this.options.channel.ready();
    const search: Search = { tried: new Set(), refusals: new Map(), failure: null, hasReconnected: false };
    for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
      prompt.signal.throwIfAborted();
      const trusted = await this.choose(prompt, request, search);
      if (trusted === null) break;
      try {
        return { ...(await this.send(trusted, request, prompt)), request };
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
        if (error instanceof GuestWithdrawn) {
          this.known = null;
          await this.options.channel.ready();
          continue;
        }
        search.failure = error;
        if (!(await this.mayTryAgain(error, trusted, search))) throw error;
      }
    }
    if (search.failure !== null) throw search.failure;
    if (search.refusals.size > 0) throw new EvidenceRefused([...search.refusals.values()]);
    throw new ClientError('no_such_model', await this.describeModels());
  }

  /** Every guest on offer that passes verification, and what was refused. @throws ProxyError */
  async survey(model?: string): Promise<{ readonly trusted: readonly TrustedOffer[]; readonly refused: readonly Refusal[] }> {
    const trusted: TrustedOffer[] = [];
    const refused: Refusal[] = [];
    for (const offer of await this.offersFor(model)) {
      const verdict = await this.verdictOf(offer);
      if (verdict instanceof ProxyError) continue;
      if (verdict.trusted) trusted.push({ offer, guest: verdict.guest });
      else refused.push({ digest: offer.keys.evidence, report: verdict.report });
    }
    return { trusted, refused };
  }

  /** Stops what runs and waits for the receipts, as long as stopWaitMs. */
  async close(): Promise<void> {
    for (const controller of this.running) controller.abort();
    await Promise.all(this.background);
  }

  /** Reads an answer that nobody wants any more to its receipt. */
  abandon(answer: Answer): void {
    const work: Promise<void> = answer.abandon().finally(() => this.background.delete(work));
    this.background.add(work);
  }

  /** The best offer for the model whose guest was not tried and is verified. Null when there is none. */
  private async choose(prompt: PromptRequest, request: CompletionRequest, search: Search): Promise<TrustedOffer | null> {
    const candidates = (await this.offersFor(request.model)).filter(({ keys }) => !search.tried.has(keys.evidence));
    const costOf = (offer: Offer) => requestCost(offer.prices, sizeOf(request, prompt, offer)).wanted;
    for (const offer of rankOffers(candidates, costOf, () => this.random())) {
      const digest = offer.keys.evidence;
      const verdict = await this.verdictOf(offer);
      if (verdict instanceof ProxyError) search.failure = verdict;
      else if (verdict.trusted) return { offer, guest: verdict.guest };
      else search.refusals.set(digest, { digest, report: verdict.report });
      search.tried.add(digest);
    }
    return null;
  }

  /** What is thought of a guest, or why its evidence could not be had. @throws ProxyError when the proxy itself is the trouble */
  private async verdictOf(offer: Offer): Promise<GuestVerdict | ProxyError> {
    try {
      return await this.options.verifier.verify(offer);
    } catch (error) {
      if (error instanceof ProxyError && PASSING_CODES.has(error.code)) return error;
      throw error;
    }
  }

  private async send(
    { offer, guest }: TrustedOffer,
    request: CompletionRequest,
    prompt: PromptRequest,
  ): Promise<Omit<BegunAnswer, 'request'>> {
    const { channel, proxy, maxAmountNano } = this.options;
    const exchange = await this.nextExchange(guest);
    const { wanted, floor } = requestCost(offer.prices, sizeOf(request, prompt, offer));
    if (floor > maxAmountNano)
      throw new ClientError('bad_request', `it can cost ${formatTon(floor)} TON, the limit of this client is ${formatTon(maxAmountNano)}`);
    const carried = await channel.takeVoucher();
    let body: Uint8Array;
    let placed: PlacedOrder | null = null;
    try {
      const terms = {
        receiptKey: guest.keys.receiptKey,
        seal: exchange.seal,
        prices: offer.prices,
        floor,
        wanted: minNano(wanted, maxAmountNano),
      };
      placed = await channel.place(terms, prompt.signal);
      // It may have waited long for its turn.
      if (!(await this.options.verifier.stillHolds(guest))) throw new GuestWithdrawn();
      const head = { method: 'POST', path: prompt.path, headers: { 'content-type': 'application/json' } } as const;
      const sealed = await exchange.sealRequest(placed.authorisation, placed.authorisationHash, head, prompt.body);
      body = encodeClientRequest({ voucher: carried?.voucher ?? null, order: placed.order, signature: placed.signature, guest: sealed });
      prompt.signal.throwIfAborted();
    } catch (error) {
      carried?.lost();
      if (placed !== null) channel.lost(placed.number);
      throw error;
    }

    const cut = new AbortController();
    this.running.add(cut);
    const answer = new Answer({
      placed,
      guest,
      parts: openAnswer(exchange, () => proxy.relay(body, guest.digest, cut.signal), carried),
      channel,
      proxy,
      cut,
      stopWaitMs: this.options.stopWaitMs,
      onEnd: (report) => {
        this.running.delete(cut);
        if (report !== null) this.options.onAnswer(report);
      },
    });
    return { head: await this.unlessAborted(answer, prompt.signal), answer };
  }

  /** The answer's head; when the caller leaves before it is there, the answer goes on in the background. */
  private unlessAborted(answer: Answer, signal: AbortSignal): Promise<ResponseHead> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.abandon(answer);
        reject(signal.reason);
      };
      if (signal.aborted) return leave();
      signal.addEventListener('abort', leave, { once: true });
      answer
        .head()
        .then(resolve, reject)
        .finally(() => signal.removeEventListener('abort', leave));
    });
  }

  /** What a failure means for the rest of the request. Marks the guest as tried unless the failure was not its own. */
  private async mayTryAgain(error: ClientError, { guest }: TrustedOffer, search: Search): Promise<boolean> {
    const { channel } = this.options;
    switch (error.code) {
      case 'already_used':
      case 'voucher_refused':
      case 'no_channel':
        channel.distrustRecord();
        await channel.ready();
        return error instanceof ProxyError;
      case 'credit_exhausted':
        if (!(error instanceof ProxyError)) return false;
        channel.distrustRecord();
        await channel.flush();
        return true;
      case 'authorisation_refused':
        // The offer may have changed since it was read.
        this.known = null;
        return error instanceof ProxyError;
      case 'proxy_unreachable':
        if (search.hasReconnected) return false;
        search.hasReconnected = true;
        return true;
      default:
        if (!PASSING_CODES.has(error.code)) return false;
        this.known = null;
        search.tried.add(guest.digest);
        return true;
    }
  }

  private async nextExchange(guest: TrustedGuest): Promise<ClientExchange> {
    const { crypto, clock } = this.options;
    const known = this.sessions.get(guest.digest);
    if (known?.isFresh(clock.nowSec())) return known.next();
    const session = await ClientSession.open(crypto, guest.keys, clock.nowSec());
    for (const [digest, kept] of this.sessions) if (!kept.isFresh(clock.nowSec())) this.sessions.delete(digest);
    this.sessions.set(guest.digest, session);
    return session.next();
  }

  /** Offers for a model, or all. Asks the proxy again when they are old, or when there are none for the model. @throws ProxyError */
  private async offersFor(model?: string): Promise<readonly Offer[]> {
    const pick = (all: readonly Offer[]) => all.filter((offer) => model === undefined || offer.model.name === model);
    const nowSec = this.options.clock.nowSec();
    if (this.known !== null && nowSec < this.known.untilSec) {
      const known = pick(this.known.offers);
      if (known.length > 0) return known;
    }
    const { expiresAt, offers } = await this.options.proxy.offers();
    this.known = { offers, untilSec: Math.min(expiresAt - OFFER_MARGIN_SEC, nowSec + OFFER_KEPT_SEC) };
    return pick(offers);
  }

  private async describeModels(): Promise<string> {
    const names = [...new Set((await this.offersFor()).map(({ model }) => model.name))].slice(0, 20);
    return names.length === 0 ? 'none is on offer right now' : `on offer: ${names.join(', ')}`;
  }

  private random(): number {
    const [byte = 0, next = 0] = this.options.crypto.randomBytes(2);
    return (byte * 256 + next) / 65_536;
  }
}

/** An offer is not used in its last seconds: it may end before the request arrives. */
const OFFER_MARGIN_SEC = 5;
/** Load changes fast, and new workers should be seen. */
const OFFER_KEPT_SEC = 10;

/** The parts of an answer, from the moment that its request is sent. */
async function* openAnswer(
  exchange: ClientExchange,
  relay: () => Promise<AsyncIterable<Uint8Array>>,
  carried: CarriedVoucher | null,
): AsyncGenerator<OpenedPart> {
  let sealed: AsyncIterable<Uint8Array>;
  try {
    sealed = await relay();
  } catch (error) {
    carried?.lost();
    throw error;
  }
  carried?.delivered();
  yield* exchange.openResponse(sealed);
}

function sizeOf(request: CompletionRequest, prompt: PromptRequest, offer: Offer): ReturnType<typeof requestSize> {
  return requestSize(request, prompt.body.length, prompt.path, offer.model.contextLength);
}

function readRequest(body: Uint8Array): CompletionRequest {
  try {
    return parseRequest(body);
  } catch (cause) {
    if (cause instanceof MalformedError) throw new ClientError('bad_request', cause.message, {}, { cause });
    throw cause;
  }
}
