/** The instructions of a compiled contract, each with the places that the TVM's log may give it. */
import type { Cell } from '@ton/core';
import { runtime, text } from 'ton-assembly';
import { placeOf } from './places';

export interface Instruction {
  /** Disassembled, for example `THROWIFNOT 401`; one that holds a block ends with `{`. */
  readonly text: string;
  /** Where a log may say that it ran: several, where the code is a value of a dictionary. */
  readonly places: readonly string[];
}

/**
 * All instructions in the order of the disassembly.
 *
 * A cell that the code refers to several times counts once, where it comes first: the log does not tell its uses apart. The code of another
 * contract, carried to compute that one's address, is data here and counts nothing.
 *
 * @param carried the hashes, in hex, of the other contracts' code
 * @throws Error when the disassembly does not assemble to `code` again: its offsets would mean nothing
 */
export function instructionsOf(code: Cell, carried: ReadonlySet<string>): Instruction[] {
  const assembly = text.print(runtime.decompileCell(code));
  const parsed = text.parse('contract.tasm', assembly);
  if (parsed.$ === 'ParseFailure') throw new Error('the disassembly cannot be parsed');
  const [again, mapping] = runtime.compileCellWithMapping(parsed.instructions);
  if (!again.equals(code)) throw new Error('the disassembly is another program');

  const lines = assembly.split('\n').map((line) => line.trim());
  const cells = cellsOf(mapping, carried);
  const leaves = leavesOf(cells);
  const found = new Map<string, { readonly line: number; readonly instruction: Instruction }>();
  for (const { cell, instructions } of cells) {
    for (const { instr, offset } of instructions) {
      const line = instr.loc?.line ?? -1;
      const said = lines[line];
      const place = placeOf(cell, offset);
      // An implicit jump into a reference is no instruction, and an implicit return is listed at the place of the instruction before it.
      if (said === undefined || said === 'ref {' || found.has(place)) continue;
      const inLeaves = (leaves.get(cell) ?? []).map(({ leaf, prefix }) => placeOf(leaf, prefix + offset));
      found.set(place, { line, instruction: { text: said, places: [place, ...inLeaves] } });
    }
  }
  return [...found.values()].sort((a, b) => a.line - b.line).map(({ instruction }) => instruction);
}

function cellsOf(mapping: runtime.Mapping, carried: ReadonlySet<string>): runtime.Mapping[] {
  return carried.has(mapping.cell) ? [] : [mapping, ...mapping.subMappings.flatMap((part) => cellsOf(part, carried))];
}

/** The dictionary leaves in which a cell's code lies, by the cell's hash, and the bits of the key before it. */
function leavesOf(cells: readonly runtime.Mapping[]): ReadonlyMap<string, readonly { readonly leaf: string; readonly prefix: number }[]> {
  const leaves = new Map<string, { leaf: string; prefix: number }[]>();
  for (const { builder, offset, childCell } of cells.flatMap(({ dictionaryInfo }) => dictionaryInfo)) {
    const cell = childCell.hash().toString('hex');
    leaves.set(cell, [...(leaves.get(cell) ?? []), { leaf: builder.asCell().hash().toString('hex'), prefix: offset }]);
  }
  return leaves;
}
