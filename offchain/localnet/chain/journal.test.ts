import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Journal, type JournalEntry } from './journal';

const header = { seed: '01'.repeat(32), genesisSec: 5, config: '02'.repeat(32) };
const entries: JournalEntry[] = [
  { type: 'empty', afterSec: 1 },
  { type: 'block', afterSec: 0, transactions: [{ account: '0:aa', transaction: 'dHg=', state: 'c3Q=' }], rootHash: 'ff' },
  { type: 'skew', skewSec: -3 },
  { type: 'empty', afterSec: 12 },
];
let folder = '';
let path = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cocoon-journal-'));
  path = join(folder, 'journal');
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(all: readonly JournalEntry[]): void {
  const journal = Journal.open(path, () => header);
  for (const entry of all) journal.append(entry);
  journal.close();
}

function read(): JournalEntry[] {
  const journal = Journal.open(path, () => ({ ...header, seed: '03'.repeat(32) }));
  expect(journal.header.seed).toBe(header.seed);
  const all = [...journal.entries()];
  journal.close();
  return all;
}

test('gives back what was written, in order, with its first header', () => {
  write(entries);
  expect(read()).toEqual(entries);
});

test('spends three bytes on the empty block of each second', () => {
  write([]);
  const before = statSync(path).size;
  write(Array.from({ length: 100 }, () => ({ type: 'empty', afterSec: 1 }) as const));
  expect(statSync(path).size - before).toBe(300);
});

test('drops a last line that was cut anywhere, and goes on behind the one before it', () => {
  write(entries);
  const whole = statSync(path).size;
  const lastButOne = entries.slice(0, -1);
  const size = whole - '+12\n'.length;
  for (let end = size + 1; end < whole; end++) {
    truncateSync(path, end);
    expect(read()).toEqual(lastButOne);
    expect(statSync(path).size).toBe(size);
    write([{ type: 'empty', afterSec: 12 }]);
    expect(read()).toEqual(entries);
  }
});

test('begins anew when not even the header was finished', () => {
  writeFileSync(path, '{"format":"cocoon-local-ch');
  write(entries);
  expect(read()).toEqual(entries);
});

test('reads lines that are longer than a read of the file', () => {
  const long: JournalEntry = {
    type: 'block',
    afterSec: 0,
    rootHash: 'ff',
    transactions: [{ account: '0:aa', transaction: 'A'.repeat(3 << 20) }],
  };
  write([long, ...entries]);
  expect(read()).toEqual([long, ...entries]);
});

test('refuses a damaged line, naming it and --reset', () => {
  write(entries);
  appendFileSync(path, 'x\n+1\n');
  expect(read).toThrow(
    expect.objectContaining({ code: 'journal_damaged', message: expect.stringMatching(/damaged at line 6: .*--reset/) }),
  );
});

test('refuses another version and a file of something else, naming --reset', () => {
  writeFileSync(path, '{"format":"cocoon-local-chain","version":99}\n');
  expect(read).toThrow(
    expect.objectContaining({
      code: 'journal_other_version',
      message: expect.stringMatching(/version 99, this software writes 1: .*--reset/),
    }),
  );
  writeFileSync(path, 'hello\n');
  expect(read).toThrow(expect.objectContaining({ code: 'journal_foreign', message: expect.stringContaining('--reset') }));
  expect(readFileSync(path, 'utf8')).toBe('hello\n');
});

test('rewrites itself in one step and can be continued', () => {
  write(entries);
  const journal = Journal.open(path, () => header);
  journal.compact((entry) => (entry.type === 'block' ? { ...entry, transactions: [] } : entry));
  journal.append({ type: 'empty', afterSec: 7 });
  journal.close();
  const expected = entries.map((entry) => (entry.type === 'block' ? { ...entry, transactions: [] } : entry));
  expect(read()).toEqual([...expected, { type: 'empty', afterSec: 7 }]);
});
