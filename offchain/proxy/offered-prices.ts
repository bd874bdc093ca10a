import type { Prices } from '../../wrappers/statements';
import type { Clock } from '../core/clock';

/** Price lists of one worker that hold at a time: it may change them, but not at every moment. */
const MAX_LISTS = 64;

/**
 * The prices at which a worker was offered lately, and what it asked for itself at that time: what the proxy owes it is fixed by the
 * offer, so that a worker that raises its prices meanwhile never costs more than the client pays.
 */
export class OfferedPrices {
  private readonly lists = new Map<string, { readonly asked: Prices; readonly untilSec: number }>();

  constructor(private readonly clock: Clock) {}

  note(offered: Prices, asked: Prices, untilSec: number): void {
    for (const [text, { untilSec: until }] of this.lists) if (until < this.clock.nowSec()) this.lists.delete(text);
    const text = textOf(offered);
    // The latest comes last.
    this.lists.delete(text);
    const oldest = this.lists.keys().next();
    if (this.lists.size >= MAX_LISTS && !oldest.done) this.lists.delete(oldest.value);
    this.lists.set(text, { asked, untilSec });
  }

  /** What the worker asked; null when these prices come from no offer that holds. */
  find(offered: Prices): Prices | null {
    const list = this.lists.get(textOf(offered));
    return list !== undefined && list.untilSec >= this.clock.nowSec() ? list.asked : null;
  }
}

function textOf({ uncachedPrompt, cachedPrompt, answer, reasoning }: Prices): string {
  return `${uncachedPrompt}/${cachedPrompt}/${answer}/${reasoning}`;
}
