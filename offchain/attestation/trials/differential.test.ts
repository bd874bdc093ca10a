import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compareWithOthers } from './differential';
import { KNOWN_DIFFERENCES } from './known-differences';

/** Thousands by `npm run test:attestation`. */
const CASES = 600;
const SEED = 4;

test('two other verifiers judge as ours does, but for differences that are known', async () => {
  const result = await compareWithOthers(SEED, CASES, 'real');
  expect(result.unexplained).toEqual([]);
  expect(result.cases).toBe(CASES);
  // Cases that nobody accepts would agree, too.
  expect(result.accepted).toBeGreaterThan(CASES / 20);
  expect(result.agreed).toBeGreaterThan(CASES);
  // Half of the list at least; all of it in the long run.
  expect(result.known.size).toBeGreaterThan(KNOWN_DIFFERENCES.length / 2);
});

test('docs/attestation-differences.md has every known difference, and no other', () => {
  const text = readFileSync(join(__dirname, '..', '..', '..', 'docs', 'attestation-differences.md'), 'utf8');
  const lines = KNOWN_DIFFERENCES.map(({ id, others, reason }) => `| \`${id}\` | ${others.join(', ')} | ${reason} |`);
  expect(text.split('\n').filter((line) => line.startsWith('| `'))).toEqual(lines);
  expect(new Set(KNOWN_DIFFERENCES.map(({ id }) => id)).size).toBe(KNOWN_DIFFERENCES.length);
});
