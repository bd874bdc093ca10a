/** An OpenAI-compatible server that answers as slowly as a test wants: the `--engine URL` case. */
import { createServer, type Server } from 'node:http';
import { z } from 'zod';

const requestSchema = z.object({ stream: z.boolean().optional(), messages: z.array(z.object({ content: z.string() })).default([]) });

export class SlowEngine {
  private readonly server: Server;
  private readonly waiting = new Set<() => void>();
  /** While true an answer stops behind its first token. */
  isHeld = false;

  private constructor() {
    this.server = createServer((req, res) => {
      const parts: Buffer[] = [];
      req.on('data', (part: Buffer) => parts.push(part));
      req.on('end', () => {
        if (req.url === '/health') return void res.end();
        if (req.url === '/v1/models')
          return void json(res, { object: 'list', data: [{ id: 'slow-model', object: 'model', max_model_len: 4096 }] });
        if (req.url === '/tokenize') return void json(res, { count: 7 });
        void this.answer(requestSchema.parse(JSON.parse(Buffer.concat(parts).toString())), res);
      });
    });
  }

  static async start(): Promise<SlowEngine> {
    const engine = new SlowEngine();
    await new Promise<void>((done) => engine.server.listen(0, '127.0.0.1', done));
    return engine;
  }

  get url(): string {
    const address = this.server.address();
    return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  /** Lets held answers go on to their end. */
  release(): void {
    this.isHeld = false;
    for (const go of this.waiting) go();
    this.waiting.clear();
  }

  stop(): void {
    this.release();
    this.server.close();
    this.server.closeAllConnections();
  }

  private async answer(
    request: z.infer<typeof requestSchema>,
    res: Parameters<Parameters<typeof createServer>[1] & object>[1],
  ): Promise<void> {
    const usage = (tokens: number) => ({
      prompt_tokens: 7,
      completion_tokens: tokens,
      total_tokens: 7 + tokens,
      prompt_tokens_details: { cached_tokens: 0 },
    });
    const words = ['one', ' two', ' three', ' four', ' five'];
    if (request.stream !== true) {
      await this.hold(res);
      const choices = [{ index: 0, message: { role: 'assistant', content: words.join('') }, finish_reason: 'stop' }];
      return void json(res, { id: 'x', object: 'chat.completion', created: 0, model: 'slow-model', choices, usage: usage(words.length) });
    }
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    const event = (choices: readonly unknown[], tokens: number) =>
      res.write(
        `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 0, model: 'slow-model', choices, usage: usage(tokens) })}\n\n`,
      );
    for (const [at, word] of words.entries()) {
      if (res.destroyed) return;
      event([{ index: 0, delta: { content: word }, finish_reason: null }], at + 1);
      if (at === 0) await this.hold(res);
    }
    event([{ index: 0, delta: {}, finish_reason: 'stop' }], words.length);
    event([], words.length);
    res.end('data: [DONE]\n\n');
  }

  private hold(res: { once(event: 'close', listener: () => void): unknown }): Promise<void> {
    if (!this.isHeld) return Promise.resolve();
    return new Promise((done) => {
      this.waiting.add(done);
      res.once('close', done);
    });
  }
}

function json(res: { writeHead(status: number, headers: Record<string, string>): { end(body: string): unknown } }, value: unknown): void {
  res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}
