/**
 * `npm run gas`: measures every flow and prints the targets beside what was measured. Exits with 1 when a target is missed, or when
 * tests/gas.json or docs/fees.md say something else.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildContracts } from '../../contracts/build';
import { type Measured, measure } from './flows';
import { feesPage, table, targetRow } from './page';
import { isMet, targetsOf } from './targets';

const HOUSE = join(__dirname, '..', '..');

function filesOf(measured: Measured): ReadonlyMap<string, string> {
  return new Map([
    ['tests/gas.json', `${JSON.stringify(measured, null, 2)}\n`],
    ['docs/fees.md', feesPage(measured)],
  ]);
}

const USAGE = `npm run gas -- [--check | --write]

Measures every flow of messages and prints the targets beside what was measured. Fails when a target is missed, or when tests/gas.json
or docs/fees.md say something else.

  --check  without the table
  --write  makes both files anew`;

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { check: { type: 'boolean' }, write: { type: 'boolean' }, help: { type: 'boolean' } } });
  if (values.help === true) {
    console.log(USAGE);
    return;
  }
  await buildContracts();
  const measured = await measure();
  const targets = targetsOf(measured);
  if (values.check !== true) console.log(table(['flow', 'measured', 'target', 'reference', 'met'], targets.map(targetRow)));
  for (const { name, measured: value, limit } of targets.filter((target) => !isMet(target))) {
    console.error(`${name}: ${value}, target ${limit}`);
    process.exitCode = 1;
  }
  for (const [file, text] of filesOf(measured)) {
    const path = join(HOUSE, file);
    if (values.write === true) writeFileSync(path, text);
    if (readFileSync(path, { encoding: 'utf8', flag: 'a+' }) === text) continue;
    console.error(`${file} is not what was measured: run npm run gas -- --write and commit`);
    process.exitCode = 1;
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
