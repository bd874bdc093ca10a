import type { NetworkProvider, UIProvider } from '@ton/blueprint';
import { Address, Cell, type ContractState } from '@ton/core';
import { TonClient, TonClient4 } from '@ton/ton';
import { z } from 'zod';
import { parseAddress } from './answers';
import { Ask } from './ask';
import { Refusal } from './refusal';

/** The node tells the time of its last block with the state of whatever account it is asked for. */
const ANY_ACCOUNT = new Address(0, Buffer.alloc(32));

/** How long a script waits for the chain. */
export interface Patience {
  readonly looks: number;
  readonly pauseMs: number;
}

/** Two minutes: a few blocks of a busy network. */
const PATIENCE: Patience = { looks: 240, pauseMs: 500 };

/** An account as the chain has it now. */
export interface Account {
  readonly address: Address;
  readonly type: ContractState['state']['type'];
  /** NanoTON. */
  readonly balance: bigint;
  readonly code: Cell | null;
  readonly data: Cell | null;
  /** Its last transaction; null when there is none. */
  readonly last: ContractState['last'];
}

/** Of toncenter's HTTP API, in an error of its client. */
const nodeAnswer = z.object({ response: z.object({ data: z.object({ error: z.string() }) }) });

/** Where a script stands: the person, the chain, and the wallet that signs. */
export class Desk {
  readonly ui: UIProvider;
  readonly ask: Ask;
  private signer: Address | undefined;

  constructor(
    readonly provider: NetworkProvider,
    args: readonly string[],
    readonly patience: Patience = PATIENCE,
  ) {
    this.ui = provider.ui();
    this.ask = new Ask(this.ui, args);
    this.signer = provider.sender().address;
  }

  say(lines: readonly string[]): void {
    for (const line of lines) this.ui.write(line);
  }

  /** The wallet that signs. One that blueprint does not know (a deep link) is asked for. */
  async wallet(): Promise<Address> {
    this.signer ??= await this.ask.value('address of the wallet that will sign', parseAddress);
    return this.signer;
  }

  async account(address: Address): Promise<Account> {
    const { balance, last, state } = await this.provider.getContractState(address);
    const cell = (boc: Uint8Array | null | undefined) => (boc ? Cell.fromBoc(Buffer.from(boc))[0] : undefined) ?? null;
    const [code, data] = state.type === 'active' ? [cell(state.code), cell(state.data)] : [null, null];
    return { address, type: state.type, balance, code, data, last };
  }

  /** Unix seconds of the chain, which decides whether something is due: the node's last block. */
  async now(): Promise<number> {
    const api = this.provider.api();
    if (api instanceof TonClient) return (await api.getContractState(ANY_ACCOUNT)).timestampt;
    if (api instanceof TonClient4) return (await api.getLastBlock()).now;
    return Math.floor(Date.now() / 1_000);
  }
}

/** Runs a script. What the node or the network fails at becomes one line; a defect of the script keeps its trace. */
export async function atDesk(provider: NetworkProvider, args: readonly string[], work: (desk: Desk) => Promise<void>): Promise<void> {
  try {
    await work(new Desk(provider, args));
  } catch (error) {
    if (error instanceof Error && !(error instanceof Refusal) && isOfTheNetwork(error)) {
      throw new Refusal(`the chain's node did not do it: ${reasonOf(error)}`);
    }
    throw error;
  }
}

/** What the node itself says, where it answered; else what the connection says. */
function reasonOf(error: Error): string {
  const said = nodeAnswer.safeParse(error);
  return said.success ? said.data.response.data.error : error.message || 'no connection';
}

/** Errors of sockets and of HTTP carry a code in letters (ECONNREFUSED, ERR_BAD_RESPONSE). */
function isOfTheNetwork(error: Error): boolean {
  return 'code' in error && typeof error.code === 'string' && /^E[A-Z_]+$/.test(error.code);
}
