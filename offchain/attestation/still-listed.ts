import type { ModelKind } from './claims';
import type { EvidencePolicy } from './policy';
import type { ListedImage, ListedModel } from './verify-evidence';

/** The allowlist's entries for the image and the model that a worker's verdict rests on, as they are now. Null for what is not listed. */
export interface WorkerListing {
  readonly image: ListedImage | null;
  readonly model: ListedModel | null;
}

/**
 * Whether a worker's verdict may still be used as far as the allowlist goes: by the rules of the checks `image-listed`, `image-role`,
 * `image-active`, `model-listed` and `model-active`. Whoever keeps a verdict asks this at each use: an entry is removed at once.
 */
export function isStillListed(
  { image, model }: WorkerListing,
  kind: ModelKind,
  policy: Pick<EvidencePolicy, 'minImageAgeSec' | 'minModelAgeSec'>,
  nowSec: number,
): boolean {
  if (image === null || !image.roles.includes('worker') || nowSec < image.activeFromSec + policy.minImageAgeSec) return false;
  return model !== null && model.kind === kind && nowSec >= model.activeFromSec + policy.minModelAgeSec;
}
