/** Adds coins to a contract of the network: a deposit, income, or rent. Usage: npx blueprint run topUp ADDRESS AMOUNT */
import type { NetworkProvider } from '@ton/blueprint';
import { type Address, toNano } from '@ton/core';
import { ClientContract } from '../wrappers/ClientContract';
import { parseAddress, parseAmount } from '../wrappers/console/answers';
import { carryOut } from '../wrappers/console/carry-out';
import { atDesk, type Desk } from '../wrappers/console/desk';
import { findClient, findProxy, findRoot, findWorker, nameOfCode } from '../wrappers/console/found';
import { Refusal } from '../wrappers/console/refusal';
import { moment, ton } from '../wrappers/console/words';
import { ProxyContract } from '../wrappers/ProxyContract';
import { WorkerContract } from '../wrappers/WorkerContract';
import type { Withdrawal } from '../wrappers/withdrawal';

/** Less would be eaten by the fee of the message that brings it: about 0.0001 TON, six times that at the dearest prices so far. */
const LEAST = toNano('0.001');

export function run(provider: NetworkProvider, args: string[]): Promise<void> {
  return atDesk(provider, args, async (desk) => {
    const address = await desk.ask.value('address of the contract', parseAddress);
    const purpose = await purposeOf(desk, address);
    const amount = await desk.ask.value('amount in TON', parseAmount);
    desk.ask.done();
    if (amount < LEAST) throw new Refusal(`amount of ${ton(amount)}, at least ${ton(LEAST)}: less would go in fees`);
    await carryOut(desk, {
      says: [
        `  top up ${address}: ${purpose.becomes}`,
        ...purpose.warns,
        `  ${ton(amount)} go along and stay there, less the fee of this message`,
      ],
      to: address,
      value: amount,
      effect: async () => [(await purposeOf(desk, address)).has],
    });
  });
}

/** What coins that come to a contract become there, and how much of that it has now. */
interface Purpose {
  readonly becomes: string;
  readonly has: string;
  readonly warns: readonly string[];
}

async function purposeOf(desk: Desk, address: Address): Promise<Purpose> {
  const account = await desk.account(address);
  const now = await desk.now();
  switch (nameOfCode(account.code)) {
    case 'ClientContract': {
      const { state, balance } = await findClient(desk, address);
      if (state.sessionKey === 0n) throw new Refusal('this channel is not open: run openChannel');
      const warns = leaving(state.withdrawal, now);
      return { becomes: `the deposit of ${state.terms.owner}`, has: `Deposit: ${ton(ClientContract.deposit(balance))}.`, warns };
    }
    case 'WorkerContract': {
      const { state, balance } = await findWorker(desk, address);
      const warns = leaving(state.withdrawal, now);
      return { becomes: `pays the worker of ${state.terms.owner}`, has: `Deposit: ${ton(WorkerContract.deposit(balance))}.`, warns };
    }
    case 'ProxyContract': {
      const { state, balance } = await findProxy(desk, address);
      const income = ton(ProxyContract.freeIncome(balance, state.stake));
      return { becomes: `free income of the proxy of ${state.terms.owner}`, has: `Free income: ${income}.`, warns: [] };
    }
    case undefined:
      if (account.type === 'frozen') throw new Refusal(`the account ${address} is frozen`);
      if (account.code === null) throw new Refusal(`nothing is deployed at ${address}`);
      // A root whose code was changed is known by its data.
      await findRoot(desk, address);
      break;
    case 'RootContract':
  }
  return { becomes: 'rent of the root; the owner may take what is above its reserve', has: `It holds ${ton(account.balance)}.`, warns: [] };
}

function leaving(withdrawal: Withdrawal | null, now: number): readonly string[] {
  if (withdrawal === null) return [];
  return [`  note: ${ton(withdrawal.amount)} are announced to leave, from ${moment(withdrawal.readyAt, now)}: new coins leave with them`];
}
