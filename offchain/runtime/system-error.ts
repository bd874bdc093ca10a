/**
 * The code of an error from the operating system, such as `ENOENT`; undefined for anything else. It looks at the form alone: errors
 * of Node's own modules need not be instances of the Error that this module knows (tests run in a context of their own).
 */
export function systemErrorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error) || !('errno' in error || 'syscall' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Why a file cannot be read, to stand behind its name: "does not exist". */
export function readFailure(error: unknown): string {
  switch (systemErrorCode(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'does not exist';
    case 'EISDIR':
      return 'is a folder, a file is needed';
    case 'EACCES':
    case 'EPERM':
      return 'may not be read by this user';
    default:
      return `cannot be read (${systemErrorCode(error) ?? 'unknown'})`;
  }
}
