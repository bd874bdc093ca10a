/**
 * console: what the scripts of `blueprint run` share: asking, saying, sending, waiting, checking.
 * It holds no key (blueprint's wallet signs), trusts the node that it is pointed at to tell the chain's state, and never sends before a
 * person has seen where the coins go and agreed.
 */
import { inspect } from 'node:util';

/** Something cannot be done, for a reason that the person at the console can read. Blueprint prints it as that one line, and ends with 1. */
export class Refusal extends Error {
  override readonly name = 'Refusal';

  [inspect.custom](): string {
    return this.message;
  }
}
