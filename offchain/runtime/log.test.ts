import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLog } from './log';

let folder = '';
let file = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cocoon-log-'));
  file = join(folder, 'log', 'proxy.log');
});
afterEach(() => rmSync(folder, { recursive: true }));

const lines = (path: string) =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

test("appends a JSON line at once, with the process's name, readable by its owner only", () => {
  openLog(file, 'proxy').info({ seqno: 5 }, 'block seen');
  openLog(file, 'proxy').error({ code: 'x' }, 'failed');
  expect(lines(file)).toMatchObject([
    { name: 'proxy', seqno: 5, msg: 'block seen', level: 30 },
    { name: 'proxy', code: 'x', msg: 'failed', level: 50 },
  ]);
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test('leaves out what is below its level', () => {
  const log = openLog(file, 'proxy', 'warn');
  log.info('quiet');
  log.warn('loud');
  expect(lines(file)).toMatchObject([{ msg: 'loud' }]);
});

test('sets a log aside that has grown above the limit, and one before it goes', () => {
  const open = () => openLog(file, 'proxy', 'info', 200);
  for (let run = 0; run < 3; run++) {
    const log = open();
    for (let i = 0; i < 5; i++) log.info({ run }, 'line');
  }
  expect(lines(file).map(({ run }) => run)).toEqual([2, 2, 2, 2, 2]);
  expect(lines(`${file}.1`).map(({ run }) => run)).toEqual([1, 1, 1, 1, 1]);
  expect(existsSync(`${file}.2`)).toBe(false);
});
