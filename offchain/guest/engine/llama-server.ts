import { Socket } from 'node:net';
import { basename } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { codeOf, messageOf } from '../../core/errors';
import type { ChildMessage } from './child-messages';
import { EngineError } from './engine';
import { LlamaHttpServer } from './llama/http-server';
import { loadModel, type ModelFacts, readModelFacts } from './llama/model';
import { loadNativeAddon } from './llama/native-addon';
import { Scheduler } from './llama/scheduler';

/** Memory for the attention of all requests at once. */
const CACHE_BUDGET_BYTES = 2 * 1024 ** 3;
const MOST_SLOTS = 8;
const BATCH_SIZE = 512;
/** Used where a model file does not say what it was trained for. */
const UNKNOWN_CONTEXT = 2048;

/** How many requests of `contextLength` tokens run at once within the memory budget. */
export function slotsFor(facts: Pick<ModelFacts, 'cacheBytesPerToken'>, contextLength: number): number {
  const perRequest = Math.max(1, facts.cacheBytesPerToken * contextLength);
  return Math.max(1, Math.min(MOST_SLOTS, Math.floor(CACHE_BUDGET_BYTES / perRequest)));
}

function tellParent(message: ChildMessage): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** The engine answers its parent and calls nobody: no code in this process can open a connection. */
function refuseToDial(): void {
  Socket.prototype.connect = () => {
    throw new EngineError('dialling_refused', 'the engine opens no connections');
  };
}

/** When the parent is gone, however it went, its end of the pipe closes: nothing may be left running. */
function endWithParent(): void {
  process.stdin.on('close', () => {
    process.kill(process.pid, 'SIGKILL');
  });
  process.stdin.resume();
  /** Ctrl-C reaches the whole group; the parent decides when the engine ends. */
  process.on('SIGINT', () => {});
}

function readOptions(): { readonly model: string; readonly context: number; readonly threads: number } {
  const { values } = parseArgs({ options: { model: { type: 'string' }, context: { type: 'string' }, threads: { type: 'string' } } });
  if (values.model === undefined)
    throw new EngineError('bad_arguments', 'usage: llama-server --model FILE.gguf [--context TOKENS] [--threads N]');
  return { model: values.model, context: Number(values.context ?? 4096), threads: Number(values.threads ?? 1) };
}

/** llama.cpp hands its log over some turns of the event loop late. */
const COMPLAINT_DELAY_MS = 500;
const ERROR_LEVEL = 2;

/** The first error in the log of llama.cpp while a model loads, which a person wants to read. Once prompts may come, nothing of the log is kept. */
class LoadComplaints {
  private readonly heard: Promise<string>;
  private resolve: (text: string) => void = () => {};
  private isListening = true;

  constructor() {
    this.heard = new Promise((resolve) => {
      this.resolve = resolve;
    });
  }

  hear(level: number, text: string): void {
    if (this.isListening && level <= ERROR_LEVEL) this.resolve(text.trim());
  }

  stopListening(): void {
    this.isListening = false;
  }

  /** Empty when there was none. */
  first(): Promise<string> {
    return Promise.race([this.heard, delay(COMPLAINT_DELAY_MS, '')]);
  }
}

async function main(): Promise<void> {
  endWithParent();
  refuseToDial();
  const { model: path, context, threads } = readOptions();
  const complaints = new LoadComplaints();
  const addon = await loadNativeAddon((level, text) => {
    complaints.hear(level, text);
  });
  try {
    const facts = readModelFacts(path, basename(path, '.gguf'));
    const model = await loadModel(addon, path, facts, (progress) => {
      tellParent({ event: 'progress', progress, note: `loading ${facts.name}` });
    });
    const contextLength = Math.min(context, facts.trainedContext || UNKNOWN_CONTEXT);
    const scheduler = await Scheduler.create(addon, model, {
      contextLength,
      slots: slotsFor(facts, contextLength),
      threads,
      batchSize: BATCH_SIZE,
    });
    const server = new LlamaHttpServer(model, scheduler);
    const port = await server.listen();
    complaints.stopListening();
    tellParent({ event: 'listening', port });
    process.on('SIGTERM', () => {
      server.close();
      void scheduler.idle().then(() => process.exit(0));
    });
  } catch (error) {
    const complaint = codeOf(error) === 'bad_model_file' ? '' : await complaints.first();
    const reason = complaint === '' ? messageOf(error) : `${messageOf(error)}: ${complaint}`;
    throw new EngineError('engine_failed', reason, {}, { cause: error });
  }
}

if (require.main === module) {
  main().catch((error: unknown) => {
    tellParent({ event: 'failed', reason: messageOf(error) });
    process.exitCode = 1;
    process.stdin.destroy();
    process.stdin.removeAllListeners('close');
  });
}
