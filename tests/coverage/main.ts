/**
 * `npm run coverage`: runs the contracts' own tests, without the random walk, and says which instructions of the compiled contracts none
 * of them reached. Each of those must be in unreached.json with a reason, and nothing else may be there.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import jest from '../../jest.config';
import { type ContractName, codeHashOf, codeOf } from '../../wrappers/contract-code';
import { type AcceptedGap, compare, type Gap, gapsOf, sizeOf } from './gaps';
import { instructionsOf } from './instructions';
import { RECORDS, reachedIn } from './places';
import accepted from './unreached.json';

const HOUSE = join(__dirname, '..', '..');
const LIST = 'tests/coverage/unreached.json';
const ACCEPTED: Readonly<Record<ContractName, readonly AcceptedGap[]>> = accepted;
const CONTRACTS: readonly ContractName[] = ['RootContract', 'ProxyContract', 'ClientContract', 'WorkerContract'];

const USAGE = `npm run coverage -- [options for jest, as in -w 1]

Runs the contracts' own tests, without the random walk, and says which instructions of the compiled contracts none of them reached. Fails
when one of those is not in ${LIST} with its reason, or when something else is.`;

/** Runs the tests and gives the instructions that ran. @throws Error when a test fails */
function runTests(options: readonly string[]): string[] {
  const project = jest.projects?.find((each) => typeof each === 'object' && each.displayName === 'contracts');
  if (typeof project !== 'object') throw new Error('jest.config.ts has no project named contracts');
  const config = {
    ...project,
    rootDir: HOUSE,
    testTimeout: jest.testTimeout,
    testPathIgnorePatterns: ['<rootDir>/tests/walk/'],
    setupFilesAfterEnv: ['<rootDir>/tests/coverage/record.ts'],
  };
  const records = mkdtempSync(join(tmpdir(), 'coverage-'));
  try {
    const { status } = spawnSync(process.execPath, [require.resolve('jest/bin/jest'), '--config', JSON.stringify(config), ...options], {
      cwd: HOUSE,
      env: { ...process.env, [RECORDS]: records },
      stdio: 'inherit',
    });
    if (status !== 0) throw new Error('coverage is measured on tests that pass');
    return readdirSync(records).flatMap((file) => readFileSync(join(records, file), 'utf8').split('\n'));
  } finally {
    rmSync(records, { recursive: true });
  }
}

/** Prints the table and what is wrong with the list. Returns whether nothing is. */
function report(runs: readonly string[]): boolean {
  const print = (line: string) => process.stdout.write(`${line}\n`);
  const row = (...[name, ...counts]: readonly [string, ...(string | number)[]]) =>
    print(name.padEnd(16) + counts.map((count) => String(count).padStart(15)).join(''));
  const complaints: string[] = [];
  row('contract', 'instructions', 'reached', 'not reached', 'with a reason');
  for (const name of CONTRACTS) {
    const carried = new Set(CONTRACTS.filter((other) => other !== name).map(codeHashOf));
    const instructions = instructionsOf(codeOf(name), carried);
    const reached = reachedIn(codeHashOf(name), runs);
    // The tests compile the contracts first; by then this process has read the old code.
    if (reached.size === 0) throw new Error(`no test ran the ${name} of wrappers/code.json; if that was stale, run this again`);
    const gaps = gapsOf(instructions, reached);
    const { unlisted, stale } = compare(gaps, ACCEPTED[name]);
    const missed = sizeOf(gaps);
    row(name, instructions.length, instructions.length - missed, missed, missed - sizeOf(unlisted));
    const complain = (about: string, gap: Gap | AcceptedGap) => complaints.push(`${name}: ${about}\n${JSON.stringify(gap)}`);
    for (const gap of unlisted) complain(`not reached, and not in ${LIST}`, { ...gap, reason: '' });
    for (const gap of stale) complain(`in ${LIST}, and reached or gone`, gap);
    for (const gap of ACCEPTED[name]) if (gap.reason === '') complain(`in ${LIST} without a reason`, gap);
  }
  for (const complaint of complaints) print(`\n${complaint}`);
  return complaints.length === 0;
}

try {
  const options = process.argv.slice(2);
  if (options.includes('--help')) process.stdout.write(`${USAGE}\n`);
  else if (!report(runTests(options))) process.exitCode = 1;
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}
