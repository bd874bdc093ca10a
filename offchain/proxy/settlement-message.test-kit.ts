import { type Cell, Dictionary } from '@ton/core';

/** A message to a channel as a person reads it, by schema.tlb: `charge 500`, or `settle 1 2 old3, open 2 3`. */
export function describeMessage(body: Cell | null): string {
  const slice = body?.beginParse();
  if (slice === undefined) return 'nothing';
  const tag = slice.loadUint(32);
  slice.loadUintBig(64);
  if (tag === 0xc0c00301) {
    const byOldKey = slice.loadBit();
    slice.loadBuffer(64);
    return `charge ${byOldKey ? 'old ' : ''}${slice.loadUintBig(64)}`;
  }
  if (tag === 0xc0c00303) return 'collect';
  if (tag !== 0xc0c00302) throw new Error(`tag 0x${tag.toString(16)}`);
  const numbers = slice.loadMaybeRef();
  const settled: string[] = [];
  let next: Cell | null = null;
  let settlement = slice;
  do {
    const byOldKey = settlement.loadBit();
    settlement.loadBuffer(64);
    settlement.loadRef();
    next = settlement.loadMaybeRef();
    settled.push(`${byOldKey ? 'old' : ''}${settlement.loadUintBig(64)}`);
    settlement.loadUintBig(256);
    settlement = next?.beginParse() ?? settlement;
  } while (next !== null);
  const dictionary = { serialize: () => undefined, parse: () => true };
  const open = numbers === null ? [] : [...Dictionary.loadDirect(Dictionary.Keys.BigUint(64), dictionary, numbers).keys()];
  return `settle ${settled.join(' ')}${open.length === 0 ? '' : `, open ${open.sort((a, b) => Number(a - b)).join(' ')}`}`;
}
