import { CocoonError } from '../../core/errors';

/**
 * The machine did not give what evidence needs, this time: try again with the next block.
 * Codes: quote_busy, quote_timeout, quote_refused, quote_failed, quote_empty, quote_conflict, quote_foreign, kernel_file,
 * gpu_tool_missing, gpu_tool_timeout, gpu_tool_failed, gpu_service, gpu_refused, gpu_malformed.
 */
export class PlatformError extends CocoonError {}
