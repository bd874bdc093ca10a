import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Address, toNano } from '@ton/core';
import { RootContract } from '../../wrappers/RootContract';
import { type RunningChild, startChild } from '../runtime/child';
import { signerFromSeed } from '../runtime/node-crypto';
import { ChainClient } from './chain-client';
import { SendingWallet, type WalletOptions } from './wallet';

export const NETWORK_ID = -3;

/** A local chain as a process of its own, with nothing of this room in it. Its block clock stands still unless it is asked. */
export class LocalChainProcess {
  readonly folder = mkdtempSync(join(tmpdir(), 'cocoon-chain-'));
  private child: RunningChild | undefined;

  async start(port = 0): Promise<this> {
    const configFile = join(this.folder, 'chain.json');
    writeFileSync(configFile, JSON.stringify({ stateFolder: join(this.folder, 'state'), port, blockIntervalMs: 1_000_000 }));
    this.child = await startChild({ name: 'chain', script: join(__dirname, '..', 'localnet', 'chain', 'main'), configFile });
    return this;
  }

  get port(): number {
    return Number(this.child?.details.port);
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}/api/v2/jsonRPC`;
  }

  client(): ChainClient {
    return new ChainClient({ endpoint: this.endpoint, attempts: 1 });
  }

  /** A wallet in its own state file; the same number is the same key. */
  wallet(number: number, options: Partial<WalletOptions> = {}): Promise<SendingWallet> {
    return SendingWallet.open({
      client: this.client(),
      signer: signerFromSeed(Buffer.alloc(32, number)),
      networkId: NETWORK_ID,
      stateFile: join(this.folder, `wallet-${number}.json`),
      pollMs: 5,
      ...options,
    });
  }

  /** A root contract that lists nothing yet, paid for by its owner, who needs more than 1 TON; `comment` goes with the coins. */
  async deployRoot(owner: SendingWallet, comment?: string): Promise<RootContract> {
    const params = { minProxyStake: toNano(100), registrationFee: 0n, minProxyDelay: 60, maxImages: 8, maxModels: 8, maxProxies: 8 };
    const root = RootContract.create({ owner: owner.address, guardian: owner.address, networkId: NETWORK_ID, timelock: 5, params });
    const opened = this.client().open(root);
    await owner.sendVia((via) => opened.sendTopUp(via, { value: toNano(1), ...(comment === undefined ? {} : { comment }) }));
    return root;
  }

  async faucet(address: Address, amountNano: bigint): Promise<void> {
    await this.dev('faucet', { address: address.toRawString(), amountNano: amountNano.toString() });
  }

  async dev(name: 'faucet' | 'mine' | 'increaseTime', params: object): Promise<void> {
    const response = await fetch(`http://127.0.0.1:${this.port}/dev/${name}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(params),
    });
    if (!response.ok) throw new Error(`/dev/${name} answered ${response.status}`);
  }

  async kill(): Promise<void> {
    await this.child?.kill();
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true });
  }
}
