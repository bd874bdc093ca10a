import type { Logger } from 'pino';
import { codeOf } from '../core/errors';
import { type GuestStatus, guestReceipts, guestStatus, type HostBlock, hostBlock } from '../protocol/calls';
import { CallError, readJson, writeJson } from '../protocol/json';
import type { SignedReceipt } from '../protocol/statements-json';
import { type Answer, type Call, type Connection, readAll, TransportError } from '../transport/exchange';
import { connectionOver } from '../transport/session';
import { dialLocal } from '../transport/tls';

const MAX_JSON = 1024 * 1024;
/** How long the guest may take over a call that is not a request's. */
const CALL_TIMEOUT_MS = 30_000;

/** One guest, over its machine's Unix socket. Connects when it is called and the connection is gone. */
export class GuestLink {
  private connection: Promise<Connection> | null = null;
  private lastStatus: GuestStatus | null = null;
  private receiptCursor: { readonly boot: string; readonly sequence: number } | null = null;

  constructor(
    private readonly socketPath: string,
    private readonly log: Logger,
  ) {}

  /** As last heard; null while the guest does not answer. */
  get status(): GuestStatus | null {
    return this.lastStatus;
  }

  /** @throws CallError not_ready when the guest is not there and has seen nothing; worker_failed when it was lost, and may have acted */
  async call(call: Call, signal?: AbortSignal): Promise<Answer> {
    let connection: Connection;
    try {
      connection = await this.connect();
    } catch (error) {
      if (error instanceof TransportError) throw new CallError('not_ready', 'the guest is not there', {}, true);
      throw error;
    }
    try {
      return await connection.call(call, signal === undefined ? {} : { signal });
    } catch (error) {
      if (error instanceof TransportError) throw new CallError('worker_failed', 'the guest was lost', {}, true);
      throw error;
    }
  }

  /** Tells the guest the block and asks how it is. */
  async refresh(block: HostBlock): Promise<void> {
    try {
      await this.ask({ method: 'POST', path: '/v1/block', body: writeJson(hostBlock, block) }, MAX_JSON);
      this.lastStatus = readJson(guestStatus, await this.ask({ method: 'GET', path: '/v1/guest' }, MAX_JSON));
    } catch (error) {
      if (this.lastStatus !== null) this.log.warn({ code: codeOf(error) }, 'guest does not answer');
      this.lastStatus = null;
    }
  }

  /** Receipts that were not handed over before; `keep` has them on disk when it resolves, and the guest forgets them at the next call. */
  async collectReceipts(keep: (receipts: readonly SignedReceipt[]) => Promise<unknown>): Promise<void> {
    const after = this.receiptCursor?.boot === this.lastStatus?.boot ? (this.receiptCursor?.sequence ?? 0) : 0;
    const body = await this.ask({ method: 'GET', path: `/v1/receipts?after=${after}` }, 16 * MAX_JSON);
    const { boot, receipts } = readJson(guestReceipts, body);
    if (receipts.length > 0) await keep(receipts.map(({ receipt }) => receipt));
    this.receiptCursor = { boot, sequence: receipts.at(-1)?.sequence ?? after };
  }

  close(): void {
    this.connection?.then((connection) => connection.close()).catch(() => undefined);
    this.connection = null;
  }

  private async ask(call: Call, limit: number): Promise<Uint8Array> {
    const answer = await this.call(call, AbortSignal.timeout(CALL_TIMEOUT_MS));
    return readAll(answer.body, limit);
  }

  /** Callers that come while it connects wait for the same connection. */
  private connect(): Promise<Connection> {
    if (this.connection !== null) return this.connection;
    const attempt = dialLocal(this.socketPath).then(connectionOver);
    this.connection = attempt;
    const forget = () => {
      if (this.connection === attempt) this.connection = null;
    };
    attempt.then((connection) => connection.onClose(forget), forget);
    return attempt;
  }
}
