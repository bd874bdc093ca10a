/**
 * The mutation check, `npm run mutate`: changes one check, comparison or sum of the contracts at a time and asks the contracts' tests
 * whether they notice. It owns its copies of the checkout in the system's folder for temporary files, its notes in .cocoon/mutate.json,
 * and survivors.json beside it. It trusts no test before it has seen it green without a mutant, and unmoved by a mere change of gas. It
 * never changes a contract in the checkout.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { Compiler } from './compile';
import { HOUSE, hashOf, readSources } from './contract-sources';
import { type Mutant, mutantsOf } from './mutants';
import { Notebook } from './notebook';
import { summary, tryAll } from './run';
import { describe, listOf, readList, unexplained, writeList } from './survivor-list';

const LIST = join(__dirname, 'survivors.json');
const NOTES = join(HOUSE, '.cocoon', 'mutate.json');
/** Made from the contracts and the verdicts. */
const GENERATED = new Set(['code.json', 'survivors.json']);
const SCRATCH = join(tmpdir(), `cocoon-mutate-${process.pid}`);

const HELP = `npm run mutate -- [options]

Changes one check, comparison or sum of contracts/*.tact at a time, compiles what depends on it, and runs the contracts' tests without
the random walk until the first is red. Stop it at any time: the next run goes on where this one stopped. A whole run writes
tests/mutate/survivors.json and fails when a survivor in it has no reason.

  --only NAME   mutants of files or functions whose name contains NAME (ClientContract, payment, isWeakKey)
  --every N     each N-th mutant only: a quick look
  --lanes N     how many mutants to test at once; as many as processors, at most 2, unless given
  --fresh       forget the verdicts of earlier runs
  --list        print the mutants and test none
  --help        print this
`;

/** The texts that decide what the tests notice, by path. */
function readTests(): ReadonlyMap<string, string> {
  const paths = ['tests', 'wrappers'].flatMap((folder) =>
    readdirSync(join(HOUSE, folder), { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile() && !GENERATED.has(entry.name))
      .map((entry) => relative(HOUSE, join(entry.parentPath, entry.name))),
  );
  return new Map(paths.sort().map((path) => [path, readFileSync(join(HOUSE, path), 'utf8')]));
}

/** A positive whole number. @throws Error that names the option */
function countOf(option: string, text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new Error(`--${option} takes a positive whole number, not ${text}`);
  return count;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      every: { type: 'string', default: '1' },
      lanes: { type: 'string', default: String(Math.min(2, availableParallelism())) },
      fresh: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const every = countOf('every', values.every);
  const sources = readSources();
  const all = mutantsOf(sources);
  const { only } = values;
  const named = only === undefined ? all : all.filter(({ file, within }) => file.includes(only) || within.includes(only));
  const chosen = named.filter((_, i) => i % every === 0);
  if (values.list) {
    for (const mutant of chosen) process.stdout.write(`${describe(mutant)}\n`);
    process.stdout.write(`${chosen.length} mutants\n`);
    return 0;
  }

  const subject = { sources: hashOf(sources), tests: hashOf(readTests()) };
  if (values.fresh) rmSync(NOTES, { force: true });
  const notebook = Notebook.open(NOTES, subject);
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    const compiler = new Compiler(readFileSync(join(HOUSE, 'tact.config.json'), 'utf8'));
    const lanes = countOf('lanes', values.lanes);
    await tryAll({ house: HOUSE, scratch: SCRATCH, lanes, sources, mutants: chosen, compiler, notebook, signal: stop.signal }, (line) => {
      process.stdout.write(`${line}\n`);
    });
  } finally {
    rmSync(SCRATCH, { recursive: true, force: true });
  }
  if (stop.signal.aborted) {
    process.stdout.write('stopped; the next run goes on from here\n');
    return 130;
  }
  return conclude(subject.sources, chosen, notebook, chosen.length === all.length);
}

/** Says what survived and, after a whole run, writes it down. */
function conclude(sources: string, mutants: readonly Mutant[], notebook: Notebook, isWhole: boolean): number {
  const list = listOf(sources, mutants, (mutant) => notebook.verdictOf(mutant), readList(LIST));
  const open = unexplained(list);
  if (isWhole) writeList(LIST, list);
  for (const survivor of open) process.stdout.write(`survived without a reason: ${describe(survivor)}\n`);
  process.stdout.write(`${summary(list)}${isWhole ? '; tests/mutate/survivors.json is of these sources' : ''}\n`);
  return open.length === 0 ? 0 : 1;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`mutate: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 2;
  },
);
