import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from './project-root';

describe('projectRoot', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-root-'));
    mkdirSync(join(folder, 'dist', 'offchain', 'runtime'), { recursive: true });
    mkdirSync(join(folder, 'other', 'deep'), { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{"name":"cocoon"}');
    writeFileSync(join(folder, 'other', 'package.json'), '{"name":"something else"}');
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it('is the folder of this project', () => {
    expect(existsSync(join(projectRoot(), 'biome.json'))).toBe(true);
  });

  it('is found from dist/ and past packages of other names', () => {
    expect(projectRoot(join(folder, 'dist', 'offchain', 'runtime'))).toBe(folder);
    expect(projectRoot(join(folder, 'other', 'deep'))).toBe(folder);
  });

  it('is refused where there is none (no_project_root)', () => {
    expect(() => projectRoot(tmpdir())).toThrow(expect.objectContaining({ code: 'no_project_root' }));
  });
});
