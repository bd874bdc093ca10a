/**
 * Compiles every project of tact.config.json into build/ and writes wrappers/code.json, the code that wrappers/contract-code.ts loads.
 *
 * Plain JavaScript, so that nothing has to be built before it. The same sources give the same bytes: code.json is checked in,
 * and a fresh clone works without compiling. A contract that needs another one's code (root: proxy; proxy: worker) asks the
 * compiler for it (`codeOf`), so the order of the projects does not matter and no hash is copied by hand.
 *
 * The compiler's package asks for Node 22; it is called as a library here, which Node 20 runs as well.
 */
const { mkdirSync, readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { build, Logger, LogLevel, parseConfig } = require('@tact-lang/compiler');
const { createNodeFileSystem } = require('@tact-lang/compiler/dist/vfs/createNodeFileSystem');
const stdlib = require('@tact-lang/compiler/dist/stdlib/stdlib');
const { createVirtualFileSystem } = require('@tact-lang/compiler');
const { Cell } = require('@ton/core');

const HOUSE = join(__dirname, '..');
const CODE_FILE = join(HOUSE, 'wrappers', 'code.json');

/** Compiles one project. @throws Error with the compiler's own message */
async function compile(project) {
  mkdirSync(join(HOUSE, project.output), { recursive: true });
  const result = await build({
    config: project,
    project: createNodeFileSystem(HOUSE, false),
    stdlib: createVirtualFileSystem('@stdlib', stdlib.files),
    logger: new Logger(LogLevel.NONE),
  });
  if (!result.ok) {
    throw new Error(`${project.path} does not compile\n${result.error.map((error) => error.message).join('\n')}`);
  }
  const [code] = Cell.fromBoc(readFileSync(join(HOUSE, project.output, `${project.name}_${project.name}.code.boc`)));
  return { hash: code.hash().toString('hex'), boc: code.toBoc().toString('base64') };
}

/** Compiles all contracts and writes code.json when it changes. */
async function buildContracts() {
  const { projects } = parseConfig(readFileSync(join(HOUSE, 'tact.config.json'), 'utf8'));
  const compiled = {};
  for (const project of [...projects].sort((a, b) => (a.name < b.name ? -1 : 1))) compiled[project.name] = await compile(project);
  const text = `${JSON.stringify(compiled, null, 2)}\n`;
  if (text !== readFileSync(CODE_FILE, { encoding: 'utf8', flag: 'a+' })) writeFileSync(CODE_FILE, text);
  return compiled;
}

module.exports = { buildContracts };

if (require.main === module) {
  buildContracts().then(
    (compiled) => {
      for (const [name, { hash, boc }] of Object.entries(compiled)) {
        console.log(`${name.padEnd(15)} ${hash} ${Buffer.from(boc, 'base64').length} bytes`);
      }
    },
    (error) => {
      console.error(error.message);
      process.exitCode = 1;
    },
  );
}
