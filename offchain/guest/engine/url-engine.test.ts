import { createServer, type RequestListener, type Server } from 'node:http';
import { utf8 } from '../../core/bytes';
import { DEMO_MODEL_PATH } from './demo-model';
import { llamaCommand } from './engine-command';
import { readText } from './engine-http';
import { EngineProcess } from './engine-process';
import { parseEngineUrl, UrlEngine } from './url-engine';

const never = new AbortController().signal;
const hello = { path: '/v1/chat/completions', body: utf8('{"messages":[{"role":"user","content":"Hello"}]}'), signal: never };

/** A server that is no engine. */
async function serve(listener: RequestListener): Promise<{ server: Server; url: URL }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { server, url: new URL(`http://127.0.0.1:${address.port}`) };
}

describe('parseEngineUrl', () => {
  it.each([
    ['http://127.0.0.1:8000', 'http://127.0.0.1:8000/'],
    ['http://127.0.0.1:8000/v1', 'http://127.0.0.1:8000/'],
    ['http://127.0.0.1:8000/v1/', 'http://127.0.0.1:8000/'],
    ['https://models.example/some/path/v1', 'https://models.example/some/path'],
  ])('takes %s', (text, expected) => {
    expect(parseEngineUrl(text).href).toBe(expected);
  });

  it.each(['8000', 'localhost:8000', 'ftp://127.0.0.1', 'http://me:secret@127.0.0.1', 'http://127.0.0.1/?key=1', 'http://127.0.0.1/#x'])(
    'refuses %s (bad_engine_url), and repeats no password',
    (text) => {
      expect(() => parseEngineUrl(text)).toThrow(expect.objectContaining({ code: 'bad_engine_url' }));
      expect(() => parseEngineUrl(text)).not.toThrow(/secret/);
    },
  );
});

describe('UrlEngine', () => {
  it('is failed when nothing listens there, and says where', async () => {
    const { server, url } = await serve(() => {});
    server.close();
    const engine = new UrlEngine(url);
    await expect(engine.start()).rejects.toMatchObject({
      code: 'engine_failed',
      message: `engine at ${url.origin} does not answer (ECONNREFUSED)`,
    });
    expect(engine.state().tag).toBe('failed');
  });

  it.each([
    ['a web site', '<html>', 200, /another form than OpenAI/],
    ['an engine without a model', '{"object":"list","data":[]}', 200, /another form than OpenAI/],
    ['a closed door', 'no', 401, /status 401/],
  ])('is failed at %s', async (_, body, status, reason) => {
    const { server, url } = await serve((_request, response) => {
      response.writeHead(status).end(body);
    });
    await expect(new UrlEngine(url).start()).rejects.toMatchObject({ message: expect.stringMatching(reason) });
    server.close();
  });

  it('offers nothing while the engine is away, and is ready again when it is back', async () => {
    const process = new EngineProcess(llamaCommand({ modelPath: DEMO_MODEL_PATH }), () => {});
    const real = new URL(`http://127.0.0.1:${await process.port}`);
    const relay: RequestListener = (request, response) => {
      void (async () => {
        const body = await readText(request);
        const answer = await fetch(new URL(request.url ?? '/', real), {
          method: request.method ?? 'GET',
          ...(body === '' ? {} : { body }),
        });
        response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' }).end(await answer.text());
      })();
    };
    const { server, url } = await serve(relay);
    const engine = new UrlEngine(url, { retryDelayMs: () => 0 });
    await engine.start();
    await new Promise((resolve) => server.close(resolve));
    await expect(engine.call(hello)).rejects.toMatchObject({ code: 'engine_unreachable' });
    expect(engine.state().tag).toBe('starting');
    const ready = new Promise<void>((resolve) => {
      engine.onChange((state) => {
        if (state.tag === 'ready') resolve();
      });
    });
    server.listen(Number(url.port), '127.0.0.1');
    await ready;
    expect((await engine.call(hello)).status).toBe(200);
    await engine.stop();
    server.close();
    await process.terminate(5000);
  });
});
