// The import directions of the house (docs/house.md): processes -> {chain, ledger, transport, runtime} -> {sealing, attestation,
// openai, billing, protocol} -> core, and the auditors' room apart.
'use strict';

const PROCESSES = ['client', 'proxy', 'worker', 'guest'];
// A benchmark is a test of speed, a trial one of many inputs.
const TEST = '(\\.(test|test-kit|spec)|/benchmark)\\.ts$|^offchain/attestation/trials/';
const inRooms = (rooms) => `^offchain/(${rooms.join('|')})/`;

/** Code of `from` may not import anything under offchain/ or wrappers/ but these. */
function only(name, from, rooms, extra = []) {
  return {
    name,
    severity: 'error',
    from: { path: from, pathNot: TEST },
    to: { path: '^(offchain|wrappers|contracts|scripts|tests|e2e)/', pathNot: [from, inRooms(rooms), ...extra] },
  };
}

const STATEMENTS = '^wrappers/statements\\.ts$';
const STATEMENT_PARTS = '^wrappers/statement/';
const PURE = ['core', 'sealing', 'attestation', 'openai', 'billing', 'protocol'];

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true, dependencyTypesNot: ['type-only'] } },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    only('core-imports-nothing-of-ours', '^offchain/core/', ['core']),
    only('sealing', '^offchain/sealing/', ['core'], [STATEMENTS]),
    only('attestation', '^offchain/attestation/', ['core'], [STATEMENTS]),
    only('openai', '^offchain/openai/', ['core'], [STATEMENTS]),
    only('billing', '^offchain/billing/', ['core'], [STATEMENTS]),
    only('protocol', '^offchain/protocol/', ['core', 'sealing'], [STATEMENTS]),
    only('runtime', '^offchain/runtime/', ['core']),
    only('ledger', '^offchain/ledger/', ['core']),
    only('transport', '^offchain/transport/', ['core', 'sealing', 'attestation', 'protocol', 'runtime'], [STATEMENTS]),
    only('chain', '^offchain/chain/', [...PURE, 'runtime'], ['^wrappers/']),
    ...PROCESSES.filter((name) => name !== 'guest').map((name) =>
      only(`${name}-is-a-process`, `^offchain/${name}/`, [...PURE, 'chain', 'ledger', 'transport', 'runtime'], [STATEMENTS]),
    ),
    // The trusted computing base: no chain, no ledger, no wallet.
    only('guest-is-small', '^offchain/guest/', [...PURE, 'transport', 'runtime'], [STATEMENTS]),
    only('localnet', '^offchain/localnet/', [...PURE, 'chain', 'ledger', 'transport', 'runtime', 'guest'], ['^wrappers/']),
    only('doctor', '^offchain/doctor/', [...PURE, 'chain', 'transport', 'runtime', 'guest']),
    only('commands', '^offchain/commands/', [...PURE, 'chain', 'transport', 'runtime', 'guest', 'doctor'], [STATEMENTS]),
    only(
      'reference',
      '^offchain/reference/',
      [...PURE, 'runtime', ...PROCESSES],
      ['^wrappers/errors\\.ts$', '^offchain/localnet/chain/config\\.ts$'],
    ),
    {
      name: 'verification-never-sees-a-platform',
      comment: 'what makes quotes is never part of what checks them',
      severity: 'error',
      from: { path: '^offchain/attestation/', pathNot: ['^offchain/attestation/platform/', TEST] },
      to: { path: '^offchain/attestation/platform/' },
    },
    {
      name: 'only-who-makes-evidence-sees-a-platform',
      comment: 'doctor asks it whether it would make any',
      severity: 'error',
      from: { path: '^offchain/', pathNot: ['^offchain/(attestation|guest|localnet|doctor)/', TEST] },
      to: { path: '^offchain/attestation/platform/' },
    },
    {
      name: 'only-what-simulates-sees-the-simulated-platform',
      comment: 'a guest on TDX loads nothing that makes quotes of its own; its composition root loads simulated-machine when told to',
      severity: 'error',
      from: {
        path: '^offchain/',
        pathNot: [
          '^offchain/attestation/platform/(simulated|development-.*|quote-writer|platform-certificate|pccs)\\.ts$',
          '^offchain/guest/simulated-machine\\.ts$',
          '^offchain/localnet/',
          TEST,
        ],
      },
      to: { path: '^offchain/attestation/platform/(simulated|development-.*|quote-writer|platform-certificate|pccs)\\.ts$' },
    },
    {
      name: 'browser-rooms-are-free-of-node',
      comment: 'core, sealing, attestation (verification), openai, billing, protocol and statements run in a page',
      severity: 'error',
      from: { path: [inRooms(PURE), STATEMENTS, STATEMENT_PARTS], pathNot: ['^offchain/attestation/platform/', TEST] },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'statements-and-prices-import-only-ton-core',
      severity: 'error',
      from: { path: '^wrappers/(statements\\.ts|statement/|chain-config\\.ts)' },
      to: { pathNot: ['^node_modules/@ton/core', STATEMENT_PARTS] },
    },
    {
      name: 'auditors-never-need-offchain',
      severity: 'error',
      from: { path: '^(contracts|wrappers|scripts|tests)/' },
      to: { path: '^offchain/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: ['^(dist|build)/'] },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['require', 'node', 'default', 'types'] },
  },
};
