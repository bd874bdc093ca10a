import { readdirSync } from 'node:fs';

const SCRIPTS = 'asks what a person at a terminal sees, and takes long';

/**
 * Specs that do not judge a mutant, and why. A mutant must be noticed by what the contracts do: a check that sees any change of the code
 * at all would make every other one look sharp.
 */
const NO_JUDGES: ReadonlyMap<string, string> = new Map([
  ['gas.spec.ts', 'measures gas and code size'],
  ['gas-constants.spec.ts', 'measures gas'],
  ['errors.spec.ts', 'reads the text of the contracts'],
  ['schema.spec.ts', 'reads the text of the contracts'],
  ['invariants.spec.ts', 'reads docs/invariants.md'],
  ['statements.spec.ts', 'runs no contract'],
  ['mutate.spec.ts', 'reads the list of survivors'],
  ['native-crypto.spec.ts', 'runs no contract'],
  ['wrappers.spec.ts', 'runs no contract'],
  ['scripts-allowlist.spec.ts', SCRIPTS],
  ['scripts-console.spec.ts', SCRIPTS],
  ['scripts-governance.spec.ts', SCRIPTS],
  ['scripts-money.spec.ts', SCRIPTS],
  ['scripts-multisig.spec.ts', SCRIPTS],
  ['scripts-show.spec.ts', SCRIPTS],
]);

/** Single tests of other specs that see any change of the code: their names say so. */
export const NO_JUDGE_TEST = '\\(exact (gas|size)\\)';

const ROLES = ['root', 'proxy', 'client', 'worker'] as const;

/** The specs of a tests folder that judge, by file name: those in folders (stories, the random walk, this tool's own) do not. */
export function judgesIn(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.spec.ts') && !NO_JUDGES.has(file))
    .sort();
}

/** A spec named for one contract says nothing about a change that leaves this contract alone. */
export function judgesOf(specs: readonly string[], affected: readonly string[]): readonly string[] {
  return specs.filter((spec) => {
    const role = roleOf(spec);
    return role === undefined || affected.some((contract) => contract.toLowerCase().startsWith(role));
  });
}

/** What earlier mutants showed about who notices what. */
export interface Experience {
  /** The spec that killed this very mutant the last time. */
  readonly lastKiller: string | undefined;
  /** How many mutants of the same file each spec has killed. */
  readonly kills: ReadonlyMap<string, number>;
}

/** The same specs, the one first that is likeliest to notice a change in `file`. */
export function likeliestFirst(specs: readonly string[], file: string, { lastKiller, kills }: Experience): readonly string[] {
  const isNamedFor = (spec: string) => {
    const role = roleOf(spec);
    return role !== undefined && file.toLowerCase().startsWith(role);
  };
  const score = (spec: string) => (spec === lastKiller ? 1e9 : 0) + (kills.get(spec) ?? 0) + (isNamedFor(spec) ? 0.5 : 0);
  return [...specs].sort((a, b) => score(b) - score(a) || (a < b ? -1 : 1));
}

function roleOf(spec: string): string | undefined {
  return ROLES.find((role) => new RegExp(`^${role}\\b`).test(spec));
}
