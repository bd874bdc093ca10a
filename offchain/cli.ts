#!/usr/bin/env node
/** `cocoon <command>`: runs a process, or asks one that runs. */
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import type { Terminal } from './commands/terminal';
import type { VerifyOptions } from './commands/verify';
import { ConfigError, messageOf } from './core/errors';
import { controlSocketPath, getControl, sendCommand } from './runtime/control';
import { EXIT_CONFIG, EXIT_FAILED } from './runtime/lifecycle';
import { VERSION } from './runtime/version';

const PROCESSES = {
  proxy: 'offers workers, relays ciphertext, bills, settles on chain',
  worker: 'connects a guest to proxies, keeps vouchers, claims',
  guest: 'the agent inside the confidential machine: keys, evidence, engine, receipts',
  client: 'OpenAI-compatible gateway on loopback: verifies, seals, pays',
} as const;

/** What running processes can be asked, by the name of the process that answers. */
const QUESTIONS: readonly (readonly [command: string, words: string])[] = [
  ['balance', 'client: what the channel holds, owes and has paid'],
  ['last', 'client: the last answer, its evidence and its receipt'],
  ['open', 'client: open the channel'],
  ['topup', 'client: pay into the channel (--ton AMOUNT)'],
  ['withdraw', 'client: announce a withdrawal (--ton AMOUNT; everything without it; 0 takes it back)'],
  ['complete', 'client: take out what was announced, once its delay has passed'],
  ['settle', 'client: send a voucher over every receipt; proxy: charge every voucher'],
  ['claim', 'worker: claim what every voucher is worth'],
  ['state', 'proxy, worker: who owes what'],
];

async function main(args: readonly string[]): Promise<void> {
  const program = new Command('cocoon')
    .description('Cocoon: private inference from attested guests, paid by contract on TON. `npm run dev` runs a whole network here.')
    .version(VERSION, '--version', 'show the version')
    .helpOption('--help', 'show this')
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  for (const [name, words] of Object.entries(PROCESSES)) {
    program
      .command(name)
      .description(`run the ${name}: ${words}`)
      .requiredOption('--config <file>', 'its config file, see docs/config.md')
      .action((options: { config: string }) => {
        // A process reads its own arguments (runtime/lifecycle.ts).
        process.argv.splice(2, process.argv.length, '--config', options.config);
        require(join(__dirname, name, 'main'));
      });
  }
  program
    .command('status')
    .description('how a running process is')
    .requiredOption('--state <folder>', 'its state folder')
    .action(async (options: { state: string }) => {
      const { body } = await ask(options.state);
      process.stdout.write(body);
    });
  for (const [name, words] of QUESTIONS) {
    program
      .command(name)
      .description(words)
      .requiredOption('--state <folder>', 'state folder of the running process')
      .option('--ton <amount>', 'an amount in TON, such as 0.5')
      .action(async (options: { state: string; ton?: string }) => {
        const answer = await sendCommand(options.state, name, options.ton === undefined ? {} : { ton: options.ton });
        process.stdout.write(`${JSON.stringify(answer, null, 2)}\n`);
      });
  }
  program
    .command('receipt')
    .description("client: the last answer's receipt with its guest's evidence, a file for cocoon verify")
    .requiredOption('--state <folder>', 'state folder of the running process')
    .option('--answer <hash>', 'the answer under this authorisation, as in its header cocoon-authorisation')
    .action(async ({ state, answer }: { readonly state: string; readonly answer?: string }) => {
      process.stdout.write(String(await sendCommand(state, 'receipt', answer === undefined ? {} : { answer })));
    });
  addTools(program);
  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return;
    const isUsage = error instanceof CommanderError || error instanceof ConfigError;
    const line = messageOf(error)
      .replace(/^error: /, '')
      .replace(/\s*\n\s*/g, ' ');
    process.stderr.write(
      `cocoon: ${error instanceof CommanderError && args.length === 0 ? 'name a command' : line}${error instanceof CommanderError ? '; cocoon --help shows the commands' : ''}\n`,
    );
    process.exitCode = isUsage ? EXIT_CONFIG : EXIT_FAILED;
  }
}

