/**
 * doctor: looks at a machine and at a network, item by item, and says in words what is wrong and what to do about it.
 * It trusts what the system's files and tools say, since whoever runs it owns them: a verdict is advice and no evidence, and nothing that
 * decides whether to seal ever asks it. It changes nothing, and what it could not look at it never calls fine.
 */
import { printable } from '../core/printable';

export type Verdict = 'ok' | 'warn' | 'fail' | 'unseen';

/** What was found of one item. Every text is safe to show. */
export interface Finding {
  /** What was looked at, in one or two words. */
  readonly item: string;
  readonly verdict: Verdict;
  /** One line for people. */
  readonly words: string;
  /** What to do; null where there is nothing to do. */
  readonly remedy: string | null;
}

export function ok(item: string, words: string): Finding {
  return { item, verdict: 'ok', words, remedy: null };
}

/** It works, but not as it should. */
export function warn(item: string, words: string, remedy: string): Finding {
  return { item, verdict: 'warn', words, remedy };
}

export function fail(item: string, words: string, remedy: string): Finding {
  return { item, verdict: 'fail', words, remedy };
}

/** It could not be looked at, or there is nothing to look at; the words say which. */
export function unseen(item: string, words: string, remedy: string | null = null): Finding {
  return { item, verdict: 'unseen', words, remedy };
}

/** Text of the system's files and tools as one printable line of at most 160 characters. */
export function shown(text: string): string {
  return printable(text.trim().replace(/\s+/g, ' '), 157);
}

const VERDICT_WORD: Readonly<Record<Verdict, string>> = { ok: 'ok  ', warn: 'WARN', fail: 'FAIL', unseen: ' -  ' };

/** The findings as lines for people, with a summary at the end and a line feed behind it. */
export function formatFindings(findings: readonly Finding[]): string {
  const width = Math.max(0, ...findings.map(({ item }) => item.length));
  const lines = findings.flatMap(({ item, verdict, words, remedy }) => [
    `  ${VERDICT_WORD[verdict]}  ${item.padEnd(width)}  ${words}`,
    ...(remedy === null ? [] : [`${' '.repeat(width + 10)}-> ${remedy}`]),
  ]);
  return `${[...lines, '', summaryOf(findings)].join('\n')}\n`;
}

function summaryOf(findings: readonly Finding[]): string {
  const count = (verdict: Verdict) => findings.filter((finding) => finding.verdict === verdict).length;
  return `${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} failed, ${count('unseen')} not seen`;
}

/** Whether nothing failed. */
export function isHealthy(findings: readonly Finding[]): boolean {
  return findings.every(({ verdict }) => verdict !== 'fail');
}
