import { EXIT_CODE } from '../../wrappers/errors';
import { EXIT_CONFIG, EXIT_FAILED, EXIT_OK } from '../runtime/lifecycle';
import { code, MADE_BY, page, table } from './markdown';

const PROCESS_EXITS: readonly (readonly [number, string])[] = [
  [EXIT_OK, 'ended as it was asked to'],
  [
    EXIT_FAILED,
    'failed; one line on stderr, the stack in the log. Of `verify`: not verified; of `doctor` and `explain-hash`: something is wrong, or differs',
  ],
  [EXIT_CONFIG, 'a flag, a file or a setting is wrong; one line on stderr says which'],
];

/**
 * docs/exit-codes.md.
 * @param errorsSource text of wrappers/errors.ts
 * @throws RangeError for a code without a meaning
 */
export function exitCodesPage(errorsSource: string): string {
  const meanings = readMeanings(errorsSource);
  const rows = Object.entries(EXIT_CODE).map(([name, exitCode]) => {
    const meaning = meanings.get(name);
    if (meaning === undefined) throw new RangeError(`exit code ${name} has no comment that says what it means`);
    return [String(exitCode), code(name), meaning];
  });
  return page(
    '# Exit codes',
    MADE_BY,
    '## Contracts',
    "What a transaction of one of our contracts ends with when it refuses a message. A bounceable message gets its coins back. The names are those of `wrappers/errors.ts`; codes that are not here are the virtual machine's.",
    table(['code', 'name', 'meaning'], rows),
    '## Processes',
    table(
      ['code', 'meaning'],
      PROCESS_EXITS.map(([exitCode, meaning]) => [String(exitCode), meaning]),
    ),
  );
}

/** The comment before each `name: number` line. */
function readMeanings(source: string): ReadonlyMap<string, string> {
  const meanings = new Map<string, string>();
  for (const [, meaning, name] of source.matchAll(/\/\*\* ([^\n]*?) \*\/\n\s*(\w+): \d+,/g)) {
    if (meaning !== undefined && name !== undefined) meanings.set(name, meaning);
  }
  return meanings;
}
