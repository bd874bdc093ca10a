/** Where every coin of the local network is, before and after: what `--once` shows and proves. */
import type { Address } from '@ton/core';
import type { ChainClient } from '../chain/chain-client';
import { explain, summarize, type TransactionSummary } from '../chain/explain';
import { formatTon } from '../core/money';

/** An account that people have a name for. */
export interface NamedAccount {
  readonly name: string;
  readonly address: Address;
}

/** Balances at one moment, in nanoTON, with how far each account's transactions had come. */
export interface Snapshot {
  readonly balances: ReadonlyMap<string, bigint>;
  readonly lastLt: ReadonlyMap<string, bigint>;
}

export async function takeSnapshot(client: ChainClient, accounts: readonly NamedAccount[]): Promise<Snapshot> {
  const read = await Promise.all(accounts.map(async ({ name, address }) => ({ name, account: await client.getAccount(address) })));
  return {
    balances: new Map(read.map(({ name, account }) => [name, account.balance])),
    lastLt: new Map(read.map(({ name, account }) => [name, account.lastLt])),
  };
}

/** The transactions of these accounts since a snapshot, in the order of the chain. */
export async function transactionsSince(
  client: ChainClient,
  accounts: readonly NamedAccount[],
  since: Snapshot,
): Promise<readonly { readonly account: string; readonly summary: TransactionSummary }[]> {
  const lists = await Promise.all(
    accounts.map(async ({ name, address }) =>
      (await client.transactionsOf(address, since.lastLt.get(name) ?? 0n)).map((transaction) => ({
        account: name,
        summary: summarize(transaction),
      })),
    ),
  );
  return lists.flat().sort((a, b) => (a.summary.lt < b.summary.lt ? -1 : 1));
}

/** A line for each transaction. */
export function transactionLines(
  transactions: readonly { readonly summary: TransactionSummary }[],
  nameOf: (address: Address) => string | undefined,
): string[] {
  return transactions.map(({ summary }) => explain(summary, nameOf));
}

/** A table: account, before, after, change, of which network fees. */
export function balanceLines(
  accounts: readonly NamedAccount[],
  before: Snapshot,
  after: Snapshot,
  fees: ReadonlyMap<string, bigint>,
): string[] {
  const rows = accounts.map(({ name }) => {
    const was = before.balances.get(name) ?? 0n;
    const is = after.balances.get(name) ?? 0n;
    const change = is - was;
    return [name, formatTon(was), formatTon(is), `${change > 0n ? '+' : ''}${formatTon(change)}`, formatTon(fees.get(name) ?? 0n)];
  });
  return table([['', 'before', 'after', 'change', 'of it network fees'], ...rows]);
}

/** What the network took from each account in these transactions. */
export function feesByAccount(
  transactions: readonly { readonly account: string; readonly summary: TransactionSummary }[],
): Map<string, bigint> {
  const fees = new Map<string, bigint>();
  for (const { account, summary } of transactions) fees.set(account, (fees.get(account) ?? 0n) + summary.feesNano);
  return fees;
}

/** Columns of even width: the first to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}
