/**
 * As much of a WebAssembly assembler as one function needs: an imported memory, one exported function, locals of two types.
 * Source: WebAssembly Core Specification 2.0, sections 5.4 (instructions) and 5.5 (modules).
 */

const VALUE_TYPE = { i32: 0x7f, v128: 0x7b } as const;
export type ValueType = keyof typeof VALUE_TYPE;

/** Opcodes in use. Vector instructions carry the prefix 0xfd and a LEB128 number. */
const OPCODE = {
  loop: [0x03, 0x40],
  end: [0x0b],
  br_if: [0x0d],
  if: [0x04, 0x40],
  'local.get': [0x20],
  'local.set': [0x21],
  'i32.const': [0x41],
  'i32.lt_s': [0x48],
  'i32.add': [0x6a],
  'i32.mul': [0x6c],
  'i32.shl': [0x74],
  'v128.load': [0xfd, 0x00],
  'v128.load32_splat': [0xfd, 0x09],
  'v128.store': [0xfd, 0x0b],
  'v128.const': [0xfd, 0x0c],
  'f32x4.add': [0xfd, 0xe4, 0x01],
  'f32x4.mul': [0xfd, 0xe6, 0x01],
} as const;
type Opcode = keyof typeof OPCODE;

/** One instruction with its immediate operands: numbers are LEB128 unsigned, arrays raw bytes. */
export type Instruction = readonly [Opcode, ...(number | readonly number[])[]];

/** Unsigned LEB128. */
function leb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)];
}

/** A LEB128 constant of type i32: signed, so that a set bit 6 in the last byte would mean a negative number. */
function signedLeb(value: number): number[] {
  return value < 0x40 ? [value] : [(value & 0x7f) | 0x80, ...signedLeb(value >>> 7)];
}

function bytesOf([opcode, ...operands]: Instruction): number[] {
  const encode = opcode === 'i32.const' ? signedLeb : leb;
  return [...OPCODE[opcode], ...operands.flatMap((operand) => (typeof operand === 'number' ? encode(operand) : operand))];
}

const name = (text: string) => [...leb(text.length), ...new TextEncoder().encode(text)];
const section = (id: number, ...content: number[]) => [id, ...leb(content.length), ...content];

/** A module that imports `env.memory` and exports one function under `exportName`; parameters come first among the locals. */
export function wasmModule(
  exportName: string,
  parameters: readonly ValueType[],
  locals: readonly ValueType[],
  body: readonly Instruction[],
): Uint8Array<ArrayBuffer> {
  const declarations = locals.flatMap((type) => [1, VALUE_TYPE[type]]);
  const code = [...leb(locals.length), ...declarations, ...body.flatMap(bytesOf), ...OPCODE.end];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, 1, 0x60, ...leb(parameters.length), ...parameters.map((type) => VALUE_TYPE[type]), 0),
    ...section(2, 1, ...name('env'), ...name('memory'), 2, 0, 1),
    ...section(3, 1, 0),
    ...section(7, 1, ...name(exportName), 0, 0),
    ...section(10, 1, ...leb(code.length), ...code),
  ]);
}
