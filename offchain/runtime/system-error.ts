/**
 * The code of an error from the operating system, such as `ENOENT`; undefined for anything else. It looks at the form alone: errors
 * of Node's own modules need not be instances of the Error that this module knows (tests run in a context of their own).
 */
export function systemErrorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error) || !('errno' in error || 'syscall' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
