import type { z } from 'zod';
import { MAX_BUNDLE_SIZE } from '../attestation/evidence';
import { MAX_GPU_DOCUMENT_SIZE } from '../attestation/gpu/gpu-document';
import { concat, toBase64Url, utf8 } from '../core/bytes';
import { MalformedError } from '../core/errors';
import { parseNano } from '../core/money';
import {
  type ChannelStanding,
  type ChannelState,
  channelCall,
  channelStanding,
  channelState,
  ERROR_STATUS,
  type ErrorCode,
  errorAnswer,
  type Offers,
  offers,
  type ProxyInfo,
  proxyInfo,
  REQUEST_HEADER,
  voucherCall,
  WORKER_HEADER,
} from '../protocol/calls';
import { readJson, writeJson } from '../protocol/json';
import type { SignedRequest } from '../protocol/statements-json';
import { SEALED_MEDIA_TYPE, type SignedVoucher } from '../sealing/relay-body';
import type { Answer, Call, Connection } from '../transport/exchange';
import { type ClientErrorCode, ProxyError } from './errors';

/** Most bytes of a JSON answer: a channel with 1,024 receipts, or 256 offers. */
const MAX_JSON_SIZE = 2 * 1024 * 1024;

/** What the chain says of the proxy, which it must say of itself, too. */
interface ProxyOnChain {
  readonly contract: string;
  readonly root: string;
  readonly operator: string;
}

export interface ProxyApiOptions {
  /** A fresh connection to the endpoint that the chain names now, with its key checked, and what the chain says. @throws TransportError */
  connect(): Promise<{ readonly connection: Connection; readonly expected: ProxyOnChain }>;
}

interface Connected {
  readonly connection: Connection;
  readonly info: ProxyInfo;
}

/** The calls of one proxy. Connects when needed, again after a loss; each new connection first shows that it is the proxy of the chain. */
export class ProxyApi {
  private current: Promise<Connected> | null = null;

  constructor(private readonly options: ProxyApiOptions) {}

  /** What the proxy says of itself; contract, root and operator agree with the chain. @throws ProxyError */
  async info(): Promise<ProxyInfo> {
    return (await this.connected()).info;
  }

  /** Offers for a model, or all. @throws ProxyError */
  async offers(model?: string): Promise<Offers> {
    const query = model === undefined ? '' : `?model=${encodeURIComponent(model)}`;
    return this.json(offers, { method: 'GET', path: `/v1/offers${query}` });
  }

  /** The bundle with this digest, as it came: nothing is checked here. @throws ProxyError */
  async evidence(digest: string): Promise<Uint8Array> {
    return collect(await this.call({ method: 'GET', path: `/v1/evidence/${digest}` }), MAX_BUNDLE_SIZE);
  }

  /** The GPU evidence beside the bundle with this digest, as it came: nothing is checked here. @throws ProxyError */
  async gpuEvidence(digest: string): Promise<Uint8Array> {
    return collect(await this.call({ method: 'GET', path: `/v1/gpu-evidence/${digest}` }), MAX_GPU_DOCUMENT_SIZE);
  }

  /**
   * Sends a sealed request and gives the sealed answer as it comes. Aborting cuts the call, which the proxy takes for a stop.
   * @throws ProxyError; the iteration throws TransportError
   */
  async relay(body: Uint8Array, digest: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const headers = { 'content-type': SEALED_MEDIA_TYPE, [WORKER_HEADER]: digest };
    const answer = await this.call({ method: 'POST', path: '/v1/relay', headers, body }, signal);
    if (answer.headers['content-type'] === SEALED_MEDIA_TYPE) return answer.body;
    await answer.body[Symbol.asyncIterator]().return?.();
    throw new ProxyError('proxy_malformed');
  }

  /** Asks that the answer under this authorisation ends early, with its receipt. @throws ProxyError */
  async stop(authorisationHash: string): Promise<void> {
    await collect(await this.call({ method: 'POST', path: `/v1/stop/${authorisationHash}` }), MAX_JSON_SIZE);
  }

  /** @throws ProxyError voucher_refused and others */
  async sendVoucher(voucher: SignedVoucher): Promise<ChannelStanding> {
    return this.json(channelStanding, { method: 'POST', path: '/v1/vouchers', body: writeJson(voucherCall, { voucher }) });
  }

