/**
 * sealing: HPKE and the sealed streams, in and out; bytes in, bytes out, no I/O.
 * It trusts the keys that it is given (attestation decides whether to seal to them); it never keeps a plaintext.
 *
 * Formats, all integers big-endian (also in docs/formats.md):
 *
 *   request  = suite(1) enc(32) counter(8) ciphertext
 *              plaintext: length(4) content zeros, padded to a power of two of at least 1 KiB; AAD: the authorisation's hash
 *   response = nonce(32) chunk* final receipt(121) signature(64)
 *   chunk    = flag and length(4) ciphertext; the top bit of the first word marks the final one
 *              plaintext: length(2) content zeros, padded to a multiple of 256; AAD: empty, "final" for the final one
 *   content of a request: headLength(2) head body; of a response, over all its chunks: headLength(2) head body
 *   content of the final chunk: receipt(121) signature(64) opening(192)
 */
import { CocoonError } from '../core/errors';

/** A sealed body that cannot be opened or breaks the format: never a shorter answer, always an error. Codes: truncated, altered,
 * oversize, bad_suite, bad_key, bad_head, receipt_mismatch, session_used_up, trailing_bytes. */
export class SealingError extends CocoonError {}
