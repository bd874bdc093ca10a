/** Which engine the local guest runs, and what the allowlist has to say for it. */
import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { ConfigError } from '../core/errors';
import { DEMO_MODEL_PATH } from '../guest/engine/demo-model';
import { modelHash } from '../guest/engine/model-hash';
import { parseEngineUrl, UrlEngine } from '../guest/engine/url-engine';
import { unprovenHash } from '../guest/open-guest';
import { simulatedImageHash } from '../guest/simulated-machine';
import type { Listing } from './governance';

export interface EngineChoice {
  /** The `engine` part of the guest's config. */
  readonly config: Readonly<Record<string, string>>;
  /** What people read about it. */
  readonly words: string;
  /** Hashes the model, which takes a while for a large one. */
  listing(): Promise<Listing>;
}

/** What the built-in model is, said before anybody is disappointed. */
const DEMO_WORDS =
  'llama.cpp on one CPU thread with the built-in demonstration model: it knows a few dozen questions about Cocoon and nothing else; ' +
  '--model FILE.gguf or --engine URL brings a real one';

/** The built-in model unless a file or a server is named. @throws ConfigError bad_flags, no_such_model, bad_engine_url */
export function chooseEngine(
  options: { readonly model: string | null; readonly engineUrl: string | null },
  onProgress: (text: string) => void,
): EngineChoice {
  if (options.model !== null && options.engineUrl !== null) throw new ConfigError('bad_flags', 'name --model or --engine, not both');
  return options.engineUrl === null ? fileEngine(options.model, onProgress) : urlEngine(options.engineUrl);
}

function fileEngine(model: string | null, onProgress: (text: string) => void): EngineChoice {
  const modelPath = model === null ? DEMO_MODEL_PATH : resolve(model);
  if (!existsSync(modelPath)) throw new ConfigError('no_such_model', `there is no model file ${modelPath}`);
  return {
    config: { kind: 'embedded', modelPath },
    words: model === null ? DEMO_WORDS : `llama.cpp on the CPU with ${basename(modelPath)}`,
    listing: async () => ({
      imageHash: await simulatedImageHash(),
      model: { name: basename(modelPath), kind: 'files', hash: await modelHash(modelPath, everyTenth(onProgress)) },
    }),
  };
}

function urlEngine(text: string): EngineChoice {
  const url = parseEngineUrl(text);
  return {
    config: { kind: 'url', url: url.href },
    words: `the engine at ${url.origin}: MODEL NOT PROVEN`,
    listing: async () => {
      const engine = new UrlEngine(url);
      try {
        await engine.start();
      } catch (cause) {
        throw new ConfigError('engine_unreachable', `no OpenAI-compatible server answers at ${url.origin}: start it first`, {}, { cause });
      }
      const state = engine.state();
      await engine.stop();
      const name = state.tag === 'ready' ? state.models[0]?.name : undefined;
      if (name === undefined) throw new ConfigError('engine_unreachable', `the server at ${url.origin} has no model`);
      return { imageHash: await simulatedImageHash(), model: { name, kind: 'unproven', hash: unprovenHash(name) } };
    },
  };
}

/** Says each tenth of a large model's hash. */
function everyTenth(onProgress: (text: string) => void): (done: number, total: number) => void {
  const MIN_BYTES = 256 * 1024 * 1024;
  let said = 0;
  return (done, total) => {
    const tenth = Math.floor((10 * done) / total);
    if (total >= MIN_BYTES && tenth > said) {
      said = tenth;
      onProgress(`hashing the model: ${10 * tenth} %`);
    }
  };
}
