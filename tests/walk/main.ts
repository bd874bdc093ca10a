/** `npm run test:walk`: as many walks as one likes; prints the seed, and how to replay a failure. */
import '../native-crypto';
import { parseArgs } from 'node:util';
import { buildContracts } from '../../contracts/build';
import { requireVariety } from './variety';
import { Walks, walkAtRandom } from './walk';

const USAGE = `npm run test:walk -- [--runs N] [--seed S] [--path P] [--varied] [--built]

  --runs N   walks to take (200)
  --seed S   where the randomness begins; a new one by default
  --path P   replay of one failure, as it was printed with its seed
  --varied   fail when something that the walks should have met never happened
  --built    take the compiled contracts as they are`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string' },
      seed: { type: 'string' },
      path: { type: 'string' },
      varied: { type: 'boolean' },
      built: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) {
    console.log(USAGE);
    return;
  }
  const runs = wholeNumber('runs', values.runs ?? '200', 1);
  const seed = wholeNumber('seed', values.seed ?? String(Date.now() % 2 ** 31));
  if (values.built !== true) await buildContracts();
  const walks = await Walks.create();
  console.log(`seed ${seed}, ${runs} walks`);
  const onRun = (done: number) => {
    if (done % 50 === 0) console.log(`${done} of ${runs}`);
  };
  const tally = await walkAtRandom(walks, { seed, runs, path: values.path, onRun });
  const widest = Math.max(...[...tally.keys()].map((name) => name.length));
  for (const [name, count] of [...tally].sort()) console.log(`${name.padEnd(widest)} ${count}`);
  if (values.varied === true) requireVariety(tally);
  console.log('every walk kept the rules');
}

/** @param least no walk at all would keep every rule */
function wholeNumber(name: string, text: string, least = Number.MIN_SAFE_INTEGER): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`--${name} is ${text}, a whole number expected`);
  if (value < least) throw new RangeError(`--${name} is ${text}, at least ${least} expected`);
  return value;
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
