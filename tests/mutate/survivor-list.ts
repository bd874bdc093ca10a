import { readFileSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import type { Mutant } from './mutants';
import type { Verdict } from './notebook';

const Survivor = z.strictObject({
  file: z.string(),
  line: z.number(),
  within: z.string(),
  original: z.string(),
  mutated: z.string(),
  /** Why no test can tell it from the original, or why none needs to; empty until somebody has said it. */
  reason: z.string(),
});
export type Survivor = z.infer<typeof Survivor>;

const SurvivorList = z.strictObject({
  /** Hash of the sources that were mutated. */
  sources: z.string(),
  mutants: z.number(),
  killed: z.number(),
  /** Compiled to the very code of the original: no test could ever tell. */
  sameCode: z.number(),
  notCompiling: z.number(),
  survivors: z.array(Survivor),
});
export type SurvivorList = z.infer<typeof SurvivorList>;

const NOTHING: SurvivorList = { sources: '', mutants: 0, killed: 0, sameCode: 0, notCompiling: 0, survivors: [] };

/** The checked-in list; without a file, an empty one. @throws ZodError for a list of another form */
export function readList(path: string): SurvivorList {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return NOTHING;
  }
  return SurvivorList.parse(JSON.parse(text));
}

export function writeList(path: string, list: SurvivorList): void {
  writeFileSync(path, `${JSON.stringify(list, null, 2)}\n`);
}

/** The list after a whole run; reasons pass over from the list before. @throws Error for a mutant without a verdict */
export function listOf(
  sources: string,
  mutants: readonly Mutant[],
  verdictOf: (mutant: Mutant) => Verdict | undefined,
  before: SurvivorList,
): SurvivorList {
  const counts = { killed: 0, hung: 0, survived: 0, sameCode: 0, refused: 0 };
  const survivors: Survivor[] = [];
  const given = [...before.survivors];
  for (const mutant of mutants) {
    const verdict = verdictOf(mutant);
    if (verdict === undefined) throw new Error(`no verdict on ${mutant.id}`);
    counts[verdict.kind]++;
    if (verdict.kind !== 'survived') continue;
    // Of two that look alike, each keeps its own reason, in the order of the text.
    const known = given.findIndex((it) => isSameChange(it, mutant));
    const [taken] = known === -1 ? [] : given.splice(known, 1);
    const { file, line, within, original, mutated } = mutant;
    survivors.push({ file, line, within, original, mutated, reason: taken?.reason ?? '' });
  }
  const { killed, hung, sameCode, refused } = counts;
  return { sources, mutants: mutants.length, killed: killed + hung, sameCode, notCompiling: refused, survivors };
}

/** The survivors that nobody has explained. */
export function unexplained(list: SurvivorList): readonly Survivor[] {
  return list.survivors.filter(({ reason }) => reason.trim() === '');
}

/** `ClientContract.tact:94 ClientContract.charge` and the change, in three lines. */
export function describe({ file, line, within, original, mutated }: Omit<Survivor, 'reason'>): string {
  return `${file}:${line} ${within}\n  - ${original}\n  + ${mutated}`;
}

function isSameChange(a: Omit<Survivor, 'reason'>, b: Omit<Survivor, 'reason'>): boolean {
  return a.file === b.file && a.within === b.within && a.original === b.original && a.mutated === b.mutated;
}
