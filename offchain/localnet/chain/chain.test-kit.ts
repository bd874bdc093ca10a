import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Address, Cell, type MessageRelaxed, SendMode } from '@ton/core';
import { type KeyPair, keyPairFromSeed } from '@ton/crypto';
import { TonClient, WalletContractV5R1 } from '@ton/ton';
import { mainnetPrices } from '../../../wrappers/chain-config';
import { LocalChain } from './chain';
import { createChainServer } from './http-server';
import { sandboxConfig } from './sandbox-config';

export const GENESIS_SEC = 1_800_000_000;
/** A W5 wallet takes external messages with this mode only. */
export const SEND_MODE = SendMode.PAY_GAS_SEPARATELY + SendMode.IGNORE_ERRORS;
export const prices = mainnetPrices(Cell.fromBase64(sandboxConfig));

/** A chain in a folder of its own, by a clock that stands still, behind HTTP on a free port. */
export class ChainUnderTest {
  readonly folder = mkdtempSync(join(tmpdir(), 'cocoon-chain-'));
  readonly journalPath = join(this.folder, 'journal');
  readonly errors: unknown[] = [];
  wallSec = GENESIS_SEC;
  compactBytes: number | undefined;
  private chainNow: LocalChain | undefined;
  private stopServer: () => Promise<void> = async () => {};
  baseUrl = '';

  get chain(): LocalChain {
    if (this.chainNow === undefined) throw new Error('the chain is not open');
    return this.chainNow;
  }

  async open(config = prices): Promise<this> {
    const onFatal = (error: unknown) => this.errors.push(error);
    const chain = await LocalChain.open({
      journalPath: this.journalPath,
      config,
      nowSec: () => this.wallSec,
      compactBytes: this.compactBytes,
      onFatal,
    });
    this.chainNow = chain;
    const server = createChainServer(chain, (error) => this.errors.push(error));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const address = server.address();
    this.baseUrl = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
    this.stopServer = () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      });
    return this;
  }

  async close(): Promise<void> {
    await this.stopServer();
    await this.chainNow?.close();
    this.chainNow = undefined;
  }

  async remove(): Promise<void> {
    await this.close();
    rmSync(this.folder, { recursive: true });
  }

  client(): TonClient {
    return new TonClient({ endpoint: `${this.baseUrl}/api/v2/jsonRPC` });
  }

  /** A JSON answer and its status. */
  async fetch(path: string, init?: RequestInit): Promise<{ status: number; body: unknown; headers: Headers }> {
    const response = await fetch(`${this.baseUrl}${path}`, init);
    return { status: response.status, body: JSON.parse(await response.text()), headers: response.headers };
  }

  post(path: string, body: unknown): Promise<{ status: number; body: unknown; headers: Headers }> {
    return this.fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  }
}

/** A standard wallet that is used the way its own package means it to be. */
export class TestWallet {
  readonly keys: KeyPair;
  readonly contract: WalletContractV5R1;

  constructor(seed: number) {
    this.keys = keyPairFromSeed(Buffer.alloc(32, seed));
    this.contract = WalletContractV5R1.create({ publicKey: this.keys.publicKey, workchain: 0 });
  }

  get address(): Address {
    return this.contract.address;
  }

  async send(client: TonClient, messages: MessageRelaxed[], seqno?: number): Promise<void> {
    const wallet = client.open(this.contract);
    await wallet.sendTransfer({
      seqno: seqno ?? (await wallet.getSeqno()),
      secretKey: this.keys.secretKey,
      sendMode: SEND_MODE,
      messages,
      // The wallet compares it with block time, which is far from the machine's in these tests.
      timeout: 0xffff_fffe,
    });
  }
}
