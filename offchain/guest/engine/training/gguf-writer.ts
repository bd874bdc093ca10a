/** Writes model files. Source: GGUF specification, version 3; all numbers little-endian, as typed arrays are on every machine that Node runs on. */

export type GgufValue =
  | { readonly type: 'u32' | 'i32' | 'f32'; readonly value: number }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'strings'; readonly value: readonly string[] }
  | { readonly type: 'i32s'; readonly value: readonly number[] };

/** `shape` in GGUF order: the length of a row first. Q8_0 needs rows of a multiple of 32. */
export interface GgufTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
  readonly encoding: 'F32' | 'Q8_0';
}

const ALIGNMENT = 32;
const VALUE_TYPE = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 } as const;
const TENSOR_TYPE = { F32: 0, Q8_0: 8 } as const;
const Q8_0_BLOCK = 32;

/** The bytes of a whole model file. */
export function encodeGguf(metadata: ReadonlyMap<string, GgufValue>, tensors: readonly GgufTensor[]): Uint8Array {
  const header = new Writer();
  header.bytes(new TextEncoder().encode('GGUF'));
  header.u32(3);
  header.u64(tensors.length);
  header.u64(metadata.size);
  for (const [key, entry] of metadata) writeEntry(header, key, entry);
  const data = new Writer();
  for (const tensor of tensors) {
    header.string(tensor.name);
    header.u32(tensor.shape.length);
    for (const length of tensor.shape) header.u64(length);
    header.u32(TENSOR_TYPE[tensor.encoding]);
    header.u64(data.size);
    data.bytes(tensor.encoding === 'F32' ? encodeF32(tensor.values) : encodeQ8(tensor));
    data.pad(ALIGNMENT);
  }
  header.pad(ALIGNMENT);
  return Buffer.concat([header.take(), data.take()]);
}

function writeEntry(to: Writer, key: string, entry: GgufValue): void {
  to.string(key);
  switch (entry.type) {
    case 'string':
      to.u32(VALUE_TYPE.string);
      to.string(entry.value);
      return;
    case 'bool':
      to.u32(VALUE_TYPE.bool);
      to.bytes(Uint8Array.of(entry.value ? 1 : 0));
      return;
    case 'strings':
      to.array(VALUE_TYPE.string, entry.value.length);
      for (const text of entry.value) to.string(text);
      return;
    case 'i32s':
      to.array(VALUE_TYPE.i32, entry.value.length);
      for (const value of entry.value) to.bytes(Int32Array.of(value));
      return;
    case 'f32':
      to.u32(VALUE_TYPE.f32);
      to.bytes(Float32Array.of(entry.value));
      return;
    case 'u32':
    case 'i32':
      to.u32(VALUE_TYPE[entry.type]);
      to.u32(entry.value);
      return;
  }
}

class Writer {
  private readonly parts: Uint8Array[] = [];
  size = 0;

  bytes(part: Uint8Array | Uint32Array | Int32Array | Float32Array): void {
    const bytes = new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
    this.parts.push(bytes);
    this.size += bytes.length;
  }

  u32(value: number): void {
    this.bytes(Uint32Array.of(value));
  }

  u64(value: number): void {
    this.u32(value);
    this.u32(Math.floor(value / 2 ** 32));
  }

  string(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.u64(bytes.length);
    this.bytes(bytes);
  }

  array(elementType: number, length: number): void {
    this.u32(VALUE_TYPE.array);
    this.u32(elementType);
    this.u64(length);
  }

  pad(multiple: number): void {
    this.bytes(new Uint8Array((multiple - (this.size % multiple)) % multiple));
  }

  take(): Uint8Array {
    return Buffer.concat(this.parts);
  }
}

function encodeF32(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** Blocks of a half-precision scale and 32 signed bytes. */
function encodeQ8({ name, shape, values }: GgufTensor): Uint8Array {
  if ((shape[0] ?? 0) % Q8_0_BLOCK !== 0) throw new Error(`rows of ${name} have ${shape[0]} numbers, not a multiple of ${Q8_0_BLOCK}`);
  const out = Buffer.alloc((values.length / Q8_0_BLOCK) * (2 + Q8_0_BLOCK));
  for (let start = 0, at = 0; start < values.length; start += Q8_0_BLOCK, at += 2 + Q8_0_BLOCK) {
    const block = values.subarray(start, start + Q8_0_BLOCK);
    const half = toHalf(block.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) / 127);
    const scale = fromHalf(half);
    out.writeUInt16LE(half, at);
    block.forEach((value, i) => {
      out.writeInt8(scale === 0 ? 0 : Math.max(-127, Math.min(127, Math.round(value / scale))), at + 2 + i);
    });
  }
  return out;
}

/** A non-negative number below 65504 in half precision, rounded to nearest. Source: IEEE 754-2019, binary16. */
export function toHalf(value: number): number {
  if (value < 2 ** -14) return Math.round(value * 2 ** 24);
  const exponent = Math.floor(Math.log2(value));
  return Math.round((value / 2 ** exponent - 1) * 1024) + ((exponent + 15) << 10);
}

/** The number of a non-negative finite half. */
export function fromHalf(half: number): number {
  const exponent = half >> 10;
  return exponent === 0 ? half * 2 ** -24 : (1 + (half & 1023) / 1024) * 2 ** (exponent - 15);
}
