import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../runtime/project-root';

/** A program and its arguments. */
export interface EngineCommand {
  readonly file: string;
  readonly args: readonly string[];
  /** Working folder. */
  readonly folder: string;
}

export interface LlamaOptions {
  readonly modelPath: string;
  /** Most tokens of prompt and answer together; the model's own limit where that is lower. */
  readonly contextLength?: number;
  /** One unless somebody says otherwise: on shared cores more threads than free cores cost far more than they bring. */
  readonly threads?: number;
}

/** How to start the embedded engine: compiled when this file is, from the sources otherwise. */
export function llamaCommand({ modelPath, contextLength, threads }: LlamaOptions): EngineCommand {
  const compiled = join(__dirname, 'llama-server.js');
  const program = existsSync(compiled) ? [compiled] : ['-r', 'ts-node/register/transpile-only', join(__dirname, 'llama-server.ts')];
  return {
    file: process.execPath,
    args: [
      ...program,
      ...['--model', modelPath],
      ...(contextLength === undefined ? [] : ['--context', `${contextLength}`]),
      ...(threads === undefined ? [] : ['--threads', `${threads}`]),
    ],
    folder: projectRoot(),
  };
}
