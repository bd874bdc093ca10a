// Compiles wrappers/ and offchain/ to dist/: `npm run build`. The stamp is written last, so that a build that was cut off is done again.

const { spawnSync } = require('node:child_process');
const { existsSync, rmSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');

const root = join(__dirname, '..', '..');
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
if (!existsSync(compiler)) {
  process.stderr.write('cocoon: node_modules is missing or incomplete: run npm ci first\n');
  process.exit(2);
}
const dist = join(root, 'dist');
// What is gone from the sources must be gone from dist/, too: the guest's files are measured.
rmSync(dist, { recursive: true, force: true });
const result = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
if (result.status !== 0) process.exit(result.status ?? 1);
writeFileSync(join(dist, 'built'), '');
