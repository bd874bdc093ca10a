import { Cell, type TupleItem } from '@ton/core';
import { z } from 'zod';
import { LocalChainError } from './local-chain-error';

/** A stack in a request: pairs of type and value, as toncenter v2 takes them. */
export const requestStackSchema = z.array(z.tuple([z.string(), z.union([z.string(), z.int()])]));

/** The virtual machine's stack from a request's. @throws LocalChainError bad_stack */
export function parseStack(entries: z.infer<typeof requestStackSchema>): TupleItem[] {
  return entries.map(([type, value]): TupleItem => {
    switch (type) {
      case 'num':
      case 'int':
        return { type: 'int', value: toInteger(String(value)) };
      case 'cell':
      case 'tvm.Cell':
        return { type: 'cell', cell: toCell(String(value)) };
      case 'slice':
      case 'tvm.Slice':
        return { type: 'slice', cell: toCell(String(value)) };
      case 'builder':
      case 'tvm.Builder':
        return { type: 'builder', cell: toCell(String(value)) };
      default:
        throw new LocalChainError('bad_stack', 'stack entries are num, tvm.Cell, tvm.Slice and tvm.Builder');
    }
  });
}

/** The virtual machine's stack as toncenter v2 shows it: numbers in hex, cells as base64, lists and null as an empty list. */
export function formatStack(stack: readonly TupleItem[]): unknown[] {
  return stack.map(formatEntry);
}

function formatEntry(item: TupleItem): unknown {
  switch (item.type) {
    case 'int':
      return ['num', item.value < 0n ? `-0x${(-item.value).toString(16)}` : `0x${item.value.toString(16)}`];
    case 'cell':
    case 'slice':
    case 'builder':
      return [item.type, { bytes: toBase64(item.cell) }];
    case 'tuple':
      return ['tuple', { '@type': 'tvm.tuple', elements: item.items.map(formatElement) }];
    case 'null':
      return ['list', { '@type': 'tvm.list', elements: [] }];
    case 'nan':
      throw new LocalChainError('bad_stack', 'the method returned not-a-number');
  }
}

/** Inside a tuple entries are typed objects. */
function formatElement(item: TupleItem): unknown {
  switch (item.type) {
    case 'int':
      return { '@type': 'tvm.stackEntryNumber', number: { '@type': 'tvm.numberDecimal', number: item.value.toString() } };
    case 'cell':
      return { '@type': 'tvm.stackEntryCell', cell: { '@type': 'tvm.cell', bytes: toBase64(item.cell) } };
    case 'slice':
      return { '@type': 'tvm.stackEntrySlice', slice: { '@type': 'tvm.slice', bytes: toBase64(item.cell) } };
    case 'tuple':
      return { '@type': 'tvm.stackEntryTuple', tuple: { '@type': 'tvm.tuple', elements: item.items.map(formatElement) } };
    case 'null':
      return { '@type': 'tvm.stackEntryList', list: { '@type': 'tvm.list', elements: [] } };
    case 'builder':
    case 'nan':
      throw new LocalChainError('bad_stack', `a tuple holds a ${item.type}, which has no form in this API`);
  }
}

function toInteger(text: string): bigint {
  if (!/^-?(?:0x[0-9a-fA-F]{1,64}|\d{1,78})$/.test(text)) throw new LocalChainError('bad_stack', 'a num is a decimal or 0x hex integer');
  return text.startsWith('-') ? -BigInt(text.slice(1)) : BigInt(text);
}

function toCell(base64: string): Cell {
  try {
    return Cell.fromBase64(base64);
  } catch (cause) {
    throw new LocalChainError('bad_stack', 'a cell is a base64 bag of cells', {}, { cause });
  }
}

function toBase64(cell: Cell): string {
  return cell.toBoc().toString('base64');
}
