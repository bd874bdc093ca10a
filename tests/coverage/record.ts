/**
 * Loaded into every test file by `npm run coverage`: writes down which instructions the executor ran, transactions and get-methods alike.
 * The tests themselves know nothing of it.
 */
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Executor } from '@ton/sandbox';
import { RECORDS, runsIn } from './places';

const runs = new Set<string>();

function record(log: string): void {
  for (const run of runsIn(log)) runs.add(run);
}

const { runTransaction, runGetMethod } = Executor.prototype;

Executor.prototype.runTransaction = async function (args) {
  const emulation = await runTransaction.call(this, { ...args, verbosity: 'full_location' });
  const { result } = emulation;
  record((result.success ? result.vmLog : result.vmResults?.vmLog) ?? '');
  return emulation;
};

Executor.prototype.runGetMethod = async function (args) {
  const answer = await runGetMethod.call(this, { ...args, verbosity: 'full_location' });
  if (answer.output.success) record(answer.output.vm_log);
  return answer;
};

afterAll(() => {
  const folder = process.env[RECORDS];
  if (folder === undefined) throw new Error(`${RECORDS} does not name a folder`);
  writeFileSync(join(folder, randomUUID()), [...runs].join('\n'));
});
