import type { CryptoProvider } from '../core/crypto';
import type { Claims } from './claims';
import type { Collateral } from './collateral';
import type { EvidenceFile, SeenBlock } from './evidence-file';
import type { EvidencePolicy } from './policy';
import { VerifierMemory } from './verifier-memory';
import {
  type EvidenceInput,
  type EvidenceVerdict,
  type ExpectedEvidence,
  type ListedImage,
  type ListedModel,
  verifyEvidence,
} from './verify-evidence';

/** What one verification was given and what it decided. */
export interface RecordedEvidence {
  readonly file: EvidenceFile;
  readonly verdict: EvidenceVerdict;
}

/**
 * Verifies as `verifyEvidence` does, and writes down all that it was given meanwhile: what it did not ask for is not in the file.
 * `newestBlock` is the newest block that the caller knows of, if it knows one.
 *
 * @throws ConfigError as verifyEvidence
 */
export async function recordEvidence(input: EvidenceInput, newestBlock: SeenBlock | null): Promise<RecordedEvidence> {
  let gpuEvidence: Uint8Array | null = null;
  let collateral: Collateral | null = null;
  let block: SeenBlock | null = null;
  let image: EvidenceFile['allowlist']['image'] = null;
  let model: EvidenceFile['allowlist']['model'] = null;
  const verdict = await verifyEvidence({
    ...input,
    gpuEvidence: async () => {
      gpuEvidence = (await input.gpuEvidence?.()) ?? null;
      return gpuEvidence;
    },
    collateral: {
      collateralFor: async (query) => {
        collateral = await input.collateral.collateralFor(query);
        return collateral;
      },
      drop: (query) => input.collateral.drop(query),
    },
    blocks: async (seqno) => {
      const found = await input.blocks(seqno);
      block = found === null ? null : { seqno, rootHash: found.rootHash, atSec: found.atSec };
      return found;
    },
    allowlist: {
      image: async (hash) => {
        const found = await input.allowlist.image(hash);
        image = found === null ? null : { hash, ...found };
        return found;
      },
      model: async (hash) => {
        const found = await input.allowlist.model(hash);
        model = found === null ? null : { hash, ...found };
        return found;
      },
    },
  });
  const { bundle, expected, nowSec } = input;
  const lists = { asOf: newestBlock, image, model };
  return { file: { seenAtSec: nowSec, bundle, expected, gpuEvidence, collateral, block, allowlist: lists }, verdict };
}

/** Who asks again, and what counts for them. Nothing of it is taken from the file. */
export interface FileQuestion {
  readonly policy: EvidencePolicy;
  /** Raw address of the root contract that the asker means; null where the file's word must do. */
  readonly network: string | null;
  /** Unix seconds: the moment that is asked about. */
  readonly nowSec: number;
  readonly crypto: CryptoProvider;
}

/**
 * Asks again what a file was written for, of the file alone. The roots are the asker's; for block, allowlist and offer the file is
 * believed: say so wherever the report is shown.
 *
 * @throws ConfigError as verifyEvidence
 */
export function verifyEvidenceFile(file: EvidenceFile, { policy, network, nowSec, crypto }: FileQuestion): Promise<EvidenceVerdict> {
  const { bundle, expected, gpuEvidence, collateral, block, allowlist } = file;
  return verifyEvidence({
    bundle,
    expected: { ...expected, network: network ?? expected.network },
    policy,
    gpuEvidence: () => gpuEvidence,
    collateral: { collateralFor: () => collateral, drop: () => undefined },
    blocks: (seqno) => (block?.seqno === seqno ? block : null),
    allowlist: {
      image: (hash) => entryOf<ListedImage>(allowlist.image, hash),
      model: (hash) => entryOf<ListedModel>(allowlist.model, hash),
    },
    memory: new VerifierMemory(),
    nowSec,
    crypto,
  });
}

/** What an offer under this digest must have said, if these claims were accepted for it; a claim about keys says nothing by itself. */
export function expectedByClaims(claims: Claims, digest: string): ExpectedEvidence {
  const { role, network, owner, keys, model, tls } = claims;
  return { digest, role, network, owner, sealing: keys.sealing, receipt: keys.receipt, model, tls };
}

function entryOf<T>(entry: (T & { readonly hash: string }) | null, hash: string): T | null {
  return entry?.hash === hash ? entry : null;
}
