import { parseCertificate } from '../attestation/certificate';
import { EvidenceError } from '../attestation/errors';
import { splitPemChain } from '../attestation/pem';
import type { Quote } from '../attestation/quote';
import { INTEL_ROOT_KEY_ID } from '../attestation/trust-root';
import { toHex } from '../core/bytes';
import { nodeCrypto } from '../runtime/node-crypto';

const MAX_CHAIN = 8;

/**
 * Whether the chain that a quote brings along ends in Intel's root, by that root's key alone: nothing is verified. What does not is
 * called SIMULATED wherever a person sees it, whoever is asked about it.
 */
export async function showsIntelRoot({ pckChain }: Pick<Quote, 'pckChain'>): Promise<boolean> {
  try {
    const root = splitPemChain(pckChain, MAX_CHAIN).at(-1);
    return root !== undefined && toHex(await nodeCrypto.sha384(parseCertificate(root).publicKey)) === INTEL_ROOT_KEY_ID;
  } catch (error) {
    if (error instanceof EvidenceError) return false;
    throw error;
  }
}
