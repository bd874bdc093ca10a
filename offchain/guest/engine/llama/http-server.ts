import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { concat, fromUtf8 } from '../../../core/bytes';
import { codeOf, messageOf } from '../../../core/errors';
import { errorBody } from '../../../openai/requests';
import { DONE, encodeEvent } from '../../../openai/sse';
import { EngineError } from '../engine';
import { AnswerText } from './answer-text';
import { countPrompt, type ParsedCompletion, parseCompletion } from './completion-request';
import { CompletionResponse, type FinishReason, type Usage } from './completion-response';
import type { LoadedModel } from './model';
import type { Scheduler } from './scheduler';

/** Larger than any context that a processor can read in reasonable time. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;

/** Status of each error that is the caller's to mend; others are 500. */
const STATUS: Readonly<Record<string, number>> = {
  bad_request: 400,
  bad_chat: 400,
  bad_grammar: 400,
  bad_schema: 400,
  no_chat_template: 400,
  prompt_too_long: 400,
  foreign_origin: 403,
  model_not_found: 404,
  not_found: 404,
  body_too_large: 413,
};

/** Serves one loaded model over HTTP on loopback, for the process that started this one. */
export class LlamaHttpServer {
  private readonly server: Server;

  constructor(
    private readonly model: LoadedModel,
    private readonly scheduler: Scheduler,
  ) {
    this.server = createServer((request, response) => {
      void this.answer(request, response);
    });
    /** An answer may take as long as it takes. */
    this.server.requestTimeout = 0;
  }

  /** Listens on a free port of 127.0.0.1 and answers its number. */
  async listen(): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(0, '127.0.0.1', resolve);
    });
    return portOf(this.server.address());
  }

  /** Cuts every connection; what runs is cancelled by that. */
  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      requireLocalCaller(request);
      await this.route(request, response);
    } catch (error) {
      const code = codeOf(error);
      const status = STATUS[code] ?? 500;
      const message = error instanceof EngineError ? messageOf(error) : 'the engine failed on this request';
      if (response.headersSent) response.destroy();
      else sendJson(response, status, errorBody(message, code, status < 500 ? 'invalid_request_error' : 'server_error'));
    }
  }

  private async route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    switch (`${request.method} ${request.url}`) {
      case 'GET /health':
        return sendJson(response, 200, '{}');
      case 'GET /v1/models':
        return sendJson(response, 200, JSON.stringify(this.models()));
      case 'GET /metrics':
        response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(this.metrics());
        return;
      case 'POST /tokenize': {
        const count = countPrompt(this.model, await readJson(request));
        return sendJson(response, 200, JSON.stringify({ count, max_model_len: this.scheduler.options.contextLength }));
      }
      case 'POST /v1/chat/completions':
        return this.complete('chat', request, response);
      case 'POST /v1/completions':
        return this.complete('completion', request, response);
      default:
        throw new EngineError('not_found', 'no such path');
    }
  }

  private models(): unknown {
    const capabilities = [...(this.model.template === null ? [] : ['chat']), 'completion', 'json_schema'];
    const { name } = this.model.facts;
    const { contextLength } = this.scheduler.options;
    return {
      object: 'list',
      data: [{ id: name, object: 'model', created: 0, owned_by: 'local', max_model_len: contextLength, capabilities }],
    };
  }

  private metrics(): string {
    const { running, waiting, promptTokens, cachedTokens, answerTokens } = this.scheduler.counts();
    return [
      `cocoon_engine_running_requests ${running}`,
      `cocoon_engine_waiting_requests ${waiting}`,
      `cocoon_engine_prompt_tokens_total ${promptTokens}`,
      `cocoon_engine_cached_tokens_total ${cachedTokens}`,
      `cocoon_engine_answer_tokens_total ${answerTokens}`,
      '',
    ].join('\n');
  }

  private async complete(kind: ParsedCompletion['kind'], request: IncomingMessage, response: ServerResponse): Promise<void> {
    const abort = new AbortController();
    response.once('close', () => {
      abort.abort();
    });
    const parsed = parseCompletion(this.model, this.scheduler.options.contextLength, kind, await readJson(request));
    const bodies = new CompletionResponse(kind, this.model.facts.name, Math.floor(Date.now() / 1000));
    const run = new CompletionRun(this.model, this.scheduler, parsed, abort);
    if (parsed.stream === null) {
      let text = '';
      for await (const piece of run.pieces()) text += piece ?? '';
      return sendJson(response, 200, JSON.stringify(bodies.whole(text, run.reason, run.usage)));
    }
    const { includeUsage, continuousUsage } = parsed.stream;
    const send = (body: unknown) => response.write(encodeEvent(JSON.stringify(body)));
    const usageNow = () => (continuousUsage ? run.usage : null);
    for await (const piece of run.pieces()) {
      if (piece !== null) send(bodies.delta(piece, usageNow()));
      else {
        response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
        const opening = bodies.opening(usageNow());
        if (opening !== null) send(opening);
      }
    }
    send(bodies.closing(run.reason, usageNow()));
    if (includeUsage) send(bodies.usage(run.usage));
    response.end(encodeEvent(DONE));
  }
}

