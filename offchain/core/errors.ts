/**
 * core: what every room shares: bytes, money, clock, primitives, errors.
 * It trusts nothing and imports nothing of ours; it does no I/O.
 */

/** Values that are safe to log: never a prompt, an answer, a key, or bytes that came from the network. */
export type ErrorData = Readonly<Record<string, string | number | boolean | bigint | readonly string[] | undefined>>;

/**
 * The one base class of our errors.
 *
 * `code` is stable and documented (snake_case), `message` is lower case with the limit and the value, `data` is safe to log.
 * The subclass tells the reader what to do: config: fix the file; peer: drop it; evidence: refuse; chain: retry;
 * ledger: stop the process; engine: restart it.
 */
export class CocoonError extends Error {
  readonly code: string;
  readonly data: ErrorData;

  constructor(code: string, message: string, data: ErrorData = {}, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    this.data = data;
  }
}

/** A setting, a flag or a file of the user is wrong: say which, and what to do. */
export class ConfigError extends CocoonError {}

/** Bytes do not have the form that they should have. Thrown by decoders and parsers, never for a policy "no". */
export class MalformedError extends CocoonError {}

/** A peer broke the protocol or cannot be reached: drop it. */
export class PeerError extends CocoonError {}

/** The message of anything that was thrown, for a log field or a line to a person. */
export function messageOf(error: unknown): string {
  return hasFields(error) && typeof error.message === 'string' ? error.message : String(error);
}

/** The stable code of anything that was thrown; `unknown` for what is not ours. */
export function codeOf(error: unknown): string {
  return hasFields(error) && typeof error.code === 'string' ? error.code : 'unknown';
}

/** Not `instanceof Error`: errors of another realm (a VM context, a test runner's own modules) are errors, too. */
function hasFields(error: unknown): error is { readonly code?: unknown; readonly message?: unknown } {
  return typeof error === 'object' && error !== null;
}
