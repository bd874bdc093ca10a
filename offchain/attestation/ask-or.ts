import type { Awaitable } from '../core/crypto';
import { codeOf } from '../core/errors';

/** The answer of a lookup. "Not there" and a lookup that failed both refuse; only the code of what was thrown is safe to show. */
export async function askOr<T>(ask: () => Awaitable<T | null>, refuse: (reason: string) => void): Promise<T | null> {
  try {
    const answer = await ask();
    if (answer === null) refuse('not there');
    return answer;
  } catch (error) {
    refuse(`could not be looked up (${codeOf(error)})`);
    return null;
  }
}
