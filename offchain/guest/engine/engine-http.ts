import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { z } from 'zod';
import { EngineError } from './engine';

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  /** Absolute path on the engine. */
  readonly path: string;
  /** JSON. */
  readonly body?: Uint8Array;
  readonly signal: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly contentType: string;
  /** Fails with EngineError engine_broken or engine_aborted. Leaving the loop early closes the connection. */
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * One request to an engine on a connection of its own: closing it is how a generation is cancelled, and a fresh one cannot be half closed.
 * There is no timeout, since a long answer takes long; the caller's signal is the only limit.
 * @throws EngineError engine_unreachable, engine_aborted
 */
export function sendToEngine(base: URL, { method, path, body, signal }: HttpRequest): Promise<HttpAnswer> {
  const request = base.protocol === 'https:' ? requestHttps : requestHttp;
  const url = new URL(base.pathname.replace(/\/$/, '') + path, base);
  const headers = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': body.length };
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method, headers, signal, agent: false }, (incoming) => {
      resolve({
        status: incoming.statusCode ?? 0,
        contentType: incoming.headers['content-type'] ?? 'application/octet-stream',
        body: readBody(incoming, signal),
      });
    });
    outgoing.once('error', (cause) => {
      const isAborted = signal.aborted;
      reject(
        isAborted
          ? new EngineError('engine_aborted', 'the request was aborted', {}, { cause })
          : new EngineError('engine_unreachable', `engine at ${base.origin} does not answer (${systemCode(cause)})`, {}, { cause }),
      );
    });
    outgoing.end(body);
  });
}

const systemErrorSchema = z.object({ code: z.string() });

/** ECONNREFUSED and the like. */
function systemCode(error: unknown): string {
  const result = systemErrorSchema.safeParse(error);
  return result.success ? result.data.code : 'no connection';
}

async function* readBody(incoming: IncomingMessage, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of incoming) if (chunk instanceof Uint8Array) yield chunk;
  } catch (cause) {
    throw signal.aborted
      ? new EngineError('engine_aborted', 'the request was aborted', {}, { cause })
      : new EngineError('engine_broken', 'engine ended its answer in the middle', {}, { cause });
  } finally {
    incoming.destroy();
  }
}

/** The whole body as text, of at most `limit` bytes. @throws EngineError answer_too_large, engine_broken, engine_aborted */
export async function readText(body: AsyncIterable<Uint8Array>, limit = 16 * 1024 * 1024): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body) {
    size += part.length;
    if (size > limit) throw new EngineError('answer_too_large', `answer of more than ${limit} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
