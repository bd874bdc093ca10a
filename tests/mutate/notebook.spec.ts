import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { known } from '../world';
import { judgesOf, likeliestFirst } from './judges';
import { mutantsOf } from './mutants';
import { Notebook } from './notebook';
import { listOf, readList, type SurvivorList, unexplained, writeList } from './survivor-list';

const [first, second, third] = mutantsOf(
  new Map([['a.tact', 'fun subject(s: Slice) {\n    s.endParse();\n    s.endParse();\n    throwUnless(7, isOwner(s));\n}\n']]),
).map((mutant) => known(mutant));
const [drop, dropAgain, unchecked] = [known(first), known(second), known(third)];
const MUTANTS = [drop, dropAgain, unchecked];

describe('the notebook of a run', () => {
  let folder: string;
  let path: string;
  const subject = { sources: 's1', tests: 't1' };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'notebook-'));
    path = join(folder, 'below', 'mutate.json');
    const notebook = Notebook.open(path, subject);
    notebook.greenMs = 5;
    notebook.record(drop, { kind: 'killed', spec: 'client.spec.ts', test: 'refuses' });
    notebook.record(dropAgain, { kind: 'survived' });
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  test('goes on where it stopped', () => {
    const notebook = Notebook.open(path, subject);
    expect(notebook.greenMs).toBe(5);
    expect(MUTANTS.map((mutant) => notebook.verdictOf(mutant)?.kind)).toEqual(['killed', 'survived', undefined]);
  });

  test('tries survivors again on other tests, which must be found fit first', () => {
    const notebook = Notebook.open(path, { ...subject, tests: 't2' });
    expect(notebook.greenMs).toBeUndefined();
    expect(MUTANTS.map((mutant) => notebook.verdictOf(mutant)?.kind)).toEqual(['killed', undefined, undefined]);
  });

  test('forgets all verdicts on other sources, and remembers who killed what', () => {
    const notebook = Notebook.open(path, { ...subject, sources: 's2' });
    expect(MUTANTS.map((mutant) => notebook.verdictOf(mutant))).toEqual([undefined, undefined, undefined]);
    expect(notebook.experienceWith(drop)).toEqual({ lastKiller: 'client.spec.ts', kills: new Map([['client.spec.ts', 1]]) });
    expect(notebook.experienceWith(unchecked).lastKiller).toBeUndefined();
  });

  test('begins anew when its file is damaged', () => {
    writeFileSync(path, '{"sources": "s1"');
    expect(Notebook.open(path, subject).verdictOf(drop)).toBeUndefined();
  });
});

describe('the list of survivors', () => {
  const empty: SurvivorList = { sources: '', mutants: 0, killed: 0, sameCode: 0, notCompiling: 0, survivors: [] };
  const everySurvived = listOf('s1', MUTANTS, () => ({ kind: 'survived' }), empty);

  test('counts each verdict once, one that never ended as killed', () => {
    const kinds = new Map([
      [drop.id, { kind: 'hung' } as const],
      [dropAgain.id, { kind: 'sameCode' } as const],
      [unchecked.id, { kind: 'refused' } as const],
    ]);
    const list = listOf('s1', MUTANTS, ({ id }) => kinds.get(id), empty);
    expect(list).toEqual({ ...empty, sources: 's1', mutants: 3, killed: 1, sameCode: 1, notCompiling: 1 });
    expect(() => listOf('s1', MUTANTS, () => undefined, empty)).toThrow(`no verdict on ${drop.id}`);
  });

  test('gives a new survivor no reason', () => {
    expect(everySurvived.survivors.map(({ line, original, mutated, reason }) => [line, original, mutated, reason])).toEqual([
      [2, 's.endParse();', '', ''],
      [3, 's.endParse();', '', ''],
      [4, 'throwUnless(7, isOwner(s));', '', ''],
    ]);
    expect(unexplained(everySurvived)).toHaveLength(3);
  });

  test('keeps reasons when lines move, each of two that look alike its own', () => {
    const reasons = ['the first', 'the second', ' '];
    const survivors = everySurvived.survivors.map((it, i) => ({ ...it, line: it.line + 40, reason: known(reasons[i]) }));
    const list = listOf('s2', MUTANTS, () => ({ kind: 'survived' }), { ...everySurvived, survivors });
    expect(list.survivors.map(({ line, reason }) => [line, reason])).toEqual([
      [2, 'the first'],
      [3, 'the second'],
      [4, ' '],
    ]);
    expect(unexplained(list).map(({ line }) => line)).toEqual([4]);
  });

  test('is read as it was written, and refused in another form', () => {
    const folder = mkdtempSync(join(tmpdir(), 'survivors-'));
    const path = join(folder, 'survivors.json');
    try {
      expect(readList(path)).toEqual(empty);
      writeList(path, everySurvived);
      expect(readList(path)).toEqual(everySurvived);
      writeFileSync(path, '{}');
      expect(() => readList(path)).toThrow('expected');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('the judges of a mutant', () => {
  const specs = ['client.spec.ts', 'flows.spec.ts', 'proxy-anchors.spec.ts', 'root.spec.ts'];

  test('are the specs of the contracts that it changes, and those of no contract', () => {
    expect(judgesOf(specs, ['ClientContract'])).toEqual(['client.spec.ts', 'flows.spec.ts']);
    expect(judgesOf(specs, ['ProxyContract', 'RootContract'])).toEqual(['flows.spec.ts', 'proxy-anchors.spec.ts', 'root.spec.ts']);
  });

  test('begin with its last killer, then with whoever killed most of that file, then with the spec named for it', () => {
    const none = { lastKiller: undefined, kills: new Map() };
    expect(likeliestFirst(specs, 'RootContract.tact', none)[0]).toBe('root.spec.ts');
    const kills = new Map([['flows.spec.ts', 2]]);
    expect(likeliestFirst(specs, 'RootContract.tact', { ...none, kills }).slice(0, 2)).toEqual(['flows.spec.ts', 'root.spec.ts']);
    expect(likeliestFirst(specs, 'RootContract.tact', { lastKiller: 'client.spec.ts', kills })[0]).toBe('client.spec.ts');
  });
});
