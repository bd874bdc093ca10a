import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

test.each([
  [['--runs', '0'], '--runs is 0, at least 1 expected\n'],
  [['--runs=-3'], '--runs is -3, at least 1 expected\n'],
  [['--runs', 'x'], '--runs is x, a whole number expected\n'],
])('a walk that takes no step keeps no rule: %j is refused', (options, stderr) => {
  const args = ['-r', 'ts-node/register/transpile-only', join(__dirname, 'main.ts'), '--built', ...options];
  expect(spawnSync(process.execPath, args, { encoding: 'utf8' })).toMatchObject({
    status: 1,
    stdout: '',
    stderr: expect.stringContaining(stderr),
  });
});
