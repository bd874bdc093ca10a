import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { CocoonError, ConfigError, messageOf } from '../core/errors';
import { projectRoot } from '../runtime/project-root';
import { chooseEngine } from './engine-choice';
import { LocalNetwork, type LocalNetworkOptions, resetState } from './local-network';
import { askOnce } from './once';
import { type DevOptions, parseOptions } from './options';
import { DEFAULT_PORTS, NETWORK_NAME, type Ports } from './settings';
import { answerLine, nextSteps } from './words';

const say = (line: string) => process.stdout.write(`${line}\n`);

void main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<void> {
  let stateFolder: string | null = null;
  try {
    const options = parseOptions(args);
    if ('text' in options) return void process.stdout.write(options.text);
    stateFolder = stateFolderOf(options);
    process.exitCode = options.once === null ? await runDev(options, stateFolder) : await runOnce(options, options.once, stateFolder);
  } catch (error) {
    const place =
      stateFolder === null || error instanceof ConfigError || !existsSync(stateFolder) ? '' : ` (logs: ${near(stateFolder)}/*/log)`;
    process.stderr.write(`cocoon: ${messageOf(error).replace(/\s*\n\s*/g, ' ')}${remedyFor(error)}${place}\n`);
    if (!(error instanceof CocoonError) && process.env.COCOON_DEBUG !== undefined) process.stderr.write(`${String(error)}\n`);
    process.exitCode = error instanceof ConfigError ? 2 : 1;
  }
}

/** What a person can do about it, where the line of the process that failed cannot know. */
function remedyFor(error: unknown): string {
  const code = error instanceof CocoonError ? (error.data.childCode ?? error.code) : null;
  if (code === 'port_unusable') return '; --port NUMBER takes others, --port 0 any that are free';
  if (code === 'already_running') return '; end it first, or --state FOLDER --port 0 runs another network';
  return '';
}

/** Runs until Ctrl-C. */
async function runDev(options: DevOptions, stateFolder: string): Promise<number> {
  if (options.reset) await resetState(stateFolder);
  const interrupted = onInterrupt();
  const ports = portsOf(options.port ?? DEFAULT_PORTS.client);
  say('Cocoon local network. SIMULATED: a development root vouches for the guest, no hardware does.');
  const starting = LocalNetwork.start(networkOptions(options, stateFolder, ports, true, interrupted.signal));
  const network = await Promise.race([starting, interrupted.promise.then(() => null)]);
  if (network !== null) {
    for (const line of nextSteps(network)) say(line);
    await interrupted.promise;
  }
  say('stopping');
  await (await starting.catch(() => null))?.stop();
  return 0;
}

/** A network of its own, one question, the proof, and nothing left behind but what --state names. */
async function runOnce(options: DevOptions, question: string, stateFolder: string): Promise<number> {
  if (options.reset) await resetState(stateFolder);
  const interrupted = onInterrupt();
  const ports = portsOf(options.port ?? 0);
  const starting = LocalNetwork.start(networkOptions(options, stateFolder, ports, false, interrupted.signal));
  let isGood = false;
  try {
    const network = await Promise.race([starting, interrupted.promise.then(() => null)]);
    if (network === null) return 130;
    const outcome = await Promise.race([askOnce(network, question, say), interrupted.promise.then(() => null)]);
    if (outcome === null) return 130;
    isGood = outcome;
    return isGood ? 0 : 1;
  } finally {
    await (await starting.catch(() => null))?.stop();
    // What failed is kept to be looked at.
    if (isGood && options.stateFolder === null) rmSync(stateFolder, { recursive: true, force: true });
  }
}

function networkOptions(
  options: DevOptions,
  stateFolder: string,
  ports: Ports,
  isSupervised: boolean,
  signal: AbortSignal,
): LocalNetworkOptions {
  const progress = (step: string, text: string) => say(`  ${step.padEnd(10)} ${text}`);
  return {
    stateFolder,
    ports,
    engine: chooseEngine(options, (text) => progress('model', text)),
    isSupervised,
    signal,
    onProgress: progress,
    onEvent: (name, event, details) => {
      if (name === 'client' && event === 'answer') say(answerLine(details));
      else if (event === 'progress') progress(name, String(details.text ?? ''));
    },
  };
}

function stateFolderOf(options: DevOptions): string {
  if (options.stateFolder !== null) return resolve(options.stateFolder);
  if (options.once !== null) return mkdtempSync(join(tmpdir(), 'cocoon-once-'));
  return join(projectRoot(), '.cocoon', NETWORK_NAME);
}

function portsOf(first: number): Ports {
  return first === 0 ? { client: 0, proxy: 0, chain: 0, pccs: 0 } : { client: first, proxy: first + 1, chain: first + 2, pccs: first + 3 };
}

function near(path: string): string {
  const short = relative(process.cwd(), path);
  return short.length < path.length ? short : path;
}

/** The first Ctrl-C asks for an orderly end; the second ends at once. */
function onInterrupt(): { readonly promise: Promise<void>; readonly signal: AbortSignal } {
  const controller = new AbortController();
  const promise = new Promise<void>((done) => {
    const interrupt = () => {
      if (controller.signal.aborted) process.exit(130);
      controller.abort();
      done();
    };
    process.on('SIGINT', interrupt);
    process.on('SIGTERM', interrupt);
    process.on('SIGHUP', interrupt);
  });
  return { promise, signal: controller.signal };
}
