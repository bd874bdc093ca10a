import { concat, equal } from '../core/bytes';
import type { CryptoProvider } from '../core/crypto';
import type { EventLog, LoggedEvent } from './event-log';
import { componentOf } from './event-names';
import type { Measurements } from './evidence';

/** The registers whose history a log can hold. */
export const RUNTIME_REGISTERS = [0, 1, 2, 3] as const;
export type RuntimeRegister = (typeof RUNTIME_REGISTERS)[number];

/** Something that was measured. */
export interface MeasuredComponent {
  /** Place in its log, from 1; null for what the guest measures itself, behind the log. */
  readonly number: number | null;
  /** One line for people; its words come from the log, and nothing proves them. */
  readonly component: string;
  /** 48 bytes. */
  readonly digest: Uint8Array;
}

/** What was measured into each runtime register, in order. */
export type MeasuredHistory = readonly [
  readonly MeasuredComponent[],
  readonly MeasuredComponent[],
  readonly MeasuredComponent[],
  readonly MeasuredComponent[],
];

/** One difference between two histories of a register: a component that changed, is new, or is missing. */
export type ComponentDifference =
  | { readonly kind: 'changed'; readonly found: MeasuredComponent; readonly expected: MeasuredComponent }
  | { readonly kind: 'added'; readonly found: MeasuredComponent }
  | { readonly kind: 'missing'; readonly expected: MeasuredComponent };

/**
 * What a log says was measured into each register. The guest's own configuration, which it measures into RTMR3 when it starts and no
 * firmware writes down, is put behind it: `guestConfigDigest` is 48 bytes.
 */
export function historyOf(log: EventLog, guestConfigDigest: Uint8Array): MeasuredHistory {
  const of = (register: RuntimeRegister) => log.events.filter((event) => event.register === register).map(toComponent);
  const guest = { number: null, component: 'configuration of the guest image, measured by the guest', digest: guestConfigDigest };
  return [of(0), of(1), of(2), [...of(3), guest]];
}

function toComponent(event: LoggedEvent): MeasuredComponent {
  return { number: event.number, component: componentOf(event), digest: event.digest };
}

/** The value of a register, 48 bytes, after these measurements: each is SHA-384(value, digest), from zeros. */
export async function replay(history: readonly MeasuredComponent[], crypto: CryptoProvider): Promise<Uint8Array> {
  let value: Uint8Array = new Uint8Array(48);
  for (const { digest } of history) value = await crypto.sha384(concat(value, digest));
  return value;
}

/** The values of all four registers. */
export async function replayAll(history: MeasuredHistory, crypto: CryptoProvider): Promise<Measurements['rtmr']> {
  const [first, second, third, fourth] = history;
  return [await replay(first, crypto), await replay(second, crypto), await replay(third, crypto), await replay(fourth, crypto)];
}

/**
 * What makes one history differ from another, in order. Measurements in both, in the same order, are no difference; of the others, one
 * that both name alike has changed.
 */
export function differencesBetween(
  found: readonly MeasuredComponent[],
  expected: readonly MeasuredComponent[],
): readonly ComponentDifference[] {
  const differences: ComponentDifference[] = [];
  let foundAt = 0;
  let expectedAt = 0;
  for (const [nextFound, nextExpected] of [...commonSequence(found, expected), [found.length, expected.length] as const]) {
    differences.push(...pairUp(found.slice(foundAt, nextFound), expected.slice(expectedAt, nextExpected)));
    foundAt = nextFound + 1;
    expectedAt = nextExpected + 1;
  }
  return differences;
}

/** Between two measurements that both histories have. */
function pairUp(found: readonly MeasuredComponent[], expected: readonly MeasuredComponent[]): readonly ComponentDifference[] {
  const unpaired = [...found];
  const differences: ComponentDifference[] = [];
  for (const wanted of expected) {
    const at = unpaired.findIndex((candidate) => nameOf(candidate) === nameOf(wanted));
    const [match] = at < 0 ? [] : unpaired.splice(at, 1);
    differences.push(match === undefined ? { kind: 'missing', expected: wanted } : { kind: 'changed', found: match, expected: wanted });
  }
  return [...differences, ...unpaired.map((added) => ({ kind: 'added', found: added }) as const)];
}

/** Without its detail: a command line that changed is still the command line. A variable is another one by its name. */
function nameOf({ component }: MeasuredComponent): string {
  return component.startsWith('UEFI') ? component : (component.split(':')[0] ?? '');
}

/** Places of the longest sequence of digests that both have. */
function commonSequence(
  a: readonly MeasuredComponent[],
  b: readonly MeasuredComponent[],
): readonly (readonly [inA: number, inB: number])[] {
  const width = b.length + 1;
  // lengths[i * width + j]: of the longest common sequence of a from i and b from j.
  const lengths = new Uint16Array((a.length + 1) * width);
  const at = (i: number, j: number) => lengths[i * width + j] ?? 0;
  const isSame = (i: number, j: number) => equal(a[i]?.digest ?? NOTHING, b[j]?.digest ?? NOTHING);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      lengths[i * width + j] = isSame(i, j) ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const places: [number, number][] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (isSame(i, j)) places.push([i++, j++]);
    else if (at(i + 1, j) >= at(i, j + 1)) i++;
    else j++;
  }
  return places;
}

const NOTHING = new Uint8Array(0);