/** What needs no running process. Each is loaded when it is asked for: a guest that is started here loads nothing of a chain. */
function addTools(program: Command): void {
  program
    .command('model-hash')
    .description('the hash that names a model: over the files of a folder, or the dm-verity root of an image')
    .argument('[path]', 'folder or file of the model')
    .option('--verity <image>', 'an image that is mounted through dm-verity: the root hash that veritysetup prints')
    .option('--salt <hex>', 'salt of its hash tree; none unless told, as with veritysetup format --salt=-')
    .option('--tree <file>', 'its hash tree, which says how it was made')
    .option('--tree-offset <bytes>', 'where in that file the tree begins, as given to veritysetup as --hash-offset')
    .action(async (path: string | undefined, options: Readonly<Record<'verity' | 'salt' | 'tree' | 'treeOffset', string | undefined>>) => {
      const { modelHashCommand }: typeof import('./commands/model-hash') = require('./commands/model-hash');
      await modelHashCommand({ path, ...options }, TERMINAL);
    });
  program
    .command('explain-hash')
    .description("replays a TDX guest's event log, and names what makes its measurements differ (tried on synthetic logs only)")
    .argument('[log]', 'the event log', EVENT_LOG)
    .option('--quote <file>', 'a quote of the machine, or its evidence: what its registers hold')
    .option('--expected <file>', 'what they should hold: JSON with mrtd, rtmr0, rtmr1, rtmr2, rtmr3 in hex')
    .option('--reference <log>', 'the event log of a machine that is as it should be')
    .action(async (log: string, options: Readonly<Record<'quote' | 'expected' | 'reference', string | undefined>>) => {
      const { explainHashCommand }: typeof import('./commands/explain-hash') = require('./commands/explain-hash');
      if (!(await explainHashCommand({ log, ...options }, TERMINAL))) process.exitCode = EXIT_FAILED;
    });
  program
    .command('verify')
    .description('verifies evidence or a receipt from a file, without any network')
    .argument('<file>', 'what a client wrote into the evidence folder of its state folder, what cocoon receipt prints, or a bundle')
    .option('--network <file>', "network.json: its trust roots count and its root contract is meant; without it, Intel's root alone")
    .option('--at <time>', 'the moment to ask about, in unix seconds or as in 2026-02-19T11:00:00Z; now without it')
    .option('--evidence <file>', 'with a receipt: evidence that was kept apart from it')
    .option('--prompt <file>', "with a receipt: body of the request, for the receipt's commitment to it")
    .option('--answer <file>', "with a receipt: body of the answer, for the receipt's commitment to it")
    .option('--allow-unproven', 'take a model that nothing proves; under a development root only')
    .action(async (file: string, options: Omit<VerifyOptions, 'file'>) => {
      const { verifyCommand }: typeof import('./commands/verify') = require('./commands/verify');
      if (!(await verifyCommand({ file, ...options }, TERMINAL))) process.exitCode = EXIT_FAILED;
    });
  program
    .command('doctor')
    .description('looks at this machine and at a network, and says what is wrong and what to do')
    .option('--host', 'as the host of a guest')
    .option('--guest', 'as a guest, on TDX')
    .option('--network <file>', 'network.json: looks at its chain, its root contract and its proxies, too')
    .option('--pccs <url>', "a cache of Intel's collateral to look at; the network's by default")
    .action(async (options: { readonly host?: boolean; readonly guest?: boolean; readonly network?: string; readonly pccs?: string }) => {
      const { doctorCommand }: typeof import('./commands/doctor') = require('./commands/doctor');
      const { thisMachine }: typeof import('./doctor/machine') = require('./doctor/machine');
      if (!(await doctorCommand(options, thisMachine(), TERMINAL))) process.exitCode = EXIT_FAILED;
    });
}

const EVENT_LOG = '/sys/firmware/acpi/tables/data/CCEL';

const TERMINAL: Terminal = {
  write: (text) => void process.stdout.write(text),
  note: (text) => void process.stderr.write(text),
  isWatched: process.stderr.isTTY === true,
};

async function ask(stateFolder: string): Promise<{ readonly body: string }> {
  try {
    return await getControl(controlSocketPath(stateFolder), '/healthz');
  } catch (cause) {
    throw new ConfigError(
      'not_running',
      `no process answers in ${stateFolder}: is it running, and is that its state folder?`,
      {},
      { cause },
    );
  }
}

void main(process.argv.slice(2));
