/** An OpenAI-compatible server that says what it was asked, word by word: the `--engine URL` case. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import { z } from 'zod';

const requestSchema = z.object({ stream: z.boolean().nullish(), messages: z.array(z.object({ content: z.string() })).min(1) });

export class EchoEngine {
  private resume: () => void = () => undefined;
  private readonly released = new Promise<void>((resolve) => {
    this.resume = resolve;
  });
  private readonly server: Server;

  private constructor() {
    this.server = createServer(async (incoming, response) => {
      const parts: Buffer[] = [];
      for await (const part of incoming) if (part instanceof Buffer) parts.push(part);
      if (incoming.url === '/v1/models') return void json(response, { object: 'list', data: [{ id: 'echo', max_model_len: 4096 }] });
      if (incoming.url !== '/v1/chat/completions') return void response.writeHead(404).end();
      await this.answer(requestSchema.parse(JSON.parse(Buffer.concat(parts).toString())), response);
    });
  }

  static async start(): Promise<EchoEngine> {
    const engine = new EchoEngine();
    await new Promise<void>((resolve) => engine.server.listen(0, '127.0.0.1', resolve));
    return engine;
  }

  get url(): string {
    const address = this.server.address();
    return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  /** A streamed answer waits for this between its last word and its end. */
  release(): void {
    this.resume();
  }

  stop(): void {
    this.release();
    this.server.close();
    this.server.closeAllConnections();
  }

  private async answer({ stream, messages }: z.infer<typeof requestSchema>, response: ServerResponse): Promise<void> {
    const text = messages.map(({ content }) => content).join(' ');
    const words = text.split(/(?= )/);
    const head = { id: 'echo', created: 0, model: 'echo' };
    const usage = { prompt_tokens: words.length, completion_tokens: words.length, total_tokens: 2 * words.length };
    if (stream !== true) {
      const choices = [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }];
      return json(response, { ...head, object: 'chat.completion', choices, usage });
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const send = (more: object) => response.write(`data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', ...more })}\n\n`);
    for (const content of words) send({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
    await this.released;
    send({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
    send({ choices: [], usage });
    response.end('data: [DONE]\n\n');
  }
}

function json(response: ServerResponse, value: object): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}
