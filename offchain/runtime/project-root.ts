import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { ConfigError } from '../core/errors';

const manifestSchema = z.looseObject({ name: z.string() });

/** Whether `folder` holds the package.json of this project. */
function isProjectRoot(folder: string): boolean {
  const path = join(folder, 'package.json');
  if (!existsSync(path)) return false;
  const manifest = manifestSchema.safeParse(JSON.parse(readFileSync(path, 'utf8')));
  return manifest.success && manifest.data.name === 'cocoon';
}

/**
 * The project's folder, found from here upwards, so that files which the compiler does not copy are found from the sources and from dist/ alike.
 * @throws ConfigError no_project_root
 */
export function projectRoot(from: string = __dirname): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (isProjectRoot(folder)) return folder;
    if (folder === dirname(folder)) throw new ConfigError('no_project_root', `no package.json named cocoon above ${from}`);
  }
}
