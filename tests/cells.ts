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

/** Cells and bits of trees of cells, equal ones counted once. */
export function sizeOf(...roots: readonly Cell[]): { readonly cells: number; readonly bits: number } {
  const seen = new Map<string, number>();
  const visit = (cell: Cell) => {
    const hash = cell.hash().toString('hex');
    if (seen.has(hash)) return;
    seen.set(hash, cell.bits.length);
    cell.refs.forEach(visit);
  };
  roots.forEach(visit);
  return { cells: seen.size, bits: [...seen.values()].reduce((a, b) => a + b, 0) };
}
