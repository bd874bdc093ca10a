import { CocoonError } from '../core/errors';

/**
 * Something about the chain or its endpoint: try again later, or with another endpoint.
 *
 * - chain_unreachable: no answer, after all retries
 * - chain_busy: HTTP 429, 502, 503 or 504, after all retries
 * - chain_refused: the endpoint answered with an error (data.exitCode where a contract refused an external message)
 * - chain_malformed: an answer that is not what the API promises
 * - chain_unread: something was asked of a view that has not been read yet, or not recently enough
 * - wallet_underfunded, wallet_expired, wallet_overtaken, wallet_incomplete: see wallet.ts
 */
export class ChainError extends CocoonError {}