  /** The channel as the proxy has it. `signed` is a request statement over exactly this call (channelPath). @throws ProxyError */
  async channel(address: string, signed: SignedRequest): Promise<ChannelState> {
    const headers = { [REQUEST_HEADER]: toBase64Url(writeJson(channelCall, signed)) };
    return this.json(channelState, { method: 'GET', path: channelPath(address), headers });
  }

  close(): void {
    const current = this.current;
    this.current = null;
    current?.then(({ connection }) => connection.close()).catch(() => undefined);
  }

  private connected(): Promise<Connected> {
    if (this.current !== null) return this.current;
    const attempt = this.connect();
    this.current = attempt;
    const forget = () => {
      if (this.current === attempt) this.current = null;
    };
    attempt.then(({ connection }) => connection.onClose(forget), forget);
    return attempt;
  }

  private async connect(): Promise<Connected> {
    try {
      const { connection, expected } = await this.options.connect();
      const info = await readAnswer(proxyInfo, await ask(connection, { method: 'GET', path: '/v1/proxy' }));
      const { contract, root, operator } = expected;
      if (info.contract === contract && info.root === root && info.operator === operator) return { connection, info };
      connection.close();
      throw new ProxyError('proxy_differs');
    } catch (error) {
      throw toProxyError(error);
    }
  }

  private async call(call: Call, signal?: AbortSignal): Promise<Answer> {
    const isKnown = this.current !== null;
    const { connection } = await this.connected();
    try {
      return await ask(connection, call, signal);
    } catch (error) {
      const isLost = error instanceof ProxyError && error.code === 'proxy_unreachable';
      if (!isLost || !isKnown || call.method !== 'GET') throw error;
      // The connection may have been dead for a while, unnoticed. Asking twice changes nothing.
      if (connection.isOpen) connection.close();
      this.current = null;
      return ask((await this.connected()).connection, call, signal);
    }
  }

  private async json<S extends z.ZodType>(schema: S, call: Call): Promise<z.output<S>> {
    return readAnswer(schema, await this.call(call));
  }
}

/** Path of the channel call: its request statement is over "GET " and this path. */
export function channelPath(address: string): string {
  return `/v1/channels/${address}`;
}

/** What a request statement's callHash is over. */
export function callHashInput(method: string, path: string, body: Uint8Array): Uint8Array {
  return concat(utf8(`${method} ${path}\n`), body);
}

async function ask(connection: Connection, call: Call, signal?: AbortSignal): Promise<Answer> {
  let answer: Answer;
  try {
    answer = await connection.call(call, signal === undefined ? {} : { signal });
  } catch (error) {
    throw toProxyError(error);
  }
  if (answer.status >= 200 && answer.status < 300) return answer;
  throw refusalOf(await collect(answer, MAX_JSON_SIZE));
}

async function readAnswer<S extends z.ZodType>(schema: S, answer: Answer): Promise<z.output<S>> {
  const body = await collect(answer, MAX_JSON_SIZE);
  try {
    return readJson(schema, body);
  } catch (cause) {
    throw new ProxyError('proxy_malformed', null, { cause });
  }
}

async function collect(answer: Answer, limit: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const part of answer.body) {
      size += part.length;
      if (size > limit) throw new ProxyError('proxy_malformed');
      parts.push(part);
    }
  } catch (error) {
    throw toProxyError(error);
  }
  return concat(...parts);
}

/** Only the code and an amount are taken from what the proxy says. */
function refusalOf(body: Uint8Array): ProxyError {
  try {
    const { error } = readJson(errorAnswer, body);
    return new ProxyError(knownCode(error.code), missingOf(error.details));
  } catch (cause) {
    return new ProxyError('proxy_malformed', null, { cause });
  }
}

function knownCode(code: string): ClientErrorCode {
  return isErrorCode(code) ? code : 'proxy_malformed';
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_STATUS, code);
}

function missingOf(details: Readonly<Record<string, string>> | undefined): bigint | null {
  const missing = details?.missingNano;
  if (missing === undefined) return null;
  try {
    return parseNano(missing);
  } catch (error) {
    if (error instanceof MalformedError) return null;
    throw error;
  }
}

function toProxyError(error: unknown): ProxyError {
  if (error instanceof ProxyError) return error;
  const isPin = error instanceof Error && 'code' in error && error.code === 'pin_mismatch';
  return new ProxyError(isPin ? 'pin_mismatch' : 'proxy_unreachable', null, { cause: error });
}
