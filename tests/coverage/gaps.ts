/** Which instructions the tests did not reach, and how that is compared with the checked-in list. */
import type { Instruction } from './instructions';

/** Neighbouring instructions that no test reached. Known by what they say and not by where they lie, so that a change elsewhere moves nothing. */
export interface Gap {
  /** The reached instructions before it, at most four, the nearest last. */
  readonly after: readonly string[];
  readonly instructions: readonly string[];
}

/** A gap that is accepted, and why. */
export interface AcceptedGap extends Gap {
  readonly reason: string;
}

export interface Comparison {
  /** Gaps that nobody accepted. */
  readonly unlisted: readonly Gap[];
  /** Accepted gaps that are not there. */
  readonly stale: readonly AcceptedGap[];
}

const CONTEXT = 4;

/**
 * The gaps of a contract, in the order of its code.
 *
 * @throws Error when a reached place is none of these instructions: then the places of the others mean nothing either
 */
export function gapsOf(instructions: readonly Instruction[], reached: ReadonlySet<string>): Gap[] {
  const known = new Set(instructions.flatMap(({ places }) => places));
  for (const place of reached) if (!known.has(place)) throw new Error(`no instruction lies at ${place}, where one was executed`);

  const gaps: { readonly after: readonly string[]; readonly instructions: string[] }[] = [];
  let before: readonly string[] = [];
  let open: string[] | undefined;
  for (const { text, places } of instructions) {
    if (places.some((place) => reached.has(place))) {
      before = [...before, text].slice(-CONTEXT);
      open = undefined;
    } else if (open) {
      open.push(text);
    } else {
      open = [text];
      gaps.push({ after: before, instructions: open });
    }
  }
  return gaps;
}

/** Compares one by one: an accepted gap stands for one gap, though several may say the same. */
export function compare(gaps: readonly Gap[], accepted: readonly AcceptedGap[]): Comparison {
  const stale = [...accepted];
  const unlisted: Gap[] = [];
  for (const gap of gaps) {
    const index = stale.findIndex((other) => identityOf(other) === identityOf(gap));
    if (index === -1) unlisted.push(gap);
    else stale.splice(index, 1);
  }
  return { unlisted, stale };
}

/** How many instructions the gaps hold. */
export function sizeOf(gaps: readonly Gap[]): number {
  return gaps.reduce((sum, { instructions }) => sum + instructions.length, 0);
}

function identityOf({ after, instructions }: Gap): string {
  return JSON.stringify([after, instructions]);
}
