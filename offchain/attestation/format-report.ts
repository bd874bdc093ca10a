import { type Check, type CheckName, failedChecks, type Report } from './report';

// Reports as people read them. A program takes the report itself, in which every check stands for itself.

/** How checks are shown. */
export interface CheckListing {
  /** Of which checks it is shown what was compared: of all, or only of those that failed. */
  readonly compared: 'all' | 'failed';
  /** Checks that compare with what only the file says. None unless told otherwise. */
  readonly byWord?: ReadonlySet<CheckName>;
}

/**
 * The checks as lines, with what was compared below. Those in a row that have the same outcome for the same reason, and nothing below
 * them, are one line: it names the first and the last of them, and how many they are. docs/errors.md has every check in its order.
 */
export function checkLines(checks: readonly Check[], listing: CheckListing): readonly string[] {
  const rows = inRuns(checks.map((check) => rowOf(check, listing)));
  const width = Math.max(0, ...rows.map(({ first, last }) => labelOf(first, last).length));
  const indent = ' '.repeat(width + 10);
  return rows.flatMap(({ outcome, first, last, count, reason, compared }) => [
    `  ${outcome}  ${labelOf(first, last).padEnd(width)}  ${count === 1 ? reason : `${count} checks: ${reason}`}`,
    ...compared.map((line) => `${indent}${line}`),
  ]);
}

interface Row {
  readonly outcome: string;
  readonly first: CheckName;
  readonly last: CheckName;
  readonly count: number;
  readonly reason: string;
  readonly compared: readonly string[];
}

const OUTCOME = { pass: 'pass', fail: 'FAIL', 'not-applicable': 'n/a ' } as const;

function rowOf(check: Check, { compared, byWord }: CheckListing): Row {
  const { name, result, reason } = check;
  const words = result === 'pass' && byWord?.has(name) ? " (by the file's word)" : '';
  const isShown = compared === 'all' || result === 'fail';
  return {
    outcome: OUTCOME[result],
    first: name,
    last: name,
    count: 1,
    reason: `${reason}${words}`,
    compared: isShown ? valuesOf(check) : [],
  };
}

function valuesOf({ expected, actual }: Check): readonly string[] {
  if (expected === null || actual === null) return [];
  return expected === actual ? [actual] : [`expected ${expected}`, `found    ${actual}`];
}

function inRuns(rows: readonly Row[]): readonly Row[] {
  const runs: Row[] = [];
  for (const row of rows) {
    const before = runs.at(-1);
    if (before !== undefined && isAlike(before, row)) runs.splice(-1, 1, { ...before, last: row.last, count: before.count + 1 });
    else runs.push(row);
  }
  return runs;
}

function isAlike(a: Row, b: Row): boolean {
  return a.outcome === b.outcome && a.reason === b.reason && a.compared.length === 0 && b.compared.length === 0;
}

function labelOf(first: CheckName, last: CheckName): string {
  return first === last ? first : `${first}..${last}`;
}

/** What must stand wherever a person sees what hangs on a development root, or is by a model that nothing proves. */
export function warningsOf({ simulated, modelProven }: Pick<Report, 'simulated' | 'modelProven'>): readonly string[] {
  return [
    ...(simulated ? ['SIMULATED: the trust root is a development root, no hardware vouches for this machine'] : []),
    ...(modelProven ? [] : ['MODEL NOT PROVEN: nothing shows which weights answer']),
  ];
}

/** The one line that says it all. */
export function verdictLine(what: 'Evidence' | 'Receipt', isVerified: boolean, checks: readonly Check[]): string {
  return isVerified ? `${what} verified` : `${what} refused (${failedChecks({ checks }).length} of ${checks.length} checks failed)`;
}

/** The report on evidence for people, its verdict first, without a line feed at its end. */
export function formatReport(report: Report): string {
  const { ok, checks } = report;
  return [verdictLine('Evidence', ok, checks), ...warningsOf(report), ...checkLines(checks, { compared: 'failed' })].join('\n');
}
