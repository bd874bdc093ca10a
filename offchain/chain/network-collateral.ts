import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { CollateralSource } from '../attestation/collateral';
import { PcsSource } from '../attestation/pcs-source';
import { type Ratchet, VerifierMemory } from '../attestation/verifier-memory';
import type { Clock } from '../core/clock';
import { ConfigError, codeOf } from '../core/errors';
import type { Logger } from '../runtime/log';
import type { Network } from '../runtime/network';
import { writeFileAtomic } from '../runtime/state-folder';

/** Where a process of this network takes collateral from. Nothing that comes is believed: see `verifyCollateral`. */
export function networkCollateral(network: Network, clock: Clock): CollateralSource {
  return new PcsSource({ baseUrl: network.pccs, fetch: (url, init) => fetch(url, init), clock });
}

const FILE = 'collateral-seen.json';
const ratchetSchema = z.strictObject({
  floors: z.record(z.string(), z.int().nonnegative()),
  revoked: z.record(z.string(), z.array(z.string().regex(/^[0-9a-f]+$/))),
});

/**
 * A verifier's memory that knows, from a file in the state folder, the evaluation numbers and revocations that earlier runs have seen.
 * What cannot be written counts until the process ends.
 * @throws ConfigError collateral_seen_malformed
 */
export function openVerifierMemory(stateFolder: string, log: Logger): VerifierMemory {
  const path = join(stateFolder, FILE);
  return new VerifierMemory(existsSync(path) ? readRatchet(path) : undefined, (ratchet) => {
    try {
      writeFileAtomic(path, JSON.stringify(ratchet));
    } catch (error) {
      log.error({ code: codeOf(error) }, 'what collateral has shown cannot be written down');
    }
  });
}

function readRatchet(path: string): Ratchet {
  try {
    return ratchetSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (cause) {
    const remedy = 'delete it, and what earlier collateral has shown is forgotten';
    throw new ConfigError('collateral_seen_malformed', `${path} is not what a verifier wrote: ${remedy}`, { path }, { cause });
  }
}
