/**
 * The random walk: parties who may be hostile send any message to any contract, time passes in seconds and in years, and after every
 * step the chain is where the model is, no coin is missing, and an owner drawn by the seed could leave alone with what is theirs.
 *
 * It owns the world that it walks in; it trusts the executor to be the TVM. It never looks at a contract's code.
 */
import fc from 'fast-check';
import { exitCodeName } from '../../wrappers/errors';
import { EVERYTHING } from '../../wrappers/withdrawal';
import { ALL_PRICES, known, type Prices } from '../world';
import { type Action, type Walk, walksOf } from './actions';
import { beginning } from './beginning';
import { Book } from './book';
import { networkOf } from './chain';
import { claimsOf } from './claims';
import { holdingsOf, leaveWith } from './exits';
import { dueTimes, messageOf } from './plan';
import { pickFrom } from './scene';
import type { Delivery, Walker, Witness } from './walker';

export const STEPS = 60;

/** Of what walks did: messages accepted by name, refusals by exit code, and other things worth having met. */
export type Tally = Map<string, number>;

const SECOND = 1;
const HOUR = 3_600;
const DAY = 86_400;
const YEAR = 365 * DAY;
const WAITS = [
  HOUR,
  SECOND,
  600,
  601,
  HOUR,
  HOUR + 1,
  2 * HOUR,
  2 * HOUR + 1,
  60,
  1_200,
  HOUR,
  600,
  2 * HOUR,
  DAY,
  YEAR,
  12 * YEAR,
  30 * YEAR,
];
/** More coins than there are: amounts on chain are uint64, and all of TON is less than a third of that. */
const COINS = EVERYTHING;
/** Times in statements are uint32. */
const LAST_DAY = 0xffff_ffff - YEAR;

/** Worlds in use, from which every walk begins. */
export class Walks {
  private constructor(private readonly beginnings: ReadonlyMap<Prices, Walker>) {}

  static async create(): Promise<Walks> {
    const beginnings = new Map<Prices, Walker>();
    for (const prices of ALL_PRICES) beginnings.set(prices, await beginning(await networkOf(prices)));
    return new Walks(beginnings);
  }

  /** @throws Error with everything that happened when a rule is broken */
  async run({ prices, actions, last }: Walk, tally: Tally): Promise<void> {
    const book = new Book();
    const start = known(this.beginnings.get(prices));
    const walker = start.fork([claimsOf(start.accounts, book), countIn(tally)]);
    try {
      for (const action of actions) if (action.intent !== 'pause') await step(walker, book, action);
      await walker.drain();
      // A fork, because what happens from here on is not counted.
      await leaveAll(walker.fork([claimsOf(walker.accounts, book)]), book, last);
    } catch (error) {
      if (error instanceof Error) error.message = `${error.message}\n${walker.story.join('\n')}`;
      throw error;
    }
  }
}

async function step(walker: Walker, book: Book, action: Action): Promise<void> {
  const { chain, accounts } = walker;
  chain.now = Math.min(timeAfter(walker, action), LAST_DAY);
  const message = messageOf({ accounts, book, now: chain.now, action }, chain.network.prices);
  for (let i = 0; message !== null && i < action.times; i += 1) if (walker.injected + message.value <= COINS) walker.post(message);
  if (action.deliveries === null) await walker.drain(action.pick);
  else for (let i = 0; i < action.deliveries; i += 1) await walker.deliver(action.pick + i);
  walker.requireBalance();
  await leaveInFork(walker, book, action);
}

/** Some time later, or about when something becomes possible or ends. */
function timeAfter({ chain, accounts }: Walker, { intent, contract, amount }: Action): number {
  const { now } = chain;
  if (intent === 'wait') return now + pickFrom(WAITS, amount);
  const due = intent === 'waitForWhatIsDue' ? dueTimes(accounts, now) : [];
  return due.length === 0 ? now : Math.max(now, pickFrom(due, contract) + pickFrom([0, 1, -1], amount));
}

/** One owner leaves, in a world that ends with that. */
async function leaveInFork(walker: Walker, book: Book, { exit, isAlone, pick }: Action): Promise<void> {
  const fork = walker.fork([claimsOf(walker.accounts, book)]);
  await fork.drain(pick);
  const holdings = holdingsOf(fork, book);
  if (holdings.length === 0) return;
  const holding = pickFrom(holdings, exit);
  fork.story.push(`-- in a fork: ${holding.name}${isAlone ? ', alone' : ''}`);
  try {
    await leaveWith(fork, holding, isAlone);
  } catch (error) {
    if (error instanceof Error) error.message = `${error.message}\n${fork.story.slice(walker.story.length).join('\n')}`;
    throw error;
  }
}

