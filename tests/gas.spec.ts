import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Measured, measure, totalGas } from './fees/flows';
import { feesPage } from './fees/page';
import { isMet, targetsOf } from './fees/targets';
import { known } from './world';

const HOUSE = join(__dirname, '..');

/** `npm run gas -- --write` makes table and page anew. */
describe('gas, fees and code sizes', () => {
  let measured: Measured;

  beforeAll(async () => {
    measured = await measure();
  });

  test('are those of tests/gas.json, to the unit', () => {
    expect(measured).toEqual(JSON.parse(readFileSync(join(__dirname, 'gas.json'), 'utf8')));
  });

  test('are what docs/fees.md says', () => {
    expect(feesPage(measured)).toBe(readFileSync(join(HOUSE, 'docs', 'fees.md'), 'utf8'));
  });

  test.each<[string, readonly string[]]>([
    ['deposit', ['client: deposit']],
    ['charge by voucher, coins moved', ['client: charge']],
    ['settle one receipt, five receipts', ['client: settle one receipt', 'client: settle five receipts']],
    ['unilateral exit, both messages', ['client: unilateral exit']],
    ['cooperative exit', ['client: cooperative exit']],
    ["worker's claim", ['worker: claim']],
    ['allow a hash, with the log', ['root: allow the fourth hash of a list']],
  ])('are what README.md says: %s', (row, names) => {
    const cells = readFileSync(join(HOUSE, 'README.md'), 'utf8')
      .split('\n')
      .map((line) => line.split('|').map((cell) => cell.trim()))
      .find(([, name]) => name === row);
    const gas = names.map((name) => totalGas(known(measured.flows[name])).toLocaleString('en-US'));
    expect(cells?.[2]).toBe(gas.join(', '));
  });

  test('meet every target', () => {
    expect(targetsOf(measured).filter((target) => !isMet(target))).toEqual([]);
  });

  test('of a charge do not depend on how many requests it settles', () => {
    const [one, many] = ['client: charge', 'client: charge 10,000 requests, 1,024 of them open'].map((name) => known(measured.flows[name]));
    expect(totalGas(known(many))).toBe(totalGas(known(one)));
  });

  test('miss a target that is one unit lower, and say so', () => {
    const missed = targetsOf(measured).map((target) => ({ ...target, limit: target.measured - 1 }));
    expect(missed.some(isMet)).toBe(false);
    expect(() => targetsOf({ ...measured, flows: {} })).toThrow('no flow is named client: deposit');
  });
});
