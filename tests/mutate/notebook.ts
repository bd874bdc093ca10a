import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { Experience } from './judges';
import type { Mutant } from './mutants';

const Verdict = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('killed'), spec: z.string(), test: z.string() }),
  z.object({ kind: z.literal('hung') }),
  z.object({ kind: z.literal('survived') }),
  z.object({ kind: z.literal('sameCode') }),
  z.object({ kind: z.literal('refused') }),
]);

/** What became of a mutant. `hung`: the specs did not end, which counts as killed; `refused`: by the compiler. */
export type Verdict = z.infer<typeof Verdict>;

const Notes = z.object({
  sources: z.string(),
  tests: z.string(),
  /** How long the specs take without a mutant; absent until they have been found fit to judge. */
  greenMs: z.number().optional(),
  verdicts: z.record(z.string(), Verdict),
  /** By mutant, the spec that killed it, in these sources or earlier ones. */
  killers: z.record(z.string(), z.string()),
});

/** What the verdicts hold for. */
export interface Subject {
  /** Hash of the contract sources: other sources, other verdicts. */
  readonly sources: string;
  /** Hash of the tests: a mutant that survived other tests is tried again. */
  readonly tests: string;
}

/** The verdicts so far, in a file that is complete at every moment. It serves as a memory between runs, and only that. */
export class Notebook {
  private constructor(
    private readonly path: string,
    private readonly notes: z.infer<typeof Notes>,
  ) {}

  /** What an earlier run left behind and still holds. A file that is absent or unreadable counts as empty. */
  static open(path: string, subject: Subject): Notebook {
    const notes = read(path);
    if (notes === undefined) return new Notebook(path, { ...subject, verdicts: {}, killers: {} });
    const { killers } = notes;
    if (notes.sources !== subject.sources) return new Notebook(path, { ...subject, verdicts: {}, killers });
    if (notes.tests === subject.tests) return new Notebook(path, notes);
    const verdicts = Object.fromEntries(Object.entries(notes.verdicts).filter(([, { kind }]) => kind !== 'survived'));
    return new Notebook(path, { ...subject, verdicts, killers });
  }

  get greenMs(): number | undefined {
    return this.notes.greenMs;
  }

  set greenMs(elapsed: number) {
    this.notes.greenMs = elapsed;
    this.write();
  }

  verdictOf(mutant: Mutant): Verdict | undefined {
    return this.notes.verdicts[mutant.id];
  }

  record(mutant: Mutant, verdict: Verdict): void {
    this.notes.verdicts[mutant.id] = verdict;
    if (verdict.kind === 'killed') this.notes.killers[mutant.id] = verdict.spec;
    this.write();
  }

  experienceWith(mutant: Mutant): Experience {
    const kills = new Map<string, number>();
    for (const [id, spec] of Object.entries(this.notes.killers)) {
      if (id.startsWith(`${mutant.file} `)) kills.set(spec, (kills.get(spec) ?? 0) + 1);
    }
    return { lastKiller: this.notes.killers[mutant.id], kills };
  }

  private write(): void {
    mkdirSync(dirname(this.path), { recursive: true });
    writeFileSync(`${this.path}.new`, JSON.stringify(this.notes));
    renameSync(`${this.path}.new`, this.path);
  }
}

function read(path: string): z.infer<typeof Notes> | undefined {
  try {
    return Notes.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return undefined;
  }
}