/** Everybody leaves: those who are owed first, then those who owe; nothing stays behind. */
async function leaveAll(walker: Walker, book: Book, order: number): Promise<void> {
  walker.story.push('-- everybody leaves');
  const left = new Set<string>();
  for (;;) {
    const holdings = holdingsOf(walker, book).filter(({ name }) => !left.has(name));
    const turn = Math.min(...holdings.map((holding) => holding.turn));
    const next = holdings.filter((holding) => holding.turn === turn);
    if (next.length === 0) break;
    const holding = pickFrom(next, order);
    left.add(holding.name);
    await leaveWith(walker, holding, false);
  }
  for (const { name, kind, balance } of walker.accounts.values()) {
    if (kind !== 'root' && balance > 0n) throw new Error(`${name} keeps ${balance} when everybody has left`);
  }
}

function countIn(tally: Tally): Witness {
  return (delivery) => {
    for (const what of whatHappened(delivery)) tally.set(what, (tally.get(what) ?? 0) + 1);
  };
}

function* whatHappened({ letter, before, after, isAccepted, observed }: Delivery): Iterable<string> {
  const { verdict } = observed;
  const { body } = letter;
  if (isAccepted) yield body.op;
  else yield verdict.type === 'refused' ? `refused: ${exitCodeName(verdict.exitCode) ?? verdict.exitCode}` : verdict.type;
  if (isAccepted && body.op === 'anyRootApply') yield `applied: ${body.kind}`;
  if (isAccepted && body.op === 'operatorClientCharge' && body.byOldKey) yield 'charged by the old key';
  if (before.kind === 'client' && after.kind === 'client') {
    if (after.state.charged - after.state.paid > before.state.charged - before.state.paid) yield 'paid in part';
    if (after.state.paid > before.state.paid && body.op === 'operatorClientCollect') yield 'paid the rest';
    if (isAccepted && body.op === 'operatorClientSettle' && before.state.upTo >= after.state.settled) yield 'settled an open number';
  }
  if (after.kind === 'root' && isAccepted && body.op === 'proxyRootRegister' && before.kind === 'root') {
    if ([...before.state.proxies.keys()].some((key) => !after.state.proxies.has(key))) yield 'a proxy took the place of another';
  }
  if (before.kind === 'proxy' && before.status !== 'active' && body.op === 'payment' && !letter.isFromWallet)
    yield 'paid a proxy that is not there';
  if (before.status === 'active' && after.status !== 'active') yield 'frozen';
  if (before.status === 'frozen' && after.status === 'active') yield 'revived';
  if (after.isBroken && !before.isBroken) yield 'a root broken by its owner';
  if (verdict.type === 'action failed') yield 'failing action phase';
}

export interface WalkOptions {
  readonly seed: number;
  readonly runs: number;
  /** Where a failure was found; runs nothing else. */
  readonly path?: string;
  /** After each walk, with how many there were. */
  readonly onRun?: (runs: number) => void;
}

/** Attempts at a shorter walk, once one has broken a rule. */
const MOST_SHRINKS = 400;

/** Walks at random. Returns what they met. @throws Error with the shrunk walk's story and how to replay it */
export async function walkAtRandom(walks: Walks, { seed, runs, path, onRun }: WalkOptions): Promise<Tally> {
  const tally: Tally = new Map();
  let done = 0;
  let attempts = 0;
  const property = fc.asyncProperty(walksOf(STEPS), async (walk) => {
    if (attempts > MOST_SHRINKS) return;
    if (attempts > 0) attempts += 1;
    try {
      await walks.run(walk, tally);
    } catch (error) {
      attempts += 1;
      throw error;
    }
    done += 1;
    onRun?.(done);
  });
  const details = await fc.check(property, { seed, numRuns: runs, path, unbiased: true });
  if (!details.failed) return tally;
  const replay = `npm run test:walk -- --seed ${details.seed} --path ${details.counterexamplePath}`;
  const cause = details.errorInstance;
  const story = cause instanceof Error ? cause.message : String(cause);
  throw new Error(`a walk broke a rule after ${details.numRuns} runs and ${details.numShrinks} shrinks; replay: ${replay}\n${story}`, {
    cause,
  });
}
