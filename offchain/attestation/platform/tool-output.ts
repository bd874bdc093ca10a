import { spawn } from 'node:child_process';
import { codeOf } from '../../core/errors';
import { PlatformError } from './platform-error';

/** Most bytes that a tool may print: evidence of eight GPUs has about 100,000. */
const MAX_OUTPUT = 1024 * 1024;

/** How a tool ended, and what it printed. */
export interface ToolOutput {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly stdout: string;
}

/**
 * Runs a tool to its end: without a shell, without input and with an empty environment, so that no variable changes what it does.
 * What it says on stderr is dropped.
 *
 * @throws PlatformError gpu_tool_missing, gpu_tool_timeout, gpu_tool_failed
 */
export function runTool(command: string, args: readonly string[], timeoutMs: number): Promise<ToolOutput> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: {}, stdio: ['ignore', 'pipe', 'ignore'] });
    const parts: Buffer[] = [];
    let size = 0;
    let refusal: PlatformError | null = null;
    const end = (code: string, message: string) => {
      refusal ??= new PlatformError(code, message);
      child.kill('SIGKILL');
      // What the tool may have started holds the pipe open.
      child.stdout.destroy();
    };
    const timer = setTimeout(() => end('gpu_tool_timeout', `${command} did not end within ${timeoutMs} ms`), timeoutMs);
    child.stdout.on('data', (part: Buffer) => {
      size += part.length;
      if (size <= MAX_OUTPUT) parts.push(part);
      else end('gpu_tool_failed', `${command} printed more than ${MAX_OUTPUT} bytes`);
    });
    child.on('error', (cause) => {
      clearTimeout(timer);
      const why = codeOf(cause) === 'ENOENT' ? 'is not there' : `cannot be run (${codeOf(cause)})`;
      const remedy = "install NVIDIA's attestation tool, or name it in gpu.command";
      reject(new PlatformError('gpu_tool_missing', `${command} ${why}: ${remedy}`, {}, { cause }));
    });
    child.on('close', (exitCode) => {
      clearTimeout(timer);
      if (refusal !== null) reject(refusal);
      else resolve({ exitCode, stdout: Buffer.concat(parts).toString('utf8') });
    });
  });
}
