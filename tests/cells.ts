import { beginCell, type Cell } from '@ton/core';

/** The tree of cells with the one at `path` changed: each step is the number of a reference. */
export function changedAt(cell: Cell, path: readonly number[], change: (part: Cell) => Cell): Cell {
  const [next, ...rest] = path;
  if (next === undefined) return change(cell);
  const builder = beginCell().storeBits(cell.bits);
  cell.refs.forEach((reference, i) => {
    builder.storeRef(i === next ? changedAt(reference, rest, change) : reference);
  });
  return builder.endCell();
}
