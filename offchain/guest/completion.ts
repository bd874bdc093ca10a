/** One opened request: checked, priced, run on the engine, and answered through a sink that seals. */
import { type Authorisation, RECEIPT_STATUS, type ReceiptStatus, type Usage } from '../../wrappers/statements';
import { affordableAnswerTokens, worstCost } from '../billing/prices';
import { concat, utf8 } from '../core/bytes';
import { MalformedError } from '../core/errors';
import { type CompletionRequest, errorBody, forEngine, parseRequest, requestedTokens } from '../openai/requests';
import { EventReader, encodeEvent, type ServerSentEvent } from '../openai/sse';
import { NO_USAGE, toUsage } from '../openai/usage';
import type { RequestHead, ResponseHead } from '../sealing/content';
import { AnswerMeter } from './answer-meter';
import { ENGINE_PATHS, type Engine, EngineError, type EngineResponse } from './engine/engine';

/** Most bytes of an answer that does not stream. */
const MAX_WHOLE_SIZE = 64 * 1024 * 1024;
/** Most bytes of an engine's error that go on to the caller. */
const MAX_ERROR_SIZE = 64 * 1024;
/** The engine's refusals that are about the request, and so for the caller to read. */
const CALLERS_FAULT: readonly number[] = [400, 413, 422, 429];
/** Not a status of the standard: what servers write for a caller who has gone before there was an answer. */
const STATUS_STOPPED = 499;

/** What the guest serves, under the name that callers use. */
export interface ServedModel {
  readonly name: string;
  /** Most tokens of prompt and answer together. */
  readonly contextLength: number;
}

export interface CompletionCall {
  readonly head: RequestHead;
  readonly body: Uint8Array;
  readonly authorisation: Authorisation;
  /** Aborted when the caller stops the run, or is gone. */
  readonly signal: AbortSignal;
}

/** Where the answer goes: one head, then data. */
export interface AnswerSink {
  head(head: ResponseHead): Promise<void>;
  data(bytes: Uint8Array): Promise<void>;
}

/** What the receipt says of a run. */
export interface Outcome {
  readonly usage: Usage;
  readonly status: ReceiptStatus;
}

/** The request will not run, or has not: an answer with this status and text, and nothing used. */
class Refusal extends Error {
  constructor(
    readonly httpStatus: number,
    readonly code: string,
    message: string,
    readonly outcome: Outcome = { usage: NO_USAGE, status: RECEIPT_STATUS.failed },
    readonly extra: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

function stopped(outcome: Outcome): Refusal {
  return new Refusal(STATUS_STOPPED, 'stopped', 'the request was stopped', outcome);
}

/** Runs a request to its end, whatever that is: every outcome is an answer in the sink and the numbers for its receipt. */
export async function runCompletion(call: CompletionCall, engine: Engine, model: ServedModel, sink: AnswerSink): Promise<Outcome> {
  try {
    return await answer(call, engine, model, sink);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    await sink.head({ status: error.httpStatus, headers: { 'content-type': 'application/json' } });
    await sink.data(utf8(errorBody(error.message, error.code, error.httpStatus >= 500 ? 'server_error' : undefined, error.extra)));
    return error.outcome;
  }
}

async function answer(call: CompletionCall, engine: Engine, model: ServedModel, sink: AnswerSink): Promise<Outcome> {
  const { path } = call.head;
  const request = checkRequest(call, model);
  const prompt = await countPrompt(call, engine);
  const maxTokens = capTokens(request, call.authorisation, model, prompt.tokens);

  if (call.signal.aborted) throw stopped({ usage: NO_USAGE, status: RECEIPT_STATUS.stopped });

  const body = wellFormed(() => forEngine(request, path, maxTokens));
  const run = new Run(call, request, prompt.isExact ? prompt.tokens : null);
  let response: EngineResponse;
  try {
    response = await engine.call({ path, body, signal: call.signal });
  } catch (error) {
    throw run.unanswered(error);
  }
  if (response.status !== 200) return run.refusedByEngine(response, sink);
  return response.headers['content-type'].startsWith('text/event-stream') ? run.stream(response, sink) : run.whole(response, sink);
}

/** @throws Refusal */
function checkRequest(call: CompletionCall, model: ServedModel): CompletionRequest {
  const { method, path } = call.head;
  if (!ENGINE_PATHS.includes(path)) throw new Refusal(404, 'not_found', `there are ${ENGINE_PATHS.join(', ')}`);
  if (method !== 'POST') throw new Refusal(405, 'method_not_allowed', `${path} takes POST`);
  const request = wellFormed(() => parseRequest(call.body));
  if (request.model !== model.name) throw new Refusal(404, 'model_not_found', `this guest serves ${model.name}`);
  return request;
}

/** What the caller's bytes give. @throws Refusal */
function wellFormed<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    throw new Refusal(400, 'bad_request', error.message);
  }
}

/** The prompt's tokens as the engine counts them; where it cannot, its bytes, which are never fewer. */
async function countPrompt(call: CompletionCall, engine: Engine): Promise<{ readonly tokens: number; readonly isExact: boolean }> {
  try {
    const tokens = await engine.countPromptTokens({ path: call.head.path, body: call.body, signal: call.signal });
    if (tokens !== null) return { tokens, isExact: true };
  } catch (error) {
    // What is wrong with the prompt, or with the engine, the run itself will say.
    if (!(error instanceof EngineError)) throw error;
  }
  return { tokens: call.body.length, isExact: false };
}