/** One generation as text. */
class CompletionRun {
  private cachedTokens = 0;
  private answerTokens = 0;
  reason: FinishReason = 'stop';

  constructor(
    private readonly model: LoadedModel,
    private readonly scheduler: Scheduler,
    private readonly parsed: ParsedCompletion,
    private readonly abort: AbortController,
  ) {}

  get usage(): Usage {
    return { promptTokens: this.parsed.prompt.length, cachedTokens: this.cachedTokens, answerTokens: this.answerTokens };
  }

  /** null once, when the prompt has its place; then pieces of text, none of them empty. */
  async *pieces(): AsyncGenerator<string | null> {
    const { prompt, maxTokens, sampling, grammar, stops, cacheSalt } = this.parsed;
    const text = new AnswerText(this.model.facts.tokens, stops);
    const generation = this.scheduler.submit({ prompt, maxTokens, sampling, grammar, cacheSalt, signal: this.abort.signal });
    for await (const event of generation) {
      switch (event.tag) {
        case 'started':
          this.cachedTokens = event.cachedTokens;
          yield null;
          break;
        case 'token': {
          this.answerTokens++;
          const piece = text.push(event.token);
          if (piece.length > 0) yield piece;
          if (text.isStopped) {
            this.abort.abort();
            return;
          }
          break;
        }
        case 'finished': {
          const rest = text.end();
          if (!text.isStopped) this.reason = event.reason;
          if (rest.length > 0) yield rest;
          return;
        }
      }
    }
  }
}

/**
 * Nothing on this machine but the guest has business here. A web page in a browser shows itself by its Origin, or by a Host that was made to point here.
 */
function requireLocalCaller({ headers }: IncomingMessage): void {
  const isLocal = /^(127\.0\.0\.1|localhost)(:\d+)?$/.test(headers.host ?? '');
  if (headers.origin !== undefined || !isLocal) throw new EngineError('foreign_origin', 'requests from web pages are refused');
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new EngineError('not_listening', 'the server has no port');
  return address.port;
}

function sendJson(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
}

async function readJson(request: AsyncIterable<unknown>): Promise<unknown> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of request) {
    if (!(part instanceof Uint8Array)) continue;
    size += part.length;
    if (size > MAX_BODY_BYTES) throw new EngineError('body_too_large', `body of more than ${MAX_BODY_BYTES} bytes`);
    parts.push(part);
  }
  try {
    return JSON.parse(fromUtf8(concat(...parts)));
  } catch (cause) {
    throw new EngineError('bad_request', 'the body is not JSON', {}, { cause });
  }
}
