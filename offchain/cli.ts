#!/usr/bin/env node
/** `cocoon <command>`: runs a process, or asks one that runs. */
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
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
