/** docs/fees.md as text. */
import { fromNano } from '@ton/core';
import { CONTRACTS, type Measured, totalGas } from './flows';
import { isMet, type Target, targetsOf } from './targets';

export function feesPage(measured: Measured): string {
  return `${[
    '# Gas, fees and code sizes',
    '<!-- Made by `npm run gas -- --write` from what the sandbox measures: change the code, not this page. -->',
    `Gas is the sum over all contracts of ours that a flow runs through. Fees are what the network takes for gas and for messages, in TON, without the sender's own wallet and without rent, at mainnet's prices of 2026 and at the six times dearer ones that the sandbox ships. Every message brings 1.2 times its minimum value unless its name says otherwise (a refund is a second message, from twice the minimum on); orders, funding and what the root is told through a proxy bring what the wrappers attach.`,
    '## Targets',
    table(['flow', 'measured', 'target', 'reference', 'met'], targetsOf(measured).map(targetRow)),
    'A charge settles any number of requests at once, and an anchor any number of receipts: both are measured with 10,000 below. The charge moves the coins in the same flow; that of the reference moves none.',
    '## Flows',
    table(
      ['flow', 'gas', 'TON, mainnet', 'TON, dear', 'gas by message'],
      Object.entries(measured.flows).map(([name, flow]) => [
        name,
        grouped(totalGas(flow)),
        ton(BigInt(flow.feesNano.mainnet)),
        ton(BigInt(flow.feesNano.dear)),
        Object.entries(flow.gas)
          .map(([message, gas]) => `${message} ${grouped(gas)}`)
          .join('; '),
      ]),
    ),
    '## Code',
    'Bytes of the bag of cells.',
    table(
      ['contract', 'bytes', 'cells'],
      CONTRACTS.map((name) => [name, grouped(measured.code[name].bocBytes), String(measured.code[name].cells)]),
    ),
    '## Minimum values',
    'Units of gas in `contracts/gas.tact`, and what a message that asks for just these has to bring, in TON: the gas and two plain messages. Where a constant is added to another (a receipt, a merge, a cell), only its gas is added.',
    table(
      ['constant', 'gas', 'TON, mainnet', 'TON, dear'],
      Object.entries(measured.minimums).map(([name, { gas, nano }]) => [
        `\`${name}\``,
        grouped(gas),
        ton(BigInt(nano.mainnet)),
        ton(BigInt(nano.dear)),
      ]),
    ),
  ].join('\n\n')}\n`;
}

export function targetRow(target: Target): readonly string[] {
  const unit = target.unit === 'gas' ? '' : ' bytes';
  const reference = target.reference === null ? 'none' : `${grouped(target.reference)}${unit}`;
  return [target.name, `${grouped(target.measured)}${unit}`, `${grouped(target.limit)}${unit}`, reference, isMet(target) ? 'yes' : 'NO'];
}

/** Columns of even width, as text and as Markdown. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(3, title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

function ton(nano: bigint): string {
  return Number(fromNano(nano)).toFixed(6);
}
