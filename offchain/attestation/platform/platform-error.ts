import { CocoonError } from '../../core/errors';

/**
 * The machine did not give what evidence needs, this time: try again with the next block.
 * Codes: quote_busy, quote_timeout, quote_refused, quote_failed, quote_empty, quote_conflict, quote_foreign, kernel_file.
 */
export class PlatformError extends CocoonError {}
