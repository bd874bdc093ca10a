/** One message: say what it will do, ask, send, wait for it, and look at what it did. */
import { type Address, type Cell, type StateInit, type Transaction, toNano } from '@ton/core';
import { exitCodeName } from '../errors';
import type { Desk } from './desk';
import { Refusal } from './refusal';
import { ton } from './words';

/** What a wallet keeps for its own transaction. */
const WALLET_FEE = toNano('0.02');

/** How many transactions of an account are searched for ours. */
const RECENT = 20;

export interface Plan {
  /** What will happen, in words: who, what, how much. */
  readonly says: readonly string[];
  readonly to: Address;
  /** NanoTON that leave the wallet with the message. */
  readonly value: bigint;
  readonly body?: Cell;
  readonly init?: StateInit;
  /** Contracts further on whose refusal would end it. */
  readonly watch?: readonly Address[];
  /** Looks at the chain: what has come of it, in words; null when it is not there (yet). */
  readonly effect: () => Promise<readonly string[] | null>;
}

/** What most messages say of their coins. */
export function forFees(value: bigint): string {
  return `  ${ton(value)} go along for fees; what is left comes back`;
}

/**
 * @throws Refusal when the wallet holds too little, when a contract refuses, or when nothing was seen in time
 */
export async function carryOut(desk: Desk, plan: Plan): Promise<void> {
  desk.ask.done();
  const wallet = await desk.wallet();
  const { balance } = await desk.account(wallet);
  const needed = plan.value + WALLET_FEE;
  if (balance < needed) throw new Refusal(`wallet ${wallet} holds ${ton(balance)}, this needs ${ton(needed)}`);
  desk.say([`From wallet ${wallet} to ${plan.to}:`, ...plan.says]);
  if (!(await desk.ui.prompt('Send it?'))) return desk.say(['Nothing was sent.']);

  const trail = [plan.to, ...(plan.watch ?? [])];
  const before = new Map<string, bigint>();
  for (const address of trail) before.set(address.toString(), (await desk.account(address)).last?.lt ?? 0n);
  const { to, value, body, init } = plan;
  await desk.provider.sender().send({ to, value, body: body ?? null, init: init ?? null });
  let landed: Transaction | null = null;
  for (let look = 0; look < desk.patience.looks; look++) {
    if (look > 0) await pause(desk.patience.pauseMs);
    desk.ui.setActionPrompt('waiting for the chain');
    landed ??= await transactionOf(desk, to, [wallet], before);
    const effect = landed === null ? null : await plan.effect();
    if (landed !== null && effect !== null) {
      desk.ui.clearActionPrompt();
      return desk.say([`Done in transaction ${landed.hash().toString('hex')}.`, ...effect]);
    }
    for (const address of plan.watch ?? []) await transactionOf(desk, address, trail, before);
  }
  desk.ui.clearActionPrompt();
  const what = landed === null ? 'the message has not arrived' : 'the message arrived, but its effect is not there';
  throw new Refusal(`${what} after ${desk.patience.looks} looks; it may still come: look again before you send again`);
}

/** The first new transaction of `address` that a message from one of `senders` caused. @throws Refusal when it failed */
async function transactionOf(
  desk: Desk,
  address: Address,
  senders: readonly Address[],
  before: ReadonlyMap<string, bigint>,
): Promise<Transaction | null> {
  const { last } = await desk.account(address);
  const since = before.get(address.toString()) ?? 0n;
  if (last === null || last.lt <= since) return null;
  const recent = await desk.provider.provider(address).getTransactions(address, last.lt, Buffer.from(last.hash), RECENT);
  const ours = recent.filter(({ lt, inMessage }) => {
    const info = inMessage?.info;
    return lt > since && info?.type === 'internal' && !info.bounced && senders.some((sender) => sender.equals(info.src));
  });
  const transaction = ours.at(-1);
  if (transaction === undefined) return null;
  const failure = failureOf(transaction);
  if (failure !== null) throw new Refusal(`${address} refused: ${failure}; the coins came back, less fees`);
  return transaction;
}

/** How a transaction failed; null when it did not. */
function failureOf({ description }: Transaction): string | null {
  if (description.type !== 'generic') return null;
  const { computePhase, actionPhase } = description;
  if (computePhase.type === 'skipped') return computePhase.reason === 'no-gas' ? 'too little value' : null;
  if (computePhase.exitCode > 1) return `${exitCodeName(computePhase.exitCode) ?? 'failed'} (exit code ${computePhase.exitCode})`;
  return actionPhase && !actionPhase.success ? `action phase failed (${actionPhase.resultCode})` : null;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((done) => setTimeout(done, milliseconds));
}
