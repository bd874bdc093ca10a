import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../runtime/project-root';
import { referencePages } from './pages';

/** `npm run docs` writes the pages; with `--check` it only says which are not what the code says, and exits with 1. */
function main(args: readonly string[]): void {
  const root = projectRoot();
  const pages = referencePages(readFileSync(join(root, 'wrappers', 'errors.ts'), 'utf8'));
  const stale = pages.filter(({ path, text }) => !existsSync(join(root, path)) || readFileSync(join(root, path), 'utf8') !== text);
  if (args.includes('--check')) {
    for (const { path } of stale) process.stderr.write(`${path} is not what the code says: run npm run docs\n`);
    if (stale.length > 0) process.exitCode = 1;
    return;
  }
  for (const { path, text } of stale) {
    writeFileSync(join(root, path), text);
    process.stdout.write(`${path} written\n`);
  }
}

main(process.argv.slice(2));