/** The most tokens of an answer: what was asked for, as far as `maxAmount` pays for it. @throws Refusal */
function capTokens(request: CompletionRequest, authorisation: Authorisation, model: ServedModel, promptTokens: number): number {
  const { prices, maxAmount } = authorisation;
  const affordable = affordableAnswerTokens(prices, promptTokens, maxAmount);
  if (affordable < 1) {
    const cost = worstCost(prices, promptTokens, 1);
    const message = `a prompt of ${promptTokens} tokens and the shortest answer cost ${cost} nanoTON, limit ${maxAmount}`;
    const outcome = { usage: NO_USAGE, status: RECEIPT_STATUS.capped };
    throw new Refusal(402, 'max_amount_too_low', message, outcome, { cost: `${cost}`, max_amount: `${maxAmount}` });
  }
  return Math.min(requestedTokens(request) ?? Math.max(1, model.contextLength - promptTokens), affordable);
}

/** What the engine does with one request, and how it is counted. */
class Run {
  private readonly meter: AnswerMeter;

  constructor(
    private readonly call: CompletionCall,
    request: CompletionRequest,
    /** Null when only the engine's own usage would tell. */
    private readonly promptTokens: number | null,
  ) {
    this.meter = new AnswerMeter(request);
  }

  /** The engine gave no answer at all. */
  unanswered(error: unknown): Refusal {
    if (this.call.signal.aborted) return stopped(this.outcome('stopped'));
    if (!(error instanceof EngineError)) throw error;
    return new Refusal(502, 'engine_failed', 'the engine failed before it answered', this.outcome('failed'));
  }

  /** The engine answered with an error: its own words go on when they are about the request. */
  async refusedByEngine(response: EngineResponse, sink: AnswerSink): Promise<Outcome> {
    const body = await this.readWhole(response, MAX_ERROR_SIZE);
    if (!CALLERS_FAULT.includes(response.status)) {
      throw new Refusal(502, 'engine_failed', `the engine answered with status ${response.status}`);
    }
    await sink.head({ status: response.status, headers: { 'content-type': response.headers['content-type'] } });
    await sink.data(body);
    return { usage: NO_USAGE, status: RECEIPT_STATUS.failed };
  }

  /** Passes an answer on in one piece. */
  async whole(response: EngineResponse, sink: AnswerSink): Promise<Outcome> {
    const body = await this.readWhole(response, MAX_WHOLE_SIZE);
    this.meter.takeWhole(body);
    await sink.head({ status: 200, headers: { 'content-type': response.headers['content-type'] } });
    await sink.data(body);
    const { isWhole, isBroken } = this.meter.measured;
    return this.outcome(isWhole && !isBroken ? 'ended' : 'failed');
  }

  /** Passes an answer on as it comes. Events that came together go on together, in one chunk. */
  async stream(response: EngineResponse, sink: AnswerSink): Promise<Outcome> {
    await sink.head({ status: 200, headers: { 'content-type': response.headers['content-type'] } });
    const reader = new EventReader();
    const pass = async (events: readonly ServerSentEvent[]) => {
      const bytes = events.map((event) => this.meter.takeEvent(event)).filter((kept) => kept !== null);
      if (bytes.length > 0) await sink.data(concat(...bytes));
    };
    try {
      for await (const bytes of response.body) await pass(reader.push(bytes));
      // A last event may lack its blank line.
      if (reader.rest.length > 0) await pass(reader.push(utf8('\n\n')));
    } catch (error) {
      if (this.call.signal.aborted) return this.outcome('stopped');
      if (!(error instanceof EngineError) && !(error instanceof MalformedError)) throw error;
      return this.breakOff(sink);
    }
    const { isWhole, isBroken } = this.meter.measured;
    if (isBroken) return this.outcome('failed');
    if (isWhole) return this.outcome('ended');
    return this.call.signal.aborted ? this.outcome('stopped') : this.breakOff(sink);
  }

  /** The head has gone out: the caller learns of the failure as of an error event. */
  private async breakOff(sink: AnswerSink): Promise<Outcome> {
    await sink.data(encodeEvent(errorBody('the engine failed before its answer was whole', 'engine_failed', 'server_error')));
    return this.outcome('failed');
  }

  /** @throws Refusal */
  private async readWhole(response: EngineResponse, limit: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let size = 0;
    try {
      for await (const part of response.body) {
        size += part.length;
        if (size > limit) throw new EngineError('answer_too_large', `answer above ${limit} bytes`);
        parts.push(part);
      }
    } catch (error) {
      throw this.unanswered(error);
    }
    return concat(...parts);
  }

  private outcome(end: 'ended' | 'stopped' | 'failed'): Outcome {
    const { isCapped } = this.meter.measured;
    switch (end) {
      case 'ended':
        return { usage: this.usage(this.promptTokens), status: isCapped ? RECEIPT_STATUS.capped : RECEIPT_STATUS.complete };
      case 'stopped':
        return { usage: this.usage(this.promptTokens), status: RECEIPT_STATUS.stopped };
      case 'failed':
        return { usage: this.usage(null), status: RECEIPT_STATUS.failed };
    }
  }

  /** As the engine counted. Where it did not: the prompt as it was counted before, and a token for each piece that passed. */
  private usage(promptTokens: number | null): Usage {
    const { reported, pieces } = this.meter.measured;
    return toUsage(reported ?? { prompt_tokens: promptTokens ?? 0, completion_tokens: pieces }, this.call.authorisation.prices);
  }
}
