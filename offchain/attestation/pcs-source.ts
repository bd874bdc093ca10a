import { concat, fromHex, fromUtf8, utf8 } from '../core/bytes';
import type { Clock } from '../core/clock';
import { CocoonError, codeOf } from '../core/errors';
import type { Collateral, CollateralQuery, CollateralSource } from './collateral';
import { EvidenceError } from './errors';
import { PCS_HEADER, PCS_PATH, rootCrlUrl } from './pcs-api';
import { MAX_CHAIN_SIZE } from './pem';
import { MAX_CRL_SIZE } from './revocation-list';
import { MAX_DOCUMENT_SIZE, type SignedDocument } from './signed-document';

/**
 * Collateral could not be had: try again, or name another PCCS.
 * Codes: pccs_unreachable, pccs_refused (another status than 200), pccs_too_large.
 */
export class PccsError extends CocoonError {}

/** The part of `fetch` that is used. */
export type Fetch = (url: string, init: { readonly signal: AbortSignal; readonly redirect: 'error' }) => Promise<Response>;

export interface PcsSourceOptions {
  /** Of a PCCS, or of Intel's own service; without a path. */
  readonly baseUrl: string;
  readonly fetch: Fetch;
  readonly clock: Clock;
  /** For how long an answer is handed out before it is asked for again, in seconds. */
  readonly refreshSec?: number;
  /** How long one request may take, in milliseconds. */
  readonly timeoutMs?: number;
}

interface Kept {
  readonly collateral: Collateral;
  readonly fetchedAtSec: number;
  readonly isDropped: boolean;
}

/** The last time that the service was asked; `error` is what it came to, null for success. */
interface Attempt {
  readonly atSec: number;
  readonly error: unknown;
}

/** Between two attempts to fetch the same, in seconds: strangers' quotes must not become a stream of requests. */
const RETRY_SEC = 30;

/** Families of platforms that are kept; the oldest goes first. */
const MAX_KEPT = 256;

/**
 * Collateral by the PCS v4 API, from Intel or any PCCS. Nothing that comes is looked into further than it takes to cut it apart:
 * the verifier believes none of it. All sizes are bounded, redirects are refused.
 *
 * What was fetched is handed out until it is `refreshSec` old, and longer while the service cannot be reached: the verifier knows
 * when it is too old. Callers that come together share one fetch, and those that come within half a minute of a fetch, its outcome:
 * also what was dropped meanwhile, since the reason why it does not hold is worth more than none.
 */
export class PcsSource implements CollateralSource {
  private readonly kept = new Map<string, Kept>();
  private readonly attempts = new Map<string, Attempt>();
  private readonly running = new Map<string, Promise<Collateral>>();

  constructor(private readonly options: PcsSourceOptions) {}

  /** @throws PccsError, EvidenceError bad_collateral */
  async collateralFor(query: CollateralQuery): Promise<Collateral> {
    const { clock, refreshSec = 3600 } = this.options;
    const name = nameOf(query);
    const known = this.kept.get(name);
    const isWithin = (sec: number, fromSec: number) => clock.nowSec() >= fromSec && clock.nowSec() - fromSec < sec;
    if (known !== undefined && !known.isDropped && isWithin(refreshSec, known.fetchedAtSec)) return known.collateral;
    const last = this.attempts.get(name);
    if (last !== undefined && isWithin(RETRY_SEC, last.atSec)) {
      if (known !== undefined) return known.collateral;
      if (last.error !== null) throw last.error;
    }
    try {
      return await this.fetchOnce(name, query);
    } catch (error) {
      if (known !== undefined && !known.isDropped) return known.collateral;
      throw error;
    }
  }

  drop(query: CollateralQuery): void {
    const name = nameOf(query);
    const known = this.kept.get(name);
    if (known !== undefined) this.kept.set(name, { ...known, isDropped: true });
  }

  private fetchOnce(name: string, query: CollateralQuery): Promise<Collateral> {
    const running = this.running.get(name);
    if (running !== undefined) return running;
    const fetching = this.fetchAll(query)
      .then(
        (collateral) => {
          const fetchedAtSec = this.options.clock.nowSec();
          keepNewest(this.attempts, name, { atSec: fetchedAtSec, error: null });
          keepNewest(this.kept, name, { collateral, fetchedAtSec, isDropped: false });
          return collateral;
        },
        (error: unknown) => {
          keepNewest(this.attempts, name, { atSec: this.options.clock.nowSec(), error });
          throw error;
        },
      )
      .finally(() => this.running.delete(name));
    this.running.set(name, fetching);
    return fetching;
  }

