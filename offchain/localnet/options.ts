import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { ConfigError } from '../core/errors';
import { VERSION } from '../runtime/version';

/** What `npm run dev` was asked for. */
export interface DevOptions {
  readonly once: string | null;
  readonly reset: boolean;
  readonly model: string | null;
  readonly engineUrl: string | null;
  /** Null: .cocoon/local in the project, or a temporary folder for --once. */
  readonly stateFolder: string | null;
  readonly port: number | null;
}

/** Help and version were asked for: the text, and nothing more to do. */
export interface Shown {
  readonly text: string;
}

/** Reads the flags. @throws ConfigError bad_flags with one line that says what is allowed */
export function parseOptions(args: readonly string[]): DevOptions | Shown {
  let shown = '';
  const command = new Command('npm run dev --')
    .description(
      'Runs the whole network on this machine: a local TON chain, contracts, proxy, worker, guest, engine, and an OpenAI-compatible gateway.',
    )
    .option('--once <question>', 'ask one question in a network of its own, show what it cost, and end')
    .option('--model <file>', 'a GGUF model instead of the built-in demonstration model')
    .option('--engine <url>', 'any OpenAI-compatible server instead (MODEL NOT PROVEN)')
    .option('--port <number>', 'port of the gateway; proxy, chain and PCCS take the next three (default: 10000; 0 for free ones)', toPort)
    .option('--state <folder>', 'where the network is kept (default: .cocoon/local)')
    .option('--reset', 'delete the state of the local network first')
    .version(VERSION, '--version', 'show the version')
    .helpOption('--help', 'show this')
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => {
        shown += text;
      },
      writeErr: () => undefined,
    });
  try {
    command.parse([...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { text: shown };
    throw new ConfigError('bad_flags', `${error.message.replace(/^error: /, '')}; npm run dev -- --help shows the flags`);
  }
  const options = command.opts<Record<string, unknown>>();
  const text = (value: unknown) => (typeof value === 'string' ? value : null);
  const once = text(options.once);
  if (once !== null && once.trim() === '') throw new ConfigError('bad_flags', '--once needs a question, such as --once "What is Cocoon?"');
  return {
    once,
    reset: options.reset === true,
    model: text(options.model),
    engineUrl: text(options.engine),
    stateFolder: text(options.state),
    port: typeof options.port === 'number' ? options.port : null,
  };
}

function toPort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_532)
    throw new InvalidArgumentError('expected a port from 1 to 65532, or 0 for free ones.');
  return port;
}
