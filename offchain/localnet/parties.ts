/** The people of the local network: their keys, their wallets, and the coins that they begin with. */
import { dirname, join } from 'node:path';
import type { Address } from '@ton/core';
import { z } from 'zod';
import type { ChainClient } from '../chain/chain-client';
import { SendingWallet, walletContract } from '../chain/wallet';
import { CocoonError } from '../core/errors';
import { signerFromSeed } from '../runtime/node-crypto';
import { loadOrCreateSeed, openStateFolder } from '../runtime/state-folder';
import { GRANTS, NETWORK_ID, type Party } from './settings';

/** The local network cannot do what it was asked to. */
export class LocalnetError extends CocoonError {}

const devAnswer = z.object({ ok: z.boolean(), error: z.string().optional() });

export class Parties {
  private readonly addresses = new Map<Party, Address>();

  constructor(private readonly stateFolder: string) {
    for (const party of PARTIES) {
      this.addresses.set(party, walletContract(signerFromSeed(this.seed(party)).publicKey, NETWORK_ID).address);
    }
  }

  /** Where a party's key is: processes that hold one have it in their own folder. */
  keyFile(party: Party): string {
    switch (party) {
      case 'operator':
        return join(this.stateFolder, 'proxy', 'keys', 'operator-wallet.seed');
      case 'gasWallet':
        return join(this.stateFolder, 'worker', 'keys', 'gas-wallet.seed');
      default:
        return join(this.stateFolder, 'wallets', `${party}.seed`);
    }
  }

  address(party: Party): Address {
    const address = this.addresses.get(party);
    if (address === undefined) throw new LocalnetError('unknown_party', `there is no ${party}`);
    return address;
  }

  /** Name of an address in what people read; undefined for a stranger's. */
  nameOf(address: Address): string | undefined {
    return PARTIES.find((party) => this.address(party).equals(address))?.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  }

  /** Gives coins to every wallet that has none and never had any. */
  async fund(client: ChainClient, devUrl: string): Promise<void> {
    await Promise.all(
      PARTIES.map(async (party) => {
        const account = await client.getAccount(this.address(party));
        if (account.lastLt === 0n) await faucet(devUrl, this.address(party), GRANTS[party]);
      }),
    );
  }

  /** A party's wallet. One user at a time. */
  wallet(client: ChainClient, party: Party): Promise<SendingWallet> {
    return SendingWallet.open({
      client,
      signer: signerFromSeed(this.seed(party)),
      networkId: NETWORK_ID,
      stateFile: join(this.stateFolder, 'wallets', `${party}.json`),
      pollMs: 50,
    });
  }

  private seed(party: Party): Uint8Array {
    const file = this.keyFile(party);
    openStateFolder(dirname(file));
    return loadOrCreateSeed(file);
  }
}

const PARTIES = ['rootOwner', 'guardian', 'proxyOwner', 'operator', 'workerOwner', 'gasWallet', 'clientOwner'] as const;

/** Coins from nothing. */
export async function faucet(devUrl: string, address: Address, amount: bigint): Promise<void> {
  await callDev(devUrl, 'faucet', { address: address.toRawString(), amountNano: amount.toString() });
}

async function callDev(devUrl: string, method: string, params: Readonly<Record<string, unknown>>): Promise<void> {
  const response = await fetch(`${devUrl}/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(params),
  });
  const answer = devAnswer.parse(await response.json());
  if (!answer.ok) throw new LocalnetError('dev_call_failed', `${method}: ${answer.error ?? response.status}`);
}