  private async fetchAll({ fmspc, ca }: CollateralQuery): Promise<Collateral> {
    const base = this.options.baseUrl.replace(/\/+$/, '');
    const [rootCrl, pckCrl, tcbInfo, qeIdentity] = await Promise.all([
      this.get(rootCrlUrl(base), 2 * MAX_CRL_SIZE),
      this.get(`${base}${PCS_PATH.pckCrl}?ca=${ca}&encoding=der`, 2 * MAX_CRL_SIZE),
      this.get(`${base}${PCS_PATH.tcbInfo}?fmspc=${fmspc}`, 2 * MAX_DOCUMENT_SIZE),
      this.get(`${base}${PCS_PATH.qeIdentity}`, 2 * MAX_DOCUMENT_SIZE),
    ]);
    return {
      rootCrl: derOf(rootCrl.body),
      pckCrl: derOf(pckCrl.body),
      pckCrlIssuerChain: chainOf(pckCrl.headers, PCS_HEADER.pckCrl),
      tcbInfo: cutDocument(tcbInfo.body, 'tcbInfo', chainOf(tcbInfo.headers, PCS_HEADER.tcbInfo)),
      qeIdentity: cutDocument(qeIdentity.body, 'enclaveIdentity', chainOf(qeIdentity.headers, PCS_HEADER.enclaveIdentity)),
    };
  }

  private async get(url: string, maxSize: number): Promise<{ readonly headers: Headers; readonly body: Uint8Array }> {
    const { fetch, timeoutMs = 10_000 } = this.options;
    const { pathname } = new URL(url);
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs), redirect: 'error' });
      if (response.status !== 200) {
        // A body that nobody reads holds its connection.
        await response.body?.cancel();
        throw new PccsError('pccs_refused', `pccs answered ${response.status} for ${pathname}`);
      }
      return { headers: response.headers, body: await readBody(response, maxSize, pathname) };
    } catch (cause) {
      if (cause instanceof PccsError) throw cause;
      throw new PccsError('pccs_unreachable', `no answer for ${pathname}: ${codeOf(cause)}`, {}, { cause });
    }
  }
}

function keepNewest<V>(map: Map<string, V>, name: string, value: V): void {
  map.delete(name);
  const oldest = map.keys().next();
  if (map.size >= MAX_KEPT && !oldest.done) map.delete(oldest.value);
  map.set(name, value);
}

function nameOf({ root, fmspc, ca }: CollateralQuery): string {
  return `${root.keyId} ${fmspc} ${ca}`;
}

async function readBody(response: Response, maxSize: number, pathname: string): Promise<Uint8Array> {
  const reader = response.body?.getReader();
  const parts: Uint8Array[] = [];
  let size = 0;
  while (reader !== undefined) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > maxSize) {
      await reader.cancel();
      throw new PccsError('pccs_too_large', `pccs answered more than ${maxSize} bytes for ${pathname}`);
    }
    parts.push(value);
  }
  return concat(...parts);
}

/** A revocation list: DER, or, as some PCCS answer, DER in hex. */
function derOf(body: Uint8Array): Uint8Array {
  if (body[0] === 0x30 && body[1] !== undefined && body[1] >= 0x80) return body;
  return reading('revocation list', () => fromHex(fromUtf8(body).trim().toLowerCase()));
}

/** An issuer's chain as the verifier takes it, with the line feed at the end that some services leave out. */
function chainOf(headers: Headers, name: string): Uint8Array {
  const value = headers.get(name) ?? '';
  if (value.length > 2 * MAX_CHAIN_SIZE) throw bad(`header ${name} of ${value.length} bytes, limit ${2 * MAX_CHAIN_SIZE}`);
  const pem = reading(`header ${name}`, () => decodeURIComponent(value));
  return utf8(pem.endsWith('\n') ? pem : `${pem}\n`);
}

/** The document's exact bytes and its signature, cut out of `{"<field>":<document>,"signature":"<hex>"}`. */
function cutDocument(body: Uint8Array, field: string, issuerChain: Uint8Array): SignedDocument {
  const text = reading(field, () => fromUtf8(body)).trim();
  const head = `{"${field}":`;
  const tail = /,"signature":"([0-9a-fA-F]{128})"\}$/.exec(text.slice(-160));
  if (!text.startsWith(head) || tail === null) throw bad(`answer is not a signed ${field}`);
  const json = text.slice(head.length, text.length - tail[0].length);
  return { json: utf8(json), signature: fromHex((tail[1] ?? '').toLowerCase(), 64), issuerChain };
}

function reading<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw bad(`${what} is malformed`, cause);
  }
}

function bad(message: string, cause?: unknown): EvidenceError {
  return new EvidenceError('bad_collateral', message, {}, { cause });
}
