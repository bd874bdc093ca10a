// Starts the local network: `npm run dev`. Plain JavaScript that even an old Node reads, so that the first thing it can say is which
// Node it needs. Builds what has changed, then hands over to the compiled main.

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`cocoon: this is Node ${process.versions.node}; Node 20.19 or newer is needed\n`);
  process.exit(2);
}

const { spawnSync } = require('node:child_process');
const { existsSync, readdirSync, statSync } = require('node:fs');
const { join } = require('node:path');

const root = join(__dirname, '..', '..');
const main = join(root, 'dist', 'offchain', 'localnet', 'main.js');

/** Latest change of the sources that are compiled. */
function newest(folder) {
  let latest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) latest = Math.max(latest, newest(path));
    else if (/\.(ts|json)$/.test(entry.name)) latest = Math.max(latest, statSync(path).mtimeMs);
  }
  return latest;
}

const sources = Math.max(
  newest(join(root, 'offchain')),
  newest(join(root, 'wrappers')),
  statSync(join(root, 'tsconfig.build.json')).mtimeMs,
);
const stamp = join(root, 'dist', 'built');
if (!existsSync(stamp) || statSync(stamp).mtimeMs < sources) {
  process.stdout.write('building\n');
  const built = spawnSync(process.execPath, [join(__dirname, 'build.js')], { cwd: root, stdio: 'inherit' });
  if (built.status !== 0) process.exit(1);
}
require(main);
