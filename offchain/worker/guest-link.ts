import type { Logger } from 'pino';
import { codeOf } from '../core/errors';
import { type GuestStatus, guestReceipts, guestStatus, type HostBlock, hostBlock } from '../protocol/calls';
import { CallError, readJson, writeJson } from '../protocol/json';
import { type Answer, type Call, type Connection, readAll, TransportError } from '../transport/exchange';
import { connectionOver } from '../transport/session';
import { dialLocal } from '../transport/tls';

const MAX_JSON = 1024 * 1024;

/** One guest, over its machine's Unix socket. Connects when it is called and the connection is gone. */
export class GuestLink {
  private connection: Connection | null = null;
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

  /** @throws CallError worker_failed when the guest is not there */
  async call(call: Call, signal?: AbortSignal): Promise<Answer> {
    try {
      const connection = await this.connect();
      return await connection.call(call, signal === undefined ? {} : { signal });
    } catch (error) {
      if (error instanceof TransportError) throw new CallError('worker_failed', `the guest does not answer (${error.code})`, {}, true);
      throw error;
    }
  }

  /** Tells the guest the block and asks how it is. */
  async refresh(block: HostBlock): Promise<void> {
    try {
      await readAll((await this.call({ method: 'POST', path: '/v1/block', body: writeJson(hostBlock, block) })).body, MAX_JSON);
      const answer = await this.call({ method: 'GET', path: '/v1/guest' });
      this.lastStatus = readJson(guestStatus, await readAll(answer.body, MAX_JSON));
    } catch (error) {
      if (this.lastStatus !== null) this.log.warn({ code: codeOf(error) }, 'guest does not answer');
      this.lastStatus = null;
    }
  }

  /** Receipts that were not handed over before; `keep` has them on disk when it resolves, and the guest forgets them at the next call. */
  async collectReceipts(keep: (receipts: ReturnType<typeof parseReceipts>['receipts']) => Promise<void>): Promise<void> {
    const after = this.receiptCursor?.boot === this.lastStatus?.boot ? (this.receiptCursor?.sequence ?? 0) : 0;
    const answer = await this.call({ method: 'GET', path: `/v1/receipts?after=${after}` });
    const { boot, receipts } = parseReceipts(await readAll(answer.body, 16 * MAX_JSON));
    await keep(receipts);
    this.receiptCursor = { boot, sequence: receipts.at(-1)?.sequence ?? after };
  }

  close(): void {
    this.connection?.close();
    this.connection = null;
  }

  private async connect(): Promise<Connection> {
    if (this.connection?.isOpen) return this.connection;
    this.connection = connectionOver(await dialLocal(this.socketPath));
    return this.connection;
  }
}

function parseReceipts(body: Uint8Array) {
  return readJson(guestReceipts, body);
}
