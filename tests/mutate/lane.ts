import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { z } from 'zod';
import jestConfig from '../../jest.config';
import type { Code } from './compile';
import { NO_JUDGE_TEST } from './judges';

/** Never copied into a lane: what is large, built, or none of the contracts' tests' business. */
const LEFT_OUT = new Set(['node_modules', '.git', 'dist', 'build', '.cocoon', 'coverage', 'offchain', 'e2e']);

const Outcome = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('green'), passed: z.number() }),
  z.object({ kind: z.literal('red'), spec: z.string(), test: z.string(), message: z.string() }),
]);

/** What the specs say: all green, or the first red; `hung` when they did not end in time. */
export type Outcome = z.infer<typeof Outcome> | { readonly kind: 'hung' };

/** What a lane is to run. */
export interface Trial {
  /** Files of contracts/ that differ from the checkout. */
  readonly texts: ReadonlyMap<string, string>;
  /** All compiled contracts. */
  readonly code: Code;
  /** The specs in the order in which they run. */
  readonly specs: readonly string[];
  readonly timeoutMs: number;
  /** Goes on after the first red, and names all of them in the message. */
  readonly isPatient?: boolean;
}

/** A copy of the checkout in which one mutant at a time is tested; the dependencies are the checkout's own. */
export class Lane {
  private constructor(
    private readonly house: string,
    private readonly folder: string,
  ) {}

  /** Copies the checkout into `folder`, which must not exist. */
  static create(house: string, folder: string): Lane {
    cpSync(house, folder, { recursive: true, filter: (path) => !LEFT_OUT.has(relative(house, path)) });
    symlinkSync(join(house, 'node_modules'), join(folder, 'node_modules'));
    const project = jestConfig.projects?.find((it) => typeof it !== 'string' && it.displayName === 'contracts');
    if (project === undefined || typeof project === 'string') throw new Error('jest.config.ts has no project of contracts');
    const { displayName: _name, globalSetup: _compiles, ...rest } = project;
    const config = {
      ...rest,
      testTimeout: jestConfig.testTimeout,
      rootDir: folder,
      roots: ['wrappers', 'tests'].map((part) => join(folder, part)),
      cacheDirectory: join(folder, '.jest'),
      watchman: false,
      testSequencer: join(__dirname, 'given-order.js'),
      reporters: [[join(__dirname, 'report-first-red.js'), { to: join(folder, 'outcome.json') }]],
    };
    mkdirSync(config.cacheDirectory);
    writeFileSync(join(folder, 'lane.config.json'), JSON.stringify(config));
    return new Lane(house, folder);
  }

  /** @throws Error with the runner's own words when it could not run the specs at all, or `signal` ended it */
  async judge(trial: Trial, signal: AbortSignal): Promise<Outcome> {
    const { texts, code } = trial;
    const record = join(this.folder, 'outcome.json');
    rmSync(record, { force: true });
    const before = new Map([...texts.keys()].map((file) => [file, readFileSync(this.contract(file), 'utf8')]));
    for (const [file, text] of texts) writeFileSync(this.contract(file), text);
    writeFileSync(join(this.folder, 'wrappers', 'code.json'), JSON.stringify(code));
    const words = await this.run(trial, signal);
    for (const [file, text] of before) writeFileSync(this.contract(file), text);
    if (words === undefined) return { kind: 'hung' };
    try {
      return Outcome.parse(JSON.parse(readFileSync(record, 'utf8')));
    } catch (cause) {
      throw new Error(`the specs could not be run\n${words}`, { cause });
    }
  }

  private contract(file: string): string {
    return join(this.folder, 'contracts', file);
  }

  /** What the test runner printed; nothing when it had to be ended. */
  private run({ specs, timeoutMs, isPatient }: Trial, signal: AbortSignal): Promise<string | undefined> {
    const jest = join(this.house, 'node_modules', 'jest', 'bin', 'jest.js');
    const paths = specs.map((spec) => join(this.folder, 'tests', spec));
    const config = ['--config', join(this.folder, 'lane.config.json'), '--runInBand', '--ci'];
    const only = ['--testNamePattern', `^(?!.*${NO_JUDGE_TEST})`, '--runTestsByPath', ...paths];
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [jest, ...config, ...only], {
        cwd: this.folder,
        env: { ...process.env, MUTATE_ORDER: specs.join(','), MUTATE_PATIENT: isPatient ? '1' : '' },
        stdio: ['ignore', 'pipe', 'pipe'],
        signal,
        killSignal: 'SIGKILL',
      });
      let words = '';
      let isLate = false;
      const timer = setTimeout(() => {
        isLate = true;
        child.kill('SIGKILL');
      }, timeoutMs);
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (chunk: Buffer) => {
          words = (words + chunk.toString('utf8')).slice(-4_000);
        });
      }
      child.once('error', reject);
      child.once('close', () => {
        clearTimeout(timer);
        resolve(isLate ? undefined : words);
      });
    });
  }
}
