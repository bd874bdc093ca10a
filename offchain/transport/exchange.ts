/**
 * transport: HTTP/2 over TLS 1.3 or a Unix socket, connections in both directions, limits before anything is allocated.
 * It trusts certificates only by pin or by the system's roots; it knows nothing of what the bodies say.
 */
import { CocoonError } from '../core/errors';

/** A connection failed, was cut, or a peer broke a limit. Codes: connect_failed, pin_mismatch, connection_lost, cut, body_too_large,
 * peer_stalled, timeout. */
export class TransportError extends CocoonError {}

/** Headers by lower-case name. */
export type Headers = Readonly<Record<string, string>>;

/** A call to a peer. The body is sent whole. */
export interface Call {
  readonly method: 'GET' | 'POST' | 'OPTIONS';
  readonly path: string;
  readonly headers?: Headers;
  readonly body?: Uint8Array;
}

/**
 * A peer's answer. Iterating the body throws TransportError when it is cut; its normal end means nothing about its completeness. A body
 * must be read to its end or given up (`return` of its iterator, or the call's signal): until then its stream stays open.
 */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: AsyncIterable<Uint8Array>;
}

/** A call as its server sees it. `signal` is aborted when the caller is gone before the answer has ended. */
export interface IncomingCall {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
  readonly signal: AbortSignal;
}

export type Handler = (call: IncomingCall) => Promise<Answer>;

/** Something that calls can be made on. */
export interface Connection {
  /** @throws TransportError */
  call(call: Call, options?: { readonly signal?: AbortSignal }): Promise<Answer>;
  readonly isOpen: boolean;
  onClose(listener: () => void): void;
  close(): void;
}

/** Limits and times of both ends. */
export const TRANSPORT_LIMITS = {
  /** Most bytes of a request body unless the handler's server says otherwise. */
  maxBodySize: 1024 * 1024,
  /** Connection window on both ends: Node leaves it at 64 KiB whatever `initialWindowSize` says. */
  connectionWindow: 16 * 1024 * 1024,
  streamWindow: 64 * 1024,
  maxStreams: 1024,
  /** MB, as node:http2 counts it. */
  maxSessionMemory: 256,
  pingIntervalMs: 10_000,
  /** A reader without progress for so long is stopped. */
  stallMs: 30_000,
} as const;

/** One chunk. */
export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** The whole body, at most `limit` bytes. @throws TransportError body_too_large, cut */
export async function readAll(body: AsyncIterable<Uint8Array>, limit: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body) {
    size += part.length;
    if (size > limit) throw new TransportError('body_too_large', `body above ${limit} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}
