/**
 * Takes a client's deposit out of its channel: announce, wait for the delay, complete.
 * Usage: npx blueprint run withdraw CHANNEL request AMOUNT|everything, then withdraw CHANNEL complete (or cancel)
 */
import type { NetworkProvider } from '@ton/blueprint';
import { ClientContract, type ClientState } from '../wrappers/ClientContract';
import { parseAddress, parseAmount } from '../wrappers/console/answers';
import { carryOut, forFees } from '../wrappers/console/carry-out';
import { atDesk, type Desk } from '../wrappers/console/desk';
import { type Found, findClient } from '../wrappers/console/found';
import { Refusal } from '../wrappers/console/refusal';
import { date, moment, span, ton } from '../wrappers/console/words';
import { EVERYTHING } from '../wrappers/withdrawal';

export function run(provider: NetworkProvider, args: string[]): Promise<void> {
  return atDesk(provider, args, async (desk) => {
    const channel = await findClient(desk, await desk.ask.value('address of the channel', parseAddress));
    switch (await desk.ask.choice('what to do', ['request', 'complete', 'cancel'] as const)) {
      case 'request':
        return request(desk, channel);
      case 'complete':
        return complete(desk, channel);
      case 'cancel':
        return cancel(desk, channel);
    }
  });
}

async function request(desk: Desk, channel: Found<ClientState>): Promise<void> {
  await requireOwner(desk, channel);
  const { address, balance, state } = channel;
  const deposit = ClientContract.deposit(balance);
  const amount = await desk.ask.value('amount in TON, or everything', (text) => (text === 'everything' ? EVERYTHING : parseAmount(text)));
  if (amount !== EVERYTHING && amount > deposit)
    throw new Refusal(`${ton(amount)} asked, and the deposit is ${ton(deposit)}; 'everything' takes the reserve, too`);
  if (amount === EVERYTHING && balance === 0n) throw new Refusal('the channel is empty');
  const { withdrawal, terms } = state;
  await carryOut(desk, {
    says: [
      `  announce that ${ton(amount)} leave the channel ${address}, which holds ${ton(balance)}`,
      `  it can be completed ${span(terms.withdrawDelay)} later; until then the proxy can charge what is owed`,
      ...(withdrawal === null ? [] : [`  replaces the announced ${ton(withdrawal.amount)}, and the delay begins anew`]),
      forFees(ClientContract.VALUE.requestWithdrawal),
    ],
    to: address,
    value: ClientContract.VALUE.requestWithdrawal,
    body: ClientContract.requestWithdrawalBody({ amount }),
    effect: async () => {
      const announced = (await findClient(desk, address)).state.withdrawal;
      if (announced?.amount !== amount) return null;
      return [`Announced: ${ton(amount)}, to be completed from ${moment(announced.readyAt, await desk.now())}.`];
    },
  });
}

/** Anybody may complete: the coins go to the owner all the same. */
async function complete(desk: Desk, { address, balance, state }: Found<ClientState>): Promise<void> {
  desk.ask.done();
  const { withdrawal, terms } = state;
  if (withdrawal === null) throw new Refusal('no withdrawal is announced');
  const now = await desk.now();
  const { amount, readyAt } = withdrawal;
  if (now < Number(readyAt)) throw new Refusal(`too early: it can be completed from ${date(readyAt)}, in ${span(Number(readyAt) - now)}`);
  const payable = amount === EVERYTHING ? balance : ClientContract.deposit(balance);
  if (payable === 0n)
    throw new Refusal(`there is nothing to pay: the channel holds ${ton(balance)}, and only 'everything' takes the reserve`);
  await carryOut(desk, {
    says: [
      `  pay ${ton(amount)} out of the channel ${address}, which holds ${ton(balance)}, to its owner ${terms.owner}`,
      forFees(ClientContract.VALUE.completeWithdrawal),
    ],
    to: address,
    value: ClientContract.VALUE.completeWithdrawal,
    body: ClientContract.completeWithdrawalBody(),
    effect: async () => {
      const left = await findClient(desk, address);
      if (left.state.withdrawal !== null) return null;
      return [`Paid to ${terms.owner}: ${ton(balance - left.balance)}; ${ton(left.balance)} are left in the channel.`];
    },
  });
}

async function cancel(desk: Desk, channel: Found<ClientState>): Promise<void> {
  await requireOwner(desk, channel);
  const { address, state } = channel;
  if (state.withdrawal === null) throw new Refusal('no withdrawal is announced');
  await carryOut(desk, {
    says: [
      `  take back the announced withdrawal of ${ton(state.withdrawal.amount)} from ${address}`,
      forFees(ClientContract.VALUE.requestWithdrawal),
    ],
    to: address,
    value: ClientContract.VALUE.requestWithdrawal,
    body: ClientContract.requestWithdrawalBody({ amount: 0n }),
    effect: async () => ((await findClient(desk, address)).state.withdrawal === null ? ['No withdrawal is announced any more.'] : null),
  });
}

async function requireOwner(desk: Desk, { state }: Found<ClientState>): Promise<void> {
  const wallet = await desk.wallet();
  const { owner } = state.terms;
  if (!owner.equals(wallet)) throw new Refusal(`only the owner ${owner} may do this, and the wallet is ${wallet}`);
}
