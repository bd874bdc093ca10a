import type { Check, CheckName } from '../attestation/report';

const WORD = { pass: 'pass', fail: 'FAIL', 'not-applicable': 'n/a ' } as const;

/** Unix seconds as a person reads and gives them. */
export function showTime(sec: number): string {
  return `${new Date(sec * 1000).toISOString().replace('.000Z', 'Z')} (${sec})`;
}

/** Name and value, one line each. */
export function factLines(facts: readonly (readonly [name: string, value: string])[]): readonly string[] {
  const width = Math.max(0, ...facts.map(([name]) => name.length));
  return facts.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`);
}

/** Each check with what was compared. `byWord` are those that compare with what only the file says. */
export function checkLines(checks: readonly Check[], byWord: ReadonlySet<CheckName>): readonly string[] {
  const width = Math.max(0, ...checks.map(({ name }) => name.length));
  const indent = ' '.repeat(width + 10);
  return checks.flatMap(({ name, result, reason, expected, actual }) => {
    const word = result === 'pass' && byWord.has(name) ? " (by the file's word)" : '';
    const line = `  ${WORD[result]}  ${name.padEnd(width)}  ${reason}${word}`;
    if (expected === null || actual === null) return [line];
    if (expected === actual) return [line, `${indent}${actual}`];
    return [line, `${indent}expected ${expected}`, `${indent}found    ${actual}`];
  });
}

/** The one line that says it all: what comes last. */
export function verdictLine(what: 'Evidence' | 'Receipt', isVerified: boolean, checks: readonly Check[]): string {
  if (isVerified) return `${what} verified`;
  const failed = checks.filter((check) => check.required && check.result !== 'pass').length;
  return `${what} refused (${failed} of ${checks.length} checks failed)`;
}
