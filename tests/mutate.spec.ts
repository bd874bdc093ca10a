import { join } from 'node:path';
import { hashOf, readSources } from './mutate/contract-sources';
import { mutantsOf } from './mutate/mutants';
import { describe as inWords, readList, unexplained } from './mutate/survivor-list';

describe('tests/mutate/survivors.json', () => {
  const list = readList(join(__dirname, 'mutate', 'survivors.json'));

  test('is of these contract sources', () => {
    const verdict = list.sources === hashOf(readSources()) ? 'up to date' : 'of other sources: run `npm run mutate`';
    expect(verdict).toBe('up to date');
  });

  test('counts every mutant', () => {
    const { mutants, killed, sameCode, notCompiling, survivors } = list;
    expect(killed + sameCode + notCompiling + survivors.length).toBe(mutants);
    expect(mutants).toBe(mutantsOf(readSources()).length);
    expect(killed).toBeGreaterThan(0);
  });

  test('says of each survivor why no test needs to notice it', () => {
    expect(unexplained(list).map(inWords)).toEqual([]);
  });
});
