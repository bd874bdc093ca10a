/**
 * A shard account out of the executor's bytes, without its code: reading that would hash it anew after every message, which takes longer
 * than the message.
 */
import { BitString, Cell, loadShardAccount, type ShardAccount } from '@ton/core';

/** A cell of a bag as it lies there. */
interface RawCell {
  readonly bits: BitString;
  readonly refs: readonly number[];
}

/** Code and data, in the account cell of an active contract without libraries or other currencies. */
const CODE_AND_DATA = 2;

/** @param base64 a bag of cells with one root, a ShardAccount. Its code is read as an empty cell. */
export function withoutCode(base64: string): ShardAccount {
  const { cells, root } = rawCells(Buffer.from(base64, 'base64'));
  const build = (index: number): Cell => {
    const { bits, refs } = at(cells, index);
    return new Cell({ bits, refs: refs.map(build) });
  };
  const shard = at(cells, root);
  const [accountIndex] = shard.refs;
  if (accountIndex === undefined) throw new RangeError('a shard account without an account');
  const account = at(cells, accountIndex);
  const [, data] = account.refs;
  const isContract = account.refs.length === CODE_AND_DATA && data !== undefined;
  const refs = isContract ? [Cell.EMPTY, build(data)] : account.refs.map(build);
  return loadShardAccount(new Cell({ bits: shard.bits, refs: [new Cell({ bits: account.bits, refs })] }).beginParse());
}

/** Source: boc.tlb, serialized_boc#b5ee9c72. Ordinary cells only. */
function rawCells(bytes: Buffer): { readonly cells: readonly RawCell[]; readonly root: number } {
  let offset = 4;
  const uint = (size: number) => {
    const value = bytes.readUIntBE(offset, size);
    offset += size;
    return value;
  };
  const flags = uint(1);
  const size = flags & 0b111;
  const offsetSize = uint(1);
  const count = uint(size);
  const roots = uint(size);
  offset += size + offsetSize;
  const root = uint(size);
  offset += (roots - 1) * size + ((flags & 0x80) === 0 ? 0 : count * offsetSize);
  const cells: RawCell[] = [];
  for (let i = 0; i < count; i += 1) {
    const refCount = uint(1) & 0b111;
    const halfBytes = uint(1);
    const length = Math.ceil(halfBytes / 2);
    const data = bytes.subarray(offset, offset + length);
    offset += length;
    const bits = new BitString(data, 0, halfBytes % 2 === 0 ? length * 8 : length * 8 - 1 - trailingZeros(at(data, length - 1)));
    cells.push({ bits, refs: Array.from({ length: refCount }, () => uint(size)) });
  }
  return { cells, root };
}

/** Padding is a one and zeros. */
function trailingZeros(byte: number): number {
  return 31 - Math.clz32(byte & -byte);
}

function at<T>(list: ArrayLike<T>, index: number): T {
  const item = list[index];
  if (item === undefined) throw new RangeError(`item ${index} of ${list.length}`);
  return item;
}
