import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { nano } from '../protocol/fields';
import { keyNumber, Ledger, LedgerError, numberKey } from './ledger';

const schema = z.strictObject({ amount: nano, note: z.string() });

describe('ledger', () => {
  let folder: string;
  let ledger: Ledger;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-ledger-'));
    ledger = Ledger.open(folder);
  });

  afterEach(async () => {
    await ledger.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('gives back what was changed, also after it was closed and opened', async () => {
    await ledger.change(() => ledger.table('coins', schema).put('a', { amount: 12345678901234567890n, note: 'Ünïcode' }));
    await ledger.close();
    ledger = Ledger.open(folder);
    expect(ledger.table('coins', schema).get('a')).toEqual({ amount: 12345678901234567890n, note: 'Ünïcode' });
  });

  it('keeps nothing of a change that throws, over all tables', async () => {
    const coins = ledger.table('coins', schema);
    const notes = ledger.table('notes', z.string());
    await expect(
      ledger.change(() => {
        coins.put('a', { amount: 1n, note: '' });
        notes.put('a', 'x');
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    expect(coins.get('a')).toBeUndefined();
    expect(notes.has('a')).toBe(false);
  });

  it('says when everything that is visible is on disk', async () => {
    const notes = ledger.table('notes', z.string());
    const changes = ['a', 'b', 'c'].map((key) => ledger.change(() => notes.put(key, key)));
    expect([...notes.entries()].map(([key]) => key)).toEqual(['a', 'b', 'c']);
    await ledger.durable();
    await Promise.all(changes);
  });

  it('reports a change that cannot be written as its own failure (ledger_unusable)', async () => {
    const notes = ledger.table('notes', z.string());
    await expect(ledger.change(() => notes.put('x'.repeat(10_000), ''))).rejects.toMatchObject({ code: 'ledger_unusable' });
    expect([...notes.entries()]).toEqual([]);
  });

  it('refuses a write outside a change', () => {
    expect(() => ledger.table('coins', schema).put('a', { amount: 1n, note: '' })).toThrow(LedgerError);
  });

  it('lists by prefix, behind a key, limited and reversed, in the order of numbers', async () => {
    const coins = ledger.table('coins', z.string());
    await ledger.change(() => {
      for (const n of [1n, 2n, 300n, 40_000n]) coins.put(`x/${numberKey(n)}`, String(n));
      coins.put('y/0', 'other');
    });
    const values = (range: Parameters<typeof coins.entries>[0]) => [...coins.entries(range)].map(([, value]) => value);
    expect(values({ prefix: 'x/' })).toEqual(['1', '2', '300', '40000']);
    expect(values({ prefix: 'x/', after: `x/${numberKey(2n)}` })).toEqual(['300', '40000']);
    expect(values({ prefix: 'x/', limit: 2 })).toEqual(['1', '2']);
    expect(values({ prefix: 'x/', reverse: true, limit: 1 })).toEqual(['40000']);
    expect(keyNumber(numberKey(40_000n))).toBe(40_000n);
  });

  it('reports a record of another form (ledger_corrupt)', async () => {
    const text = ledger.table('coins', z.string());
    await ledger.change(() => text.put('a', 'x'));
    expect(() => ledger.table('coins', schema).get('a')).toThrow(expect.objectContaining({ code: 'ledger_corrupt' }));
  });

  it('has everything that was acknowledged before kill -9', async () => {
    await ledger.close();
    const writer = join(__dirname, 'ledger.test-writer.js');
    const child = fork(writer, [folder], { stdio: 'ignore' });
    const last = await new Promise<number>((resolve) => {
      let seen = 0;
      child.on('message', (number) => {
        if (typeof number !== 'number') return;
        seen = number;
        if (number === 200) child.kill('SIGKILL');
      });
      child.on('exit', () => resolve(seen));
    });
    ledger = Ledger.open(folder);
    const rows = [...ledger.table('rows', z.string()).entries()];
    expect(last).toBeGreaterThanOrEqual(200);
    expect(rows.length).toBeGreaterThanOrEqual(last);
  });
});
