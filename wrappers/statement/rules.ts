/** What statements mean: hashes, costs, and which requests a voucher covers. */
import { beginCell, type Cell, Dictionary } from '@ton/core';
import { MAX_OPEN, type Prices, StatementError, type Usage, type Voucher } from './types';

/** The representation hash of a statement's cell as an integer: what is signed, and what other statements name. */
export function statementHash(cell: Cell): bigint {
  return BigInt(`0x${cell.hash().toString('hex')}`);
}

/**
 * What a request costs: min(maxAmount, ceil(sum(usage * prices) / 1,000,000)), the arithmetic of ClientContract.
 * Pinned by tests/vectors/cost.json on both sides.
 */
export function cost(usage: Usage, prices: Prices, maxAmount: bigint): bigint {
  const micro =
    BigInt(usage.uncachedPrompt) * prices.uncachedPrompt +
    BigInt(usage.cachedPrompt) * prices.cachedPrompt +
    BigInt(usage.answer) * prices.answer +
    BigInt(usage.reasoning) * prices.reasoning;
  const full = (micro + 999_999n) / 1_000_000n;
  return full < maxAmount ? full : maxAmount;
}

/** The dictionary of open numbers: HashmapE 64, empty values. @throws StatementError bad_open when there are too many or one repeats. */
export function packOpen(numbers: readonly bigint[]): Cell | null {
  if (numbers.length > MAX_OPEN) throw new StatementError('bad_open', `${numbers.length} open numbers, limit ${MAX_OPEN}`);
  const open = Dictionary.empty(Dictionary.Keys.BigUint(64), { serialize: () => undefined, parse: () => true });
  for (const number of numbers) open.set(number, true);
  if (open.size !== numbers.length) throw new StatementError('bad_open', 'an open number is repeated');
  if (open.size === 0) return null;
  return beginCell().storeDictDirect(open).endCell();
}

/** The `open` field of a voucher: the hash of that dictionary's root cell, zero when it is empty. @throws StatementError */
export function openHash(numbers: readonly bigint[]): bigint {
  const cell = packOpen(numbers);
  return cell === null ? 0n : statementHash(cell);
}

/** Whether a voucher covers a request: its number is at most `upTo` and not among the open ones. */
export function isCovered(voucher: Pick<Voucher, 'upTo'>, open: ReadonlySet<bigint>, number: bigint): boolean {
  return number <= voucher.upTo && !open.has(number);
}

/** Tokens of all four classes. */
export function totalTokens(usage: Usage): bigint {
  return BigInt(usage.uncachedPrompt) + BigInt(usage.cachedPrompt) + BigInt(usage.answer) + BigInt(usage.reasoning);
}
