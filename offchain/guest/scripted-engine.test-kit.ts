/** An OpenAI-compatible server that does what the last message says, for tests of what engines do at the wrong moment. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { z } from 'zod';
import { utf8 } from '../core/bytes';
import { errorBody } from '../openai/requests';
import { encodeEvent } from '../openai/sse';
import { listen } from '../transport/tls';

const requestSchema = z.looseObject({
  messages: z.array(z.object({ role: z.string(), content: z.string() })),
  stream: z.boolean().optional(),
  stream_options: z.looseObject({ include_usage: z.boolean().optional(), continuous_usage_stats: z.boolean().optional() }).optional(),
  max_tokens: z.int().optional(),
  n: z.int().optional(),
});
type ScriptedRequest = z.infer<typeof requestSchema>;

/**
 * Scripts: "words N" answers N tokens; "hang" answers two and then nothing; "break" answers two and cuts the connection; "silent" answers
 * three tokens and reports no usage; "garbage" answers what is no JSON; "refuse" and "crash" answer with 400 and 500. The prompt counts a token per word.
 */
export class ScriptedEngine {
  /** Requests as they came, without those of the probe. */
  readonly seen: ScriptedRequest[] = [];
  countsTokens = true;
  private gone = 0;
  private onGone: () => void = () => {};

  private server: Server = createServer();
  private port = 0;

  private constructor() {}

  static async start(): Promise<ScriptedEngine> {
    const engine = new ScriptedEngine();
    await engine.restart();
    return engine;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Listens again where it did before. */
  async restart(): Promise<void> {
    this.server = createServer((request, response) => void this.answer(request, response));
    this.port = await listen(this.server, { host: '127.0.0.1', port: this.port });
  }

  /** Resolves when a request has been given up before its answer was whole; each counts once. */
  async abandoned(): Promise<void> {
    while (this.gone === 0) {
      await new Promise<void>((resolve) => {
        this.onGone = resolve;
      });
    }
    this.gone--;
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Uint8Array[] = [];
    for await (const part of request) parts.push(part);
    const text = Buffer.concat(parts).toString();
    if (request.url === '/v1/models') return send(response, 200, JSON.stringify({ data: [{ id: 'scripted', max_model_len: 4096 }] }));
    const asked = requestSchema.parse(JSON.parse(text));
    if (request.url === '/tokenize') {
      if (this.countsTokens) return send(response, 200, JSON.stringify({ count: promptTokens(asked) }));
      return send(response, 404, errorBody('no such path', 'not_found'));
    }
    response.on('close', () => {
      if (response.writableFinished) return;
      this.gone++;
      this.onGone();
    });
    const script = asked.messages.at(-1)?.content ?? '';
    if (script !== 'Hello') this.seen.push(asked);
    if (script === 'refuse') return send(response, 400, errorBody('temperature is too high', 'bad_request'));
    if (script === 'garbage') return send(response, 200, 'Bad Gateway');
    if (script === 'crash') return send(response, 500, errorBody('a secret of the engine', 'internal'));
    if (asked.stream === true) this.stream(script, asked, response);
    else this.whole(script, asked, response);
  }

  private whole(script: string, asked: ScriptedRequest, response: ServerResponse): void {
    if (script === 'hang') return;
    const { count, reason } = lengthOf(script, asked);
    const choices = [{ index: 0, message: { role: 'assistant', content: 'word '.repeat(count) }, finish_reason: reason }];
    send(response, 200, JSON.stringify({ id: 'x', object: 'chat.completion', choices, usage: usage(asked, count) }));
  }

  private stream(script: string, asked: ScriptedRequest, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const { count, reason } = lengthOf(script, asked);
    const isSilent = script === 'silent';
    const reported = (tokens: number) =>
      !isSilent && asked.stream_options?.continuous_usage_stats === true ? { usage: usage(asked, tokens) } : {};
    for (let i = 1; i <= count; i++) event(response, { id: 'x', choices: [{ index: 0, delta: { content: 'word ' } }], ...reported(i) });
    if (script === 'hang') return;
    if (script === 'break') {
      response.write('', () => response.destroy());
      return;
    }
    event(response, { id: 'x', choices: [{ index: 0, delta: {}, finish_reason: reason }], ...reported(count) });
    if (!isSilent && asked.stream_options?.include_usage === true) event(response, { id: 'x', choices: [], usage: usage(asked, count) });
    response.end('data: [DONE]\n\n');
  }
}

function promptTokens(asked: ScriptedRequest): number {
  return asked.messages.reduce((sum, message) => sum + message.content.split(' ').length, 0);
}

function lengthOf(script: string, asked: ScriptedRequest): { readonly count: number; readonly reason: 'stop' | 'length' } {
  const wanted = Number(/^words ([0-9]+)$/.exec(script)?.[1] ?? (script === 'silent' ? 3 : 2));
  const count = Math.min(wanted, asked.max_tokens ?? wanted);
  return { count, reason: count < wanted ? 'length' : 'stop' };
}

function usage(asked: ScriptedRequest, answer: number) {
  const prompt = promptTokens(asked);
  const cached = { prompt_tokens_details: { cached_tokens: 0 }, completion_tokens_details: { reasoning_tokens: 0 } };
  return { prompt_tokens: prompt, completion_tokens: answer, total_tokens: prompt + answer, ...cached };
}

function event(response: ServerResponse, value: object): void {
  response.write(encodeEvent(JSON.stringify(value)));
}

function send(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(utf8(body));
}
