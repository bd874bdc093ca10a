/**
 * `npm run test:attestation`: flipped bits, mutated inputs and the verdicts of other verifiers, as many as one likes. Prints the seed
 * and how far it is; exit code 0 only if nothing was found.
 */
import { parseArgs } from 'node:util';
import { compareWithOthers } from './differential';
import { flipTarget, flipTargets, MEANINGLESS_BITS } from './flips';
import { fuzz, fuzzSubjects } from './fuzz';
import { KNOWN_DIFFERENCES } from './known-differences';

const USAGE = `npm run test:attestation -- [--full] [--seed S] [--runs N] [--cases N] [--only PART]

  --full       every bit instead of one a byte, a million mutated inputs instead of 100,000, 10,000 cases instead of 2,000
  --seed S     where the randomness begins; a new one by default. The same seed and numbers give the same inputs, but for keys
  --runs N     mutated inputs
  --cases N    cases that the other verifiers judge, too
  --only PART  flips, fuzz or differential`;

interface Plan {
  readonly isFull: boolean;
  readonly seed: number;
  readonly runs: number;
  readonly cases: number;
}

type Part = (plan: Plan) => Promise<readonly string[]>;

/** What each part finds; empty where all is well. */
const PARTS: Readonly<Record<string, Part>> = { flips: flipBits, fuzz: fuzzAll, differential: compareAll };

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      full: { type: 'boolean', default: false },
      seed: { type: 'string' },
      runs: { type: 'string' },
      cases: { type: 'string' },
      only: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) {
    console.log(USAGE);
    return;
  }
  const { full: isFull, only } = values;
  if (only !== undefined && PARTS[only] === undefined) throw new RangeError(`--only is ${only}, expected ${Object.keys(PARTS).join(', ')}`);
  const plan: Plan = {
    isFull,
    seed: wholeNumber('seed', values.seed ?? `${Date.now() % 2 ** 31}`),
    runs: wholeNumber('runs', values.runs ?? (isFull ? '1000000' : '100000'), 1),
    cases: wholeNumber('cases', values.cases ?? (isFull ? '10000' : '2000'), 1),
  };
  console.log(`seed ${plan.seed}`);
  const found: string[] = [];
  for (const [name, part] of Object.entries(PARTS)) if (only === undefined || only === name) found.push(...(await part(plan)));
  for (const line of found) console.log(line);
  if (found.length > 0)
    throw new Error(`${found.length} found; the same again: --seed ${plan.seed} --runs ${plan.runs} --cases ${plan.cases}`);
  console.log('nothing was found');
}

async function flipBits({ isFull }: Plan): Promise<readonly string[]> {
  const found: string[] = [];
  const meaningless = MEANINGLESS_BITS.map(({ target, at, bit }) => `${target}, byte ${at}, bit ${bit}`);
  let bits = 0;
  for (const target of await flipTargets()) {
    const missed = await flipTarget(target, isFull ? 'all bits' : 'one bit a byte', progress(`flips: ${target.name}`, target.bytes.length));
    found.push(...missed.map(({ at, bit }) => `${target.name}, byte ${at}, bit ${bit}`));
    bits += target.bytes.length * (isFull ? 8 : 1);
  }
  const unlisted = found.filter((place) => !meaningless.includes(place));
  const wrong = isFull ? meaningless.filter((place) => !found.includes(place)) : [];
  console.log(`flips: ${bits} bits, ${found.length} of them carry no meaning, ${meaningless.length} are listed as such`);
  return [...unlisted.map((place) => `accepted: ${place}`), ...wrong.map((place) => `listed as without meaning, but refused: ${place}`)];
}

async function fuzzAll({ seed, runs }: Plan): Promise<readonly string[]> {
  const found: string[] = [];
  let [total, refused] = [0, 0];
  for (const subject of await fuzzSubjects()) {
    const own = Math.ceil(runs * subject.share);
    const result = await fuzz(subject, seed, own, progress(`fuzz: ${subject.name}`, own));
    found.push(...result.faults);
    total += result.runs;
    refused += result.refused;
  }
  console.log(`fuzz: ${total} inputs, ${refused} refused`);
  return found;
}

async function compareAll({ seed, cases, isFull }: Plan): Promise<readonly string[]> {
  const result = await compareWithOthers(seed, cases, 'all', progress('differential', cases));
  for (const { id } of KNOWN_DIFFERENCES) console.log(`  ${`${result.known.get(id) ?? 0}`.padStart(6)} ${id}`);
  console.log(
    `differential: ${result.cases} cases, ${result.agreed} of ${2 * result.cases} verdicts the same, ${result.accepted} cases accepted by all`,
  );
  // A difference that nobody meets any more is none.
  const unmet = isFull ? KNOWN_DIFFERENCES.filter(({ id }) => !result.known.has(id)) : [];
  return [...result.unexplained, ...unmet.map(({ id }) => `known difference was never met: ${id}`)];
}

/** Prints a line a tenth. */
function progress(name: string, total: number): (at: number) => void {
  const step = Math.max(1, Math.ceil(total / 10));
  return (at) => {
    if ((at + 1) % step === 0 || at + 1 === total) console.log(`${name}: ${at + 1} of ${total}`);
  };
}

/** @param least nothing would be found in no input at all */
function wholeNumber(name: string, text: string, least = 0): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least) throw new RangeError(`--${name} is ${text}, a whole number from ${least} on expected`);
  return value;
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
