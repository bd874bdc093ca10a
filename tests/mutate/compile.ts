import { build, createVirtualFileSystem, Logger, LogLevel, parseConfig, stdLibFiles } from '@tact-lang/compiler';
import { Cell } from '@ton/core';
import { closureOf, contractsWith, type Sources } from './contract-sources';

/** Compiled contracts, as wrappers/code.json holds them. */
export type Code = Readonly<Record<string, { readonly hash: string; readonly boc: string }>>;

export type Compiled = { readonly kind: 'compiled'; readonly code: Code } | { readonly kind: 'refused'; readonly message: string };

/** The compiler's virtual machine registers these at every run and never lets go of itself: 20 MB a compilation. */
const LEFT_BEHIND = ['uncaughtException', 'unhandledRejection'] as const;

/** Compiles in memory, with the options of tact.config.json (its text). A compilation of root gives the code of proxy and worker, too. */
export class Compiler {
  private readonly projects: ReturnType<typeof parseConfig>['projects'];
  private last: Promise<unknown> = Promise.resolve();

  constructor(config: string) {
    this.projects = parseConfig(config).projects;
  }

  /** All contracts whose code a change of `file` can change; without a file, all contracts. One call at a time is at work. */
  compile(sources: Sources, file?: string): Promise<Compiled> {
    const compiled = this.last.then(() => this.compileNow(sources, file));
    this.last = compiled.catch(() => undefined);
    return compiled;
  }

  private async compileNow(sources: Sources, file: string | undefined): Promise<Compiled> {
    const affected = new Set(file === undefined ? this.projects.map(({ name }) => name) : contractsWith(file, sources));
    const code: Record<string, { hash: string; boc: string }> = {};
    for (const project of this.projects.filter(({ name }) => affected.has(name) && !isPartOfAnother(name, affected, sources))) {
      const files = Object.fromEntries([...sources].map(([name, text]) => [`contracts/${name}`, toBase64(text)]));
      const result = await build({
        config: project,
        project: createVirtualFileSystem('/', files, false),
        stdlib: createVirtualFileSystem('@stdlib', stdLibFiles),
        logger: new Logger(LogLevel.NONE),
      });
      for (const event of LEFT_BEHIND) process.removeAllListeners(event);
      if (!result.ok) return { kind: 'refused', message: result.error.map(({ message }) => message).join('\n') };
      for (const [path, written] of Object.entries(files)) {
        const name = /_(\w+)\.code\.boc$/.exec(path)?.[1];
        if (name !== undefined) code[name] = codeIn(written);
      }
    }
    return { kind: 'compiled', code };
  }
}

/** Whether one of the other contracts holds this one's code. */
function isPartOfAnother(name: string, affected: ReadonlySet<string>, sources: Sources): boolean {
  return [...affected].some((other) => other !== name && closureOf(`${other}.tact`, sources).has(`${name}.tact`));
}

function codeIn(boc: string): { hash: string; boc: string } {
  const cell = Cell.fromBase64(boc);
  return { hash: cell.hash().toString('hex'), boc: cell.toBoc().toString('base64') };
}

function toBase64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
