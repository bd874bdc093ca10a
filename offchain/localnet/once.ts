/** `--once`: one question, and every coin that it moved. */
import { Address } from '@ton/core';
import { z } from 'zod';
import { ClientContract, WorkerContract } from '../chain/contracts';
import { formatTon } from '../core/money';
import { nano } from '../protocol/fields';
import { pause } from '../runtime/repeat';
import type { LocalNetwork } from './local-network';
import { LocalnetError } from './parties';
import {
  balanceLines,
  feesByAccount,
  type NamedAccount,
  type Snapshot,
  takeSnapshot,
  transactionLines,
  transactionsSince,
} from './statement-of-money';

const completion = z.object({ choices: z.array(z.object({ message: z.object({ content: z.string().nullable() }) })).min(1) });

/** What the client says of its last answer. */
const lastAnswer = z.object({
  costNano: nano,
  evidenceReport: z.string(),
  receiptText: z.string(),
  simulated: z.boolean(),
  modelProven: z.boolean(),
});

const proxyDetails = z.object({ contract: z.string(), operator: z.string() });
const proxyState = z.object({ workers: z.array(z.object({ contract: z.string(), owner: z.string(), owedNano: nano })) });

/** How long coins may take to where they belong. */
const SETTLE_MS = 30_000;

/** Asks, settles, shows. @returns whether all of it holds */
export async function askOnce(network: LocalNetwork, question: string, say: (line: string) => void): Promise<boolean> {
  const proxy = proxyDetails.parse(network.child('proxy').details);
  const channel = Address.parseRaw(String(network.child('client').details.channel));
  const workers = proxyState.parse(await network.command('proxy', 'state')).workers;
  const worker = workers[0];
  if (worker === undefined) throw new LocalnetError('no_worker', 'the proxy has no worker');
  const workerContract = Address.parseRaw(worker.contract);
  const accounts: NamedAccount[] = [
    { name: 'client owner', address: network.parties.address('clientOwner') },
    { name: 'client channel', address: channel },
    { name: 'operator', address: network.parties.address('operator') },
    { name: 'proxy contract', address: Address.parseRaw(proxy.contract) },
    { name: 'proxy owner', address: network.parties.address('proxyOwner') },
    { name: 'worker channel', address: workerContract },
    { name: 'gas wallet', address: network.parties.address('gasWallet') },
    { name: 'worker owner', address: network.parties.address('workerOwner') },
  ];
  const nameOf = (address: Address) => accounts.find((account) => account.address.equals(address))?.name ?? network.parties.nameOf(address);
  const before = await takeSnapshot(network.chain, accounts);
  const paidBefore = { client: await paidByClient(network, channel), worker: await paidToWorker(network, workerContract) };

  const text = await ask(network, question);
  const answer = lastAnswer.parse(await network.command('client', 'last'));
  say(`\nQuestion: ${question}\nAnswer:   ${text}\n`);
  say(`${answer.evidenceReport}\n`);
  say(`${answer.receiptText}\n`);

  const due = { client: answer.costNano, worker: await dueToWorker(network, worker.contract, worker.owedNano) };
  await until('the proxy charges the channel', async () => {
    await network.command('proxy', 'settle');
    return (await paidByClient(network, channel)) - paidBefore.client >= due.client;
  });
  await until('the worker is paid', async () => {
    await network.command('worker', 'claim');
    return (await paidToWorker(network, workerContract)) - paidBefore.worker >= due.worker;
  });
  await until('all messages have arrived', async () => isQuiet(network, accounts));

  const after = await takeSnapshot(network.chain, accounts);
  const transactions = await transactionsSince(network.chain, accounts, before);
  say('Transactions:');
  for (const line of transactionLines(transactions, nameOf)) say(`  ${line}`);
  say('\nBalances in TON:');
  for (const line of balanceLines(accounts, before, after, feesByAccount(transactions))) say(`  ${line}`);

  const moved = {
    client: (await paidByClient(network, channel)) - paidBefore.client,
    worker: (await paidToWorker(network, workerContract)) - paidBefore.worker,
  };
  const failures = transactions.filter(({ summary }) => summary.failure !== null);
  const checks: readonly (readonly [string, boolean])[] = [
    ['an answer came back', text.trim() !== ''],
    [`the receipt's cost, ${formatTon(due.client)} TON, left the channel for the proxy`, moved.client === due.client],
    [`the worker's share, ${formatTon(due.worker)} TON, reached its owner`, moved.worker === due.worker],
    ["the worker's owner has exactly that more", changeOf('worker owner', before, after) === due.worker],
    ['no transaction failed', failures.length === 0],
  ];
  say('');
  for (const [what, holds] of checks) say(`  ${holds ? 'ok  ' : 'FAIL'} ${what}`);
  if (answer.simulated) say('\nSIMULATED: a development root vouched for the guest, no hardware did.');
  if (!answer.modelProven) say('MODEL NOT PROVEN: nothing shows which weights answered.');
  return checks.every(([, holds]) => holds);
}

async function ask(network: LocalNetwork, question: string): Promise<string> {
  const response = await fetch(`${network.gatewayUrl}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: network.modelName, messages: [{ role: 'user', content: question }] }),
  });
  const body: unknown = await response.json();
  if (!response.ok) throw new LocalnetError('no_answer', `the gateway answered ${response.status}: ${JSON.stringify(body)}`);
  return completion.parse(body).choices[0]?.message.content ?? '';
}

async function paidByClient(network: LocalNetwork, channel: Address): Promise<bigint> {
  const { data } = await network.chain.getAccount(channel);
  return data === null ? 0n : ClientContract.parseState(data).paid;
}

async function paidToWorker(network: LocalNetwork, contract: Address): Promise<bigint> {
  const { data } = await network.chain.getAccount(contract);
  return data === null ? 0n : WorkerContract.parseState(data).paid;
}

async function dueToWorker(network: LocalNetwork, contract: string, before: bigint): Promise<bigint> {
  const { workers } = proxyState.parse(await network.command('proxy', 'state'));
  return (workers.find((worker) => worker.contract === contract)?.owedNano ?? before) - before;
}

/** Whether two looks, a block apart, show the same. */
async function isQuiet(network: LocalNetwork, accounts: readonly NamedAccount[]): Promise<boolean> {
  const first = await takeSnapshot(network.chain, accounts);
  const seqno = (await network.chain.latestBlock()).seqno;
  await until('a block passes', async () => (await network.chain.latestBlock()).seqno > seqno);
  const second = await takeSnapshot(network.chain, accounts);
  return accounts.every(({ name }) => first.lastLt.get(name) === second.lastLt.get(name));
}

function changeOf(name: string, before: Snapshot, after: Snapshot): bigint {
  return (after.balances.get(name) ?? 0n) - (before.balances.get(name) ?? 0n);
}

/** @throws LocalnetError timeout */
async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const never = new AbortController().signal;
  const end = Date.now() + SETTLE_MS;
  while (!(await isSo())) {
    if (Date.now() > end) throw new LocalnetError('timeout', `waited ${SETTLE_MS / 1000} s until ${what}`);
    await pause(100, never);
  }
}
