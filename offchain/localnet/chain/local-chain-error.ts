import type { Address } from '@ton/core';
import { CocoonError, ConfigError } from '../../core/errors';

/** A call that the local chain cannot answer; the API turns it into toncenter's error shape. */
export class LocalChainError extends CocoonError {}

/** An external message that its account did not accept. `exitCode` is 0 where no code ran. */
export class ExternalRefusedError extends LocalChainError {
  constructor(
    readonly account: Address,
    readonly exitCode: number,
    reason: string,
  ) {
    super('external_refused', reason, { account: account.toRawString(), exitCode });
  }
}

/** The journal belongs to something else, or is damaged: only its owner can decide to let it go. */
export function journalError(code: string, path: string, reason: string): ConfigError {
  return new ConfigError(code, `local chain's journal ${path} ${reason}: start with --reset to begin a new chain`, { path });
}
