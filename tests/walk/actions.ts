/**
 * What may happen in one step of a walk, as data. Every field is a choice relative to the state in which the step comes, so that a
 * sequence still means something when others before it are taken out; the first choice of each is the plainest, which is where shrinking
 * leads.
 */
import fc from 'fast-check';
import type { Prices } from '../world';

/** The message, or what happens off chain. Weights: how often. */
const INTENTS = {
  pause: 0,
  wait: 6,
  waitForWhatIsDue: 9,
  deliver: 3,
  work: 4,
  charge: 14,
  settle: 8,
  collect: 4,
  release: 3,
  open: 3,
  rotateKey: 4,
  topUpClient: 5,
  requestFromClient: 3,
  completeFromClient: 6,
  claim: 7,
  topUpWorker: 2,
  requestFromWorker: 3,
  completeFromWorker: 5,
  fund: 6,
  configure: 3,
  register: 5,
  leave: 3,
  topUpProxy: 4,
  requestFromProxy: 4,
  completeFromProxy: 6,
  order: 5,
  anchor: 3,
  addImage: 3,
  addModel: 3,
  removeImage: 2,
  removeModel: 2,
  collectFees: 2,
  topUpRoot: 1,
  schedule: 4,
  cancel: 1,
  apply: 7,
  pretend: 2,
  misdirect: 3,
} as const;
export type Intent = keyof typeof INTENTS;

/** How much comes with a message, by its minimum value: twice that is where excess begins to return. */
export const VALUES = ['plenty', 'minimum', 'oneBelow', 'double', 'oneBelowDouble', 'huge', 'one', 'nothing'] as const;
export type Value = (typeof VALUES)[number];

/** Mostly where the rules change; nothing at all, or far too much, now and then. */
const SPARING: readonly Value[] = [
  ...VALUES,
  'minimum',
  'oneBelow',
  'double',
  'oneBelowDouble',
  'minimum',
  'oneBelow',
  'double',
  'oneBelowDouble',
];

export interface Action {
  readonly intent: Intent;
  /** Which of the contracts that may be meant. */
  readonly contract: number;
  /** Which of the forms that this message has. */
  readonly form: number;
  /** Which amount, number or time. */
  readonly amount: number;
  /** 0: who may send it; else somebody. */
  readonly actor: number;
  readonly value: Value;
  readonly bounce: boolean;
  readonly tail: boolean;
  /** How often the sender's wallet gets it through. */
  readonly times: 0 | 1 | 2;
  /** How many messages are then delivered; null: all that are on their way. */
  readonly deliveries: number | null;
  /** Which of the pairs comes next. */
  readonly pick: number;
  /** Whose exit is tried in a fork, and whether all other contracts are gone by then. */
  readonly exit: number;
  readonly isAlone: boolean;
}

export interface Walk {
  readonly prices: Prices;
  readonly actions: readonly Action[];
  /** In which order the owners leave in the end. */
  readonly last: number;
}

const mostly = <T>(weight: number, plain: T, others: fc.Arbitrary<T>) =>
  fc.oneof({ arbitrary: fc.constant(plain), weight }, { arbitrary: others, weight: 100 - weight });

const intents: fc.Arbitrary<Intent> = fc.oneof(
  ...entriesOf(INTENTS).map(([intent, weight]) => ({ arbitrary: fc.constant(intent), weight })),
);

const action: fc.Arbitrary<Action> = fc.record({
  intent: intents,
  contract: fc.nat(999),
  form: mostly(40, 0, fc.nat(99)),
  amount: mostly(30, 0, fc.nat(99)),
  actor: mostly(88, 0, fc.nat(99)),
  value: mostly<Value>(72, 'plenty', fc.constantFrom(...SPARING)),
  bounce: mostly(92, true, fc.constant(false)),
  tail: mostly(98, false, fc.constant(true)),
  times: mostly<0 | 1 | 2>(92, 1, fc.constantFrom<0 | 2>(0, 2)),
  deliveries: mostly<number | null>(80, null, fc.nat(3)),
  pick: fc.nat(99),
  exit: fc.nat(999),
  isAlone: fc.boolean(),
});

const PAUSE: Action = {
  intent: 'pause',
  contract: 0,
  form: 0,
  amount: 0,
  actor: 0,
  value: 'plenty',
  bounce: true,
  tail: false,
  times: 1,
  deliveries: null,
  pick: 0,
  exit: 0,
  isAlone: false,
};

/** Walks of this many steps. A step that is not needed for a failure shrinks to a pause. */
export function walksOf(steps: number): fc.Arbitrary<Walk> {
  const step = fc.oneof({ withCrossShrink: true }, { arbitrary: fc.constant(PAUSE), weight: 0 }, { arbitrary: action, weight: 1 });
  return fc.record({
    prices: fc.constantFrom<Prices>('mainnet', 'dear'),
    actions: fc.array(step, { minLength: steps, maxLength: steps }),
    last: fc.nat(999),
  });
}

function entriesOf<K extends string, V>(record: Readonly<Record<K, V>>): [K, V][] {
  const entries: [K, V][] = [];
  for (const key in record) entries.push([key, record[key]]);
  return entries;
}
