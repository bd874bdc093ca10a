/**
 * attestation: answers one question, in Node and in browsers alike: may I seal to this key?
 *
 * It owns the formats of claims, bundles, quotes and collateral, the strict readers under them (DER, X.509, canonical JSON), the
 * policy, and the one verifier that client and proxy share. It trusts the roots, the allowlist, the block lookup and the primitives
 * that it is given, and nothing inside a bundle or collateral until that is proven. It does no I/O but by the `fetch` that its source
 * of collateral is given (platform/ does, in the guest, and verification never imports it), it has no branch for a development
 * root, and it never takes a check that could not run for a pass.
 */
import { CocoonError } from '../core/errors';

/**
 * Evidence, or bytes inside it, do not have the form that they should have: refuse it.
 * Codes: bad_bundle, bad_claims, bad_json, bad_quote, bad_certificate, bad_der, bad_crl, bad_collateral, bad_event_log,
 * bad_evidence_file, bad_gpu_evidence.
 */
export class EvidenceError extends CocoonError {}

/** What `read` returns, or null after `refuse` was told why the bytes are malformed; other errors are bugs and pass through. */
export function readOr<T>(read: () => T, refuse: (reason: string) => void): T | null {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error;
    refuse(error.message);
    return null;
  }
}
