import { ProgressLine } from './terminal';
import { RecordedTerminal } from './terminal.test-kit';

const GIB = 1024 ** 3;

function shown(isWatched: boolean, totalBytes: number, steps: number): string {
  const terminal = new RecordedTerminal(isWatched);
  const progress = new ProgressLine(terminal, 'hashing');
  for (let i = 1; i <= steps; i++) progress.show((totalBytes * i) / steps, totalBytes);
  progress.end();
  expect(terminal.written).toBe('');
  return terminal.notes;
}

describe('ProgressLine', () => {
  it('tells every tenth of a long work on a line of its own where nobody watches', () => {
    const lines = shown(false, 2 * GIB, 1000)
      .trim()
      .split('\n');
    expect(lines).toHaveLength(11);
    expect(lines[3]).toBe('hashing  30 % of 2.0 GiB');
  });

  it('writes over one line where somebody watches, and leaves it clean', () => {
    const text = shown(true, 2 * GIB, 1000);
    expect(text.split('\r')).toHaveLength(102);
    expect(text.endsWith('\rhashing 100 % of 2.0 GiB\n')).toBe(true);
  });

  it('tells nothing of a small work', () => {
    expect(shown(true, 1000, 10)).toBe('');
  });
});
