import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, readSync, renameSync, writeSync } from 'node:fs';
import { z } from 'zod';
import { journalError } from './local-chain-error';

/*
 * The file: lines of text. The first is the header; each other line is one entry, in the order in which things happened:
 *
 *   +<seconds>   an empty block, that much after the block before it
 *   {...}        a block with transactions, or a change of the clock
 *
 * A line counts once its line feed is there. A process that is killed while it writes leaves at most one line without, which is cut off.
 * Lines are not flushed to the disk one by one: killing the process loses nothing, a power cut can lose the last moments.
 */

const FORMAT = 'cocoon-local-chain';
const VERSION = 1;
const CHUNK_SIZE = 1 << 20;
const LINE_FEED = 10;

const headerSchema = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(VERSION),
  /** Random, hex: what makes this chain's hashes its own. */
  seed: z.string().regex(/^[0-9a-f]{64}$/),
  genesisSec: z.int().nonnegative(),
  /** Hash of the price configuration's cell, hex. */
  config: z.string().regex(/^[0-9a-f]{64}$/),
});

const entrySchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('block'),
    afterSec: z.int().nonnegative(),
    /** Raw address, transaction and new state (base64 bags of cells). A state that a later transaction replaced may be left out. */
    transactions: z.array(z.strictObject({ account: z.string(), transaction: z.string(), state: z.string().optional() })),
    rootHash: z.string(),
  }),
  z.strictObject({ type: z.literal('skew'), skewSec: z.int() }),
]);

export type JournalHeader = Pick<z.infer<typeof headerSchema>, 'seed' | 'genesisSec' | 'config'>;
export type JournalEntry = { readonly type: 'empty'; readonly afterSec: number } | Readonly<z.infer<typeof entrySchema>>;

/** The append-only record of a local chain. One process has it open at a time (its control socket sees to that). */
export class Journal {
  private isOpen = true;

  private constructor(
    private readonly path: string,
    private fd: number,
    readonly header: JournalHeader,
  ) {}

  /**
   * Opens the journal, or begins one with `fresh` as its header.
   * @throws ConfigError journal_foreign, journal_other_version
   */
  static open(path: string, fresh: () => JournalHeader): Journal {
    const isNew = !existsSync(path);
    const fd = openSync(path, 'a+', 0o600);
    const first = isNew ? undefined : lines(fd).next().value;
    if (first !== undefined) return new Journal(path, fd, parseHeader(path, first.text));
    // A first line that was cut off is no chain yet.
    ftruncateSync(fd, 0);
    const journal = new Journal(path, fd, fresh());
    journal.write(journal.fd, JSON.stringify({ format: FORMAT, version: VERSION, ...journal.header }));
    return journal;
  }

  /** All entries, oldest first. Cuts off a last line that was not finished. @throws ConfigError journal_damaged */
  *entries(): Generator<JournalEntry> {
    let end = 0;
    let number = 0;
    for (const line of lines(this.fd)) {
      number++;
      end = line.end;
      if (number > 1) yield this.parseEntry(line.text, number);
    }
    ftruncateSync(this.fd, end);
  }

  /** Writes one entry; it outlives this process when this returns. @throws what the file system throws (disk full): stop then */
  append(entry: JournalEntry): void {
    this.write(this.fd, formatEntry(entry));
  }

  /** Replaces the journal by one with `rewrite` of each of its entries, in one step. */
  compact(rewrite: (entry: JournalEntry) => JournalEntry): void {
    const temporary = `${this.path}.tmp`;
    const fd = openSync(temporary, 'w', 0o600);
    this.write(fd, JSON.stringify({ format: FORMAT, version: VERSION, ...this.header }));
    for (const entry of this.entries()) this.write(fd, formatEntry(rewrite(entry)));
    fsyncSync(fd);
    closeSync(fd);
    closeSync(this.fd);
    renameSync(temporary, this.path);
    this.fd = openSync(this.path, 'a+', 0o600);
  }

  close(): void {
    if (this.isOpen) closeSync(this.fd);
    this.isOpen = false;
  }

  private write(fd: number, line: string): void {
    const bytes = Buffer.from(`${line}\n`);
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
  }

  private parseEntry(line: string, number: number): JournalEntry {
    const empty = /^\+(\d{1,10})$/.exec(line);
    if (empty) return { type: 'empty', afterSec: Number(empty[1]) };
    const entry = entrySchema.safeParse(parseJson(line));
    if (!entry.success) throw journalError('journal_damaged', this.path, `is damaged at line ${number}`);
    return entry.data;
  }
}

function parseHeader(path: string, line: string): JournalHeader {
  const raw = parseJson(line);
  const header = headerSchema.safeParse(raw);
  if (header.success) return { seed: header.data.seed, genesisSec: header.data.genesisSec, config: header.data.config };
  const other = z.object({ format: z.literal(FORMAT), version: z.number() }).safeParse(raw);
  if (!other.success) throw journalError('journal_foreign', path, 'is not a journal of a local chain');
  throw journalError('journal_other_version', path, `has version ${other.data.version}, this software writes ${VERSION}`);
}

function formatEntry(entry: JournalEntry): string {
  return entry.type === 'empty' ? `+${entry.afterSec}` : JSON.stringify(entry);
}

/** Finished lines from the start of the file, each with the place behind its line feed. */
function* lines(fd: number): Generator<{ readonly text: string; readonly end: number }> {
  const chunk = Buffer.alloc(CHUNK_SIZE);
  let rest = Buffer.alloc(0);
  let position = 0;
  for (;;) {
    const size = readSync(fd, chunk, 0, CHUNK_SIZE, position);
    if (size === 0) return;
    const bytes = Buffer.concat([rest, chunk.subarray(0, size)]);
    const start = position - rest.length;
    let from = 0;
    for (let at = bytes.indexOf(LINE_FEED); at >= 0; at = bytes.indexOf(LINE_FEED, from)) {
      yield { text: bytes.toString('utf8', from, at), end: start + at + 1 };
      from = at + 1;
    }
    rest = bytes.subarray(from);
    position += size;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
