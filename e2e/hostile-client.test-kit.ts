import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Address } from '@ton/core';
import { walletContract } from '../offchain/chain/wallet';
import { Channel } from '../offchain/client/channel';
import { openCocoonClient } from '../offchain/client/cocoon-client';
import { signerFromSeed } from '../offchain/runtime/node-crypto';
import { type DevNetwork, raw, until } from './network.test-kit';

/** The real client with a wallet and a channel of its own, which keeps its vouchers to itself until it is told to sign. */
export interface UnsigningClient {
  readonly channel: Address;
  /** What each answer cost by its receipt, in nanoTON. */
  readonly costs: readonly bigint[];
  readonly owed: bigint;
  readonly lastNumber: bigint;
  /** One answer, paid for or not. */
  ask(): Promise<void>;
  /** Goes on asking until the proxy wants a voucher. */
  askUntilRefused(): Promise<void>;
  /** Is honest from now on. */
  sign(): void;
  /** Sends its newest voucher. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

const COINS = 10_000_000_000n;

export async function hostileClient(network: DevNetwork): Promise<UnsigningClient> {
  const { takeVoucher } = Channel.prototype;
  Channel.prototype.takeVoucher = async () => null;
  const sign = () => {
    Channel.prototype.takeVoucher = takeVoucher;
  };
  const folder = mkdtempSync(join(tmpdir(), 'cocoon-hostile-'));
  const seed = randomBytes(32);
  const ownerKeyFile = join(folder, 'owner.seed');
  writeFileSync(ownerKeyFile, seed.toString('hex'), { mode: 0o600 });
  const owner = walletContract(signerFromSeed(seed).publicKey, network.networkId).address;
  await network.faucet(owner, COINS);
  const client = await openCocoonClient({
    stateFolder: join(folder, 'client'),
    network: join(network.stateFolder, 'network.json'),
    owner: owner.toRawString(),
    ownerKeyFile,
    minImageAgeSec: 0,
    minModelAgeSec: 0,
    pollMs: 100,
  });
  const costs: bigint[] = [];
  let lastNumber = 0n;
  client.onAnswer(({ costNano, number }) => {
    costs.push(costNano);
    if (number > lastNumber) lastNumber = number;
  });
  await client.openChannel();
  const { channel } = await client.balance();
  const post = async () => {
    const body = JSON.stringify({ model: network.model, messages: [{ role: 'user', content: 'What is Cocoon?' }], max_tokens: 40 });
    const response = await client.fetch('http://cocoon/v1/chat/completions', { method: 'POST', body });
    await response.text();
    return response.status;
  };

  return {
    channel: raw(channel),
    costs,
    get owed() {
      return costs.reduce((sum, cost) => sum + cost, 0n);
    },
    get lastNumber() {
      return lastNumber;
    },
    ask: async () => {
      await until('an answer', async () => (await post()) === 200);
    },
    askUntilRefused: async () => {
      await until('a refusal', async () => (await post()) === 402);
    },
    sign,
    flush: () => client.settle(),
    close: async () => {
      sign();
      await client.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
