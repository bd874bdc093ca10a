import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Code, Compiler } from './compile';
import { contractsWith, type Sources } from './contract-sources';
import { wasteful } from './control';
import { judgesIn, judgesOf, likeliestFirst } from './judges';
import { Lane, type Outcome } from './lane';
import type { Mutant } from './mutants';
import type { Notebook, Verdict } from './notebook';
import { describe, type SurvivorList } from './survivor-list';

/** Nobody waits for the specs longer than this before they have been timed. */
const FIRST_PATIENCE_MS = 15 * 60_000;

/** A mutant's specs may take three times what they take without one, and a minute for a busy machine. */
const patienceOf = (greenMs: number): number => 3 * greenMs + 60_000;

export interface Job {
  readonly house: string;
  /** A folder that does not exist yet. */
  readonly scratch: string;
  readonly lanes: number;
  readonly sources: Sources;
  readonly mutants: readonly Mutant[];
  readonly compiler: Compiler;
  readonly notebook: Notebook;
  readonly signal: AbortSignal;
}

/** Gives every mutant a verdict, or as many as there are until `signal`. @throws Error when the specs are not fit to judge */
export async function tryAll(job: Job, say: (line: string) => void): Promise<void> {
  const { house, scratch, sources, mutants, compiler, notebook, signal } = job;
  const pending = mutants.filter((mutant) => notebook.verdictOf(mutant) === undefined);
  say(`${mutants.length} mutants, ${mutants.length - pending.length} with a verdict from an earlier run`);
  if (pending.length === 0) return;

  const specs = judgesIn(join(house, 'tests'));
  const original = await codeOf(compiler, sources);
  mkdirSync(scratch);
  const lanes = Array.from({ length: job.lanes }, (_, i) => Lane.create(house, join(scratch, `lane-${i}`)));
  const greenMs = notebook.greenMs ?? (await examine(job, lanes, original, specs, say));
  if (greenMs === undefined) return;
  notebook.greenMs = greenMs;

  const startedMs = performance.now();
  const queue = pending.values();
  let done = 0;
  let isBroken = false;
  const work = async (lane: Lane) => {
    for (const mutant of queue) {
      if (isBroken || signal.aborted) return;
      const verdict = await verdictOn(mutant, job, lane, original, specs, patienceOf(greenMs));
      notebook.record(mutant, verdict);
      done++;
      if (verdict.kind === 'survived') say(`survived: ${describe(mutant)}`);
      if (done % 10 === 0 || done === pending.length) say(progress(done, pending.length, performance.now() - startedMs));
    }
  };
  const ends = await Promise.allSettled(
    lanes.map((lane) =>
      work(lane).catch((error: unknown) => {
        isBroken = true;
        throw error;
      }),
    ),
  );
  for (const end of ends) if (end.status === 'rejected' && !signal.aborted) throw end.reason;
}

/** Compiles a mutant and lets the specs judge it. @throws Error when the run was stopped */
async function verdictOn(
  mutant: Mutant,
  { sources, compiler, notebook, signal }: Job,
  lane: Lane,
  original: Code,
  specs: readonly string[],
  timeoutMs: number,
): Promise<Verdict> {
  const { file, text } = mutant;
  const compiled = await compiler.compile(new Map([...sources, [file, text]]), file);
  if (compiled.kind === 'refused') return { kind: 'refused' };
  const isSame = Object.entries(compiled.code).every(([name, { hash }]) => original[name]?.hash === hash);
  if (isSame) return { kind: 'sameCode' };
  const order = likeliestFirst(judgesOf(specs, contractsWith(file, sources)), file, notebook.experienceWith(mutant));
  const trial = { texts: new Map([[file, text]]), code: { ...original, ...compiled.code }, specs: order, timeoutMs };
  return verdictOf(await lane.judge(trial, signal));
}

function verdictOf(outcome: Outcome): Verdict {
  switch (outcome.kind) {
    case 'green':
      return { kind: 'survived' };
    case 'red':
      return { kind: 'killed', spec: outcome.spec, test: outcome.test };
    case 'hung':
      return { kind: 'hung' };
  }
}

/** Runs the specs on the contracts as they are and on the same at another price; how long the first took, in milliseconds. */
async function examine(
  { sources, compiler, signal }: Job,
  lanes: readonly Lane[],
  original: Code,
  specs: readonly string[],
  say: (line: string) => void,
): Promise<number | undefined> {
  const [first, second] = [lanes[0], lanes[1] ?? lanes[0]];
  if (first === undefined || second === undefined) throw new Error('no lane to test in');
  say(`first the ${specs.length} specs without a mutant, and on contracts that only cost more`);
  const startedMs = performance.now();
  const judge = async (lane: Lane, texts: Sources, code: Code, complaint: string) => {
    const outcome = await lane.judge({ texts, code, specs, timeoutMs: FIRST_PATIENCE_MS, isPatient: true }, signal);
    if (outcome.kind === 'hung') throw new Error(`${complaint}: the specs did not end in ${FIRST_PATIENCE_MS / 60_000} minutes`);
    if (outcome.kind === 'red') throw new Error(`${complaint}\n${outcome.message}`);
  };
  try {
    await judge(first, new Map(), original, 'a test is red without any mutant');
    const greenMs = performance.now() - startedMs;
    const waste = wasteful(sources);
    const changed = new Map([...waste].filter(([file, text]) => sources.get(file) !== text));
    const complaint =
      'a test measures gas or size and would see any mutant: end its name in "(exact gas)" or "(exact size)", or see judges.ts';
    const code = await codeOf(compiler, waste);
    const untouched = Object.keys(code).filter((name) => code[name]?.hash === original[name]?.hash);
    if (untouched.length > 0) throw new Error(`the control changes nothing in ${untouched.join(', ')}: see control.ts`);
    await judge(second, changed, code, complaint);
    return greenMs;
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

async function codeOf(compiler: Compiler, sources: Sources): Promise<Code> {
  const compiled = await compiler.compile(sources);
  if (compiled.kind === 'refused') throw new Error(`the contracts do not compile\n${compiled.message}`);
  return compiled.code;
}

function progress(done: number, all: number, elapsedMs: number): string {
  const each = elapsedMs / done;
  const left = Math.ceil(((all - done) * each) / 60_000);
  return `${done} of ${all}, ${(each / 1_000).toFixed(1)} s each${done < all ? `, ${left} min left` : ''}`;
}

/** One line: `650 mutants: 630 killed, 5 with the same code, 5 not compiling, 10 survivors`. */
export function summary({ mutants, killed, sameCode, notCompiling, survivors }: SurvivorList): string {
  return `${mutants} mutants: ${killed} killed, ${sameCode} with the same code, ${notCompiling} not compiling, ${survivors.length} survivors`;
}
