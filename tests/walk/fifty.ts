/** Fifty walks as a test. They run in a process of their own: in jest's, where every global is looked up twice, they take twice as long. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** On a busy machine. */
const PATIENCE_MS = 600_000;
const MAIN = join(__dirname, 'main.ts');

/** `attacked` are the ids of the invariants that every step is held against. */
export function walkFiftyTimes(seed: number, attacked: string): void {
  test(
    `fifty walks from seed ${seed} lose nobody a coin, let everybody leave alone, and try everything (${attacked})`,
    async () => {
      const options = ['--runs', '50', '--seed', String(seed), '--varied', '--built'];
      const { stdout } = await promisify(execFile)(process.execPath, ['-r', 'ts-node/register/transpile-only', MAIN, ...options]);
      expect(stdout).toMatch(/every walk kept the rules\n$/);
    },
    PATIENCE_MS,
  );
}
