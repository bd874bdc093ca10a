import type { ModelIdentity, Role } from './claims';
import type { EvidencePolicy } from './policy';
import type { AllowlistView } from './verify-evidence';

/** What a verdict that was once good rested on in the allowlist. */
export interface ListedParts {
  readonly role: Role;
  readonly imageHash: string;
  /** Null for a proxy. */
  readonly model: Pick<ModelIdentity, 'kind' | 'hash'> | null;
}

/**
 * Whether the allowlist still holds, by the same rules as when evidence is verified, what a verdict rested on. False also where the
 * list cannot be read: whoever asks verifies again, and that names the check.
 */
export async function isStillListed(
  parts: ListedParts,
  allowlist: AllowlistView,
  policy: EvidencePolicy,
  nowSec: number,
): Promise<boolean> {
  const { role, imageHash, model } = parts;
  try {
    const image = await allowlist.image(imageHash);
    if (image === null || !image.roles.includes(role) || nowSec < image.activeFromSec + policy.minImageAgeSec) return false;
    if (model === null) return true;
    const listed = await allowlist.model(model.hash);
    return listed !== null && listed.kind === model.kind && nowSec >= listed.activeFromSec + policy.minModelAgeSec;
  } catch {
    return false;
  }
}
