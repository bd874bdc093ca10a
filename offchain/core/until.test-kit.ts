/** How long anything may take before a test gives up; nothing is asserted about it. */
const PATIENCE_MS = 20_000;

/** Resolves when `isSo` holds; looks again each time that the event loop has turned. */
export async function until(isSo: () => boolean): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!isSo()) {
    if (Date.now() > end) throw new Error('waited in vain');
    await new Promise((resolve) => setImmediate(resolve));
  }
}
