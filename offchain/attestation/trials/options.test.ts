import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

test.each([
  [['--runs', '0'], '--runs is 0, a whole number from 1 on expected\n'],
  [['--cases', '0'], '--cases is 0, a whole number from 1 on expected\n'],
  [['--only', 'nothing'], '--only is nothing, expected flips, fuzz, differential\n'],
])('a trial without any input finds nothing wrong: %j is refused', (options, stderr) => {
  const args = ['-r', 'ts-node/register/transpile-only', join(__dirname, 'main.ts'), ...options];
  expect(spawnSync(process.execPath, args, { encoding: 'utf8' })).toMatchObject({
    status: 1,
    stdout: '',
    stderr: expect.stringContaining(stderr),
  });
});
