import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { toHex } from '../../core/bytes';
import { printable } from '../../core/printable';
import { MAX_GPUS } from '../gpu/gpu-document';
import { type CollectedGpu, collectedGpuSchema, type GpuAttester, toDocument } from './gpu-attester';
import { PlatformError } from './platform-error';
import { runTool } from './tool-output';

/** How NVIDIA's tool is run. */
export interface NvattestOptions {
  /** Path of `nvattest`. */
  readonly command: string;
  /** Folder with NVIDIA's reference manifests; null for its service at `rimUrl`. */
  readonly rimFolder: string | null;
  /** Where the tool asks for manifests and for revoked certificates; null for NVIDIA's own services. */
  readonly rimUrl: string | null;
  readonly ocspUrl: string | null;
  readonly timeoutMs: number;
  /** A private folder for files that live as long as one call. */
  readonly tempFolder: string;
}

const collectedSchema = z.object({
  result_code: z.int(),
  result_message: z.string(),
  evidences: z.array(collectedGpuSchema).min(1).max(MAX_GPUS).nullable(),
});

const attestedSchema = z.object({ result_code: z.int(), result_message: z.string(), detached_eat: z.unknown() });

/**
 * Collects the evidence of all GPUs with NVIDIA's tool; nothing is compared with anything.
 *
 * Source: NVIDIA attestation SDK, command reference of `nvattest`, `collect-evidence`.
 * @throws PlatformError gpu_tool_missing, gpu_tool_timeout, gpu_tool_failed, gpu_refused
 */
export async function collectEvidence(
  { command, timeoutMs }: Pick<NvattestOptions, 'command' | 'timeoutMs'>,
  nonce: Uint8Array,
): Promise<readonly CollectedGpu[]> {
  const args = ['collect-evidence', '--device', 'gpu', '--nonce', toHex(nonce), ...OUTPUT];
  const { evidences } = await run(command, args, timeoutMs, collectedSchema);
  if (evidences === null) throw new PlatformError('gpu_tool_failed', `${command} collect-evidence gave no evidence`);
  return evidences;
}

/**
 * NVIDIA's tool, in this machine: it collects the evidence, and compares that same evidence with NVIDIA's reference manifests.
 *
 * Source: NVIDIA attestation SDK, command reference of `nvattest`, `attest`.
 */
export class NvattestAttester implements GpuAttester {
  readonly by = 'nvattest';

  constructor(private readonly options: NvattestOptions) {}

  async attest(nonce: Uint8Array): Promise<Uint8Array> {
    const { options } = this;
    const collected = await collectEvidence(options, nonce);
    const folder = await mkdtemp(join(options.tempFolder, 'gpu-'));
    try {
      const file = join(folder, 'evidence.json');
      await writeFile(file, JSON.stringify(collected), { mode: 0o600, flag: 'wx' });
      const args = ['attest', '--device', 'gpu', '--nonce', toHex(nonce), '--verifier', 'local', ...this.sources(file), ...OUTPUT];
      const { detached_eat: eat } = await run(options.command, args, options.timeoutMs, attestedSchema);
      return toDocument(collected, nonce, { by: this.by, token: JSON.stringify(eat) });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  private sources(evidenceFile: string): readonly string[] {
    const { rimFolder, rimUrl, ocspUrl } = this.options;
    return [
      ...['--gpu-evidence-source', 'file', '--gpu-evidence-file', evidenceFile],
      ...(rimFolder === null ? ['--rim-store', 'remote'] : ['--rim-store', 'dir', '--rim-dir', rimFolder]),
      ...(rimUrl === null ? [] : ['--rim-url', rimUrl]),
      ...(ocspUrl === null ? [] : ['--ocsp-url', ocspUrl]),
    ];
  }
}

const OUTPUT = ['--format', 'json', '--log-level', 'off'] as const;

/** Runs the tool and reads what it printed; a result code other than 0 is its refusal, with its own words. */
async function run<T extends { readonly result_code: number; readonly result_message: string }>(
  command: string,
  args: readonly string[],
  timeoutMs: number,
  schema: z.ZodType<T>,
): Promise<T> {
  const what = `${command} ${args[0] ?? ''}`;
  const { exitCode, stdout } = await runTool(command, args, timeoutMs);
  const parsed = schema.safeParse(fromJson(stdout));
  if (!parsed.success)
    throw new PlatformError('gpu_tool_failed', `${what} ended with exit code ${exitCode} and printed nothing that is known`);
  const { result_code: code, result_message: message } = parsed.data;
  if (code !== 0 || exitCode !== 0)
    throw new PlatformError('gpu_refused', `${what}: ${printable(message, 200)} (result ${code}, exit code ${exitCode})`);
  return parsed.data;
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
