import { beginCell, Cell, serializeTuple, type TupleItem } from '@ton/core';
import { formatStack, parseStack } from './stack';

const cell = beginCell().storeUint(1, 8).storeRef(Cell.EMPTY).endCell();
const bytes = cell.toBoc().toString('base64');

test('reads numbers in both notations, and cells, slices and builders', () => {
  const stack = parseStack([
    ['num', '-17'],
    ['num', '0xff'],
    ['int', '-0x10'],
    ['num', 5],
    ['tvm.Cell', bytes],
    ['tvm.Slice', bytes],
    ['tvm.Builder', bytes],
  ]);
  const expected: TupleItem[] = [
    { type: 'int', value: -17n },
    { type: 'int', value: 255n },
    { type: 'int', value: -16n },
    { type: 'int', value: 5n },
    { type: 'cell', cell },
    { type: 'slice', cell },
    { type: 'builder', cell },
  ];
  expect(serializeTuple(stack).equals(serializeTuple(expected))).toBe(true);
});

test.each([
  ['num', '1.5'],
  ['num', '0x'],
  ['num', ''],
  ['tvm.Cell', 'AAAA'],
  ['tvm.Tuple', '[]'],
])('refuses the entry %s %j', (type, value) => {
  expect(() => parseStack([[type, value]])).toThrow(expect.objectContaining({ code: 'bad_stack' }));
});

test('shows every kind of entry, also inside tuples', () => {
  const inner: TupleItem = { type: 'tuple', items: [{ type: 'null' }, { type: 'slice', cell }] };
  const stack: TupleItem[] = [
    { type: 'int', value: -5n },
    { type: 'int', value: 255n },
    { type: 'null' },
    { type: 'cell', cell },
    { type: 'tuple', items: [{ type: 'int', value: -2n }, { type: 'cell', cell }, inner] },
  ];
  expect(formatStack(stack)).toEqual([
    ['num', '-0x5'],
    ['num', '0xff'],
    ['list', { '@type': 'tvm.list', elements: [] }],
    ['cell', { bytes }],
    [
      'tuple',
      {
        '@type': 'tvm.tuple',
        elements: [
          { '@type': 'tvm.stackEntryNumber', number: { '@type': 'tvm.numberDecimal', number: '-2' } },
          { '@type': 'tvm.stackEntryCell', cell: { '@type': 'tvm.cell', bytes } },
          {
            '@type': 'tvm.stackEntryTuple',
            tuple: {
              '@type': 'tvm.tuple',
              elements: [
                { '@type': 'tvm.stackEntryList', list: { '@type': 'tvm.list', elements: [] } },
                { '@type': 'tvm.stackEntrySlice', slice: { '@type': 'tvm.slice', bytes } },
              ],
            },
          },
        ],
      },
    ],
  ]);
});

test('refuses to show not-a-number', () => {
  expect(() => formatStack([{ type: 'nan' }])).toThrow(expect.objectContaining({ code: 'bad_stack' }));
});
