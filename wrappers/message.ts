import { type Builder, beginCell } from '@ton/core';

/** What every message body may say beside its own fields. */
export interface BodyOptions {
  /** For whoever follows the message; no contract reads it. */
  readonly queryId?: bigint;
}

/** What every message may be sent with. */
export interface SendOptions extends BodyOptions {
  /** NanoTON that come with the message; the contract's VALUE by default. */
  readonly value?: bigint;
}

/** The head of every message but a plain transfer: its tag, then query_id. */
export function beginMessage(opcode: number, options: BodyOptions): Builder {
  return beginCell()
    .storeUint(opcode, 32)
    .storeUint(options.queryId ?? 0n, 64);
}
