/**
 * ledger: the durable record behind the proxy, the worker and the client.
 * It trusts its folder; what it has acknowledged survives kill -9 and a power cut, and a change happens whole or not at all.
 * It never interprets what it keeps.
 */
import { type Database, open, type RootDatabase } from 'lmdb';
import { z } from 'zod';
import { CocoonError } from '../core/errors';

/** The record cannot be read or written: stop the process. Codes: ledger_unusable, ledger_corrupt, ledger_closed. */
export class LedgerError extends CocoonError {}

/** Where a listing starts and how far it goes. */
export interface Range {
  /** Only keys that start so. */
  readonly prefix?: string;
  /** Only keys behind this one. */
  readonly after?: string;
  readonly limit?: number;
  readonly reverse?: boolean;
}

/** Values of one schema by text key, listed in the order of their keys' bytes. Writes count only inside Ledger.change. */
export interface Table<T> {
  get(key: string): T | undefined;
  has(key: string): boolean;
  entries(range?: Range): Iterable<readonly [string, T]>;
  /** Inside Ledger.change only. */
  put(key: string, value: T): void;
  /** Inside Ledger.change only. */
  remove(key: string): void;
}

/** Keys hold numbers so that their order is the order of the numbers: 16 hex digits. */
export function numberKey(number: bigint): string {
  return number.toString(16).padStart(16, '0');
}

/** The number of such a key. */
export function keyNumber(key: string): bigint {
  return BigInt(`0x${key}`);
}

/** One LMDB environment. Reads are synchronous; a change is visible at once and durable when its promise resolves. */
export class Ledger {
  private isChanging = false;

  private constructor(private readonly root: RootDatabase<string, string>) {}

  /** Opens the record in `folder`, made when it is missing. @throws LedgerError ledger_unusable */
  static open(folder: string): Ledger {
    try {
      return new Ledger(open<string, string>({ path: folder, encoding: 'string', maxDbs: 32, mapSize: 64 * 1024 * 1024 }));
    } catch (cause) {
      throw new LedgerError('ledger_unusable', `the ledger in ${folder} cannot be opened`, { folder }, { cause });
    }
  }

  /** A table whose values have this schema. What a schema's codecs decode is encoded again when it is written. */
  table<S extends z.ZodType>(name: string, schema: S): Table<z.output<S>> {
    const database: Database<string, string> = this.root.openDB({ name, encoding: 'string' });
    const decode = (text: string): z.output<S> => {
      try {
        return schema.parse(JSON.parse(text));
      } catch (cause) {
        throw new LedgerError('ledger_corrupt', `a record of ${name} cannot be read`, { table: name }, { cause });
      }
    };
    const mustBeChanging = () => {
      if (!this.isChanging) throw new LedgerError('ledger_unusable', 'a write outside a change', { table: name });
    };
    return {
      get: (key) => {
        const text = database.get(key);
        return text === undefined ? undefined : decode(text);
      },
      has: (key) => database.doesExist(key),
      *entries(range = {}) {
        for (const { key, value } of database.getRange(boundsOf(range))) yield [key, decode(value)] as const;
      },
      put: (key, value) => {
        mustBeChanging();
        const text = JSON.stringify(z.encode(schema, value));
        write(() => database.putSync(key, text));
      },
      remove: (key) => {
        mustBeChanging();
        write(() => database.removeSync(key));
      },
    };
  }

  /**
   * Makes a change: all of its writes or, when it throws, none. The result comes when the change is on disk.
   * @throws what `make` throws; LedgerError ledger_unusable
   */
  async change<T>(make: () => T): Promise<T> {
    const result = this.changeNow(make);
    await this.durable();
    return result;
  }

  /** Resolves when every change that is visible now is on disk: before something leaves that rests on one. @throws LedgerError ledger_unusable */
  async durable(): Promise<void> {
    try {
      await this.root.flushed;
    } catch (cause) {
      throw unwritable(cause);
    }
  }

  async close(): Promise<void> {
    await this.root.close();
  }

  private changeNow<T>(make: () => T): T {
    let isMade = false;
    this.isChanging = true;
    try {
      return this.root.transactionSync(() => {
        const result = make();
        isMade = true;
        return result;
      });
    } catch (error) {
      // Behind its end only the commit is left to fail, whatever that throws.
      throw isMade ? unwritable(error) : error;
    } finally {
      this.isChanging = false;
    }
  }
}

function write(act: () => unknown): void {
  try {
    act();
  } catch (cause) {
    throw unwritable(cause);
  }
}

function unwritable(cause: unknown): LedgerError {
  return new LedgerError('ledger_unusable', 'the ledger cannot be written', {}, { cause });
}

function boundsOf(range: Range): { start?: string; end?: string; limit?: number; reverse?: boolean; exclusiveStart?: boolean } {
  const first = range.after ?? range.prefix;
  const last = range.prefix === undefined ? undefined : `${range.prefix}\u{10ffff}`;
  const [start, end] = range.reverse ? [last, first] : [first, last];
  return {
    ...(start === undefined ? {} : { start }),
    ...(end === undefined ? {} : { end }),
    ...(range.limit === undefined ? {} : { limit: range.limit }),
    ...(range.reverse ? { reverse: true } : {}),
    ...(range.after !== undefined && !range.reverse ? { exclusiveStart: true } : {}),
  };
}
