import { ConfigError } from '../../core/errors';
import type { AppraiserKey } from './gpu-appraisal';
import type { GpuMode } from './gpu-report';
import type { GpuRoot } from './gpu-root';

/** What a verifier accepts of GPUs. An empty list means nobody. */
export interface GpuPolicy {
  /** Whether a worker must have a GPU that it can prove. One that claims it has to prove it in any case. */
  readonly required: boolean;
  /** Who may vouch for GPUs. */
  readonly roots: readonly GpuRoot[];
  readonly modes: readonly GpuMode[];
  /** Driver versions, such as `590.12`. */
  readonly drivers: readonly string[];
  /** VBIOS versions, such as `96.00.A5.00.01`. */
  readonly vbios: readonly string[];
  /** Keys of NVIDIA's remote service. Without them what it says is information, and proves nothing. */
  readonly appraiserKeys: readonly AppraiserKey[];
}

/** Nobody needs a GPU, and no GPU is believed. */
export const NO_GPUS: GpuPolicy = { required: false, roots: [], modes: [], drivers: [], vbios: [], appraiserKeys: [] };

/**
 * Refuses a GPU policy that cannot mean what its author wanted.
 *
 * @throws ConfigError no_gpu_root, mixed_gpu_roots, bad_policy
 */
export function assertGpuPolicy({ required, roots, modes, drivers, vbios }: GpuPolicy, trustRootKind: 'intel' | 'development'): void {
  const kinds = new Set(roots.map((root) => root.kind));
  if (required && kinds.size === 0) throw new ConfigError('no_gpu_root', 'the policy requires a GPU and names no GPU root: name one');
  if (kinds.size > 1)
    throw new ConfigError('mixed_gpu_roots', "the policy names NVIDIA's root and a development GPU root: name one kind only");
  if (kinds.has('development') && trustRootKind === 'intel') {
    throw new ConfigError('mixed_gpu_roots', "the policy names Intel's root and a development GPU root, which vouches for no hardware");
  }
  for (const [field, list] of Object.entries({ modes, drivers, vbios })) {
    if (required && list.length === 0)
      throw new ConfigError('bad_policy', `a GPU is required, and gpu.${field} is empty, so nobody has one`);
  }
}
