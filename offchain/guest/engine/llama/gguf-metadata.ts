import { closeSync, openSync, readSync } from 'node:fs';
import { EngineError } from '../engine';

export type GgufMetadataValue = number | bigint | boolean | string | readonly (number | bigint | boolean | string)[];

/** Source: GGUF specification, version 3, gguf_metadata_value_type. */
const TYPE = { u8: 0, i8: 1, u16: 2, i16: 3, u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9, u64: 10, i64: 11, f64: 12 } as const;

const CHUNK_BYTES = 1024 * 1024;
/** Larger than the vocabulary of any model, small enough to hold. */
const MAX_METADATA_BYTES = 256 * 1024 * 1024;
const MAX_ENTRIES = 65_536;

/**
 * The key-value pairs at the head of a model file. Nothing behind them is read.
 * @throws EngineError bad_model_file
 */
export function readGgufMetadata(path: string): ReadonlyMap<string, GgufMetadataValue> {
  const file = openSync(path, 'r');
  try {
    const reader = new GgufReader(file);
    if (reader.magic() !== 'GGUF') throw new EngineError('bad_model_file', 'model file is not GGUF');
    const version = reader.u32();
    if (version !== 2 && version !== 3) throw new EngineError('bad_model_file', `model file has GGUF version ${version}, expected 2 or 3`);
    reader.u64();
    const count = reader.u64();
    if (count > MAX_ENTRIES) throw new EngineError('bad_model_file', `model file has ${count} entries, limit ${MAX_ENTRIES}`);
    const entries = new Map<string, GgufMetadataValue>();
    for (let i = 0; i < count; i++) entries.set(reader.string(), reader.value(reader.u32()));
    return entries;
  } finally {
    closeSync(file);
  }
}

/** Reads little-endian values off the front of a file, a chunk at a time. */
class GgufReader {
  private buffer = Buffer.alloc(0);
  private at = 0;
  private total = 0;

  constructor(private readonly file: number) {}

  magic(): string {
    return this.take(4).toString('latin1');
  }

  u32(): number {
    return this.take(4).readUInt32LE();
  }

  /** A length or a count. */
  u64(): number {
    const value = this.take(8).readBigUInt64LE();
    if (value > BigInt(MAX_METADATA_BYTES))
      throw new EngineError('bad_model_file', `length of ${value} in the model file, limit ${MAX_METADATA_BYTES}`);
    return Number(value);
  }

  string(): string {
    return this.take(this.u64()).toString('utf8');
  }

  value(type: number): GgufMetadataValue {
    return type === TYPE.array ? this.array() : this.scalar(type);
  }

  private array(): readonly (number | bigint | boolean | string)[] {
    const type = this.u32();
    const length = this.u64();
    const values: (number | bigint | boolean | string)[] = [];
    for (let i = 0; i < length; i++) values.push(this.scalar(type));
    return values;
  }

  private scalar(type: number): number | bigint | boolean | string {
    switch (type) {
      case TYPE.u8:
        return this.take(1).readUInt8();
      case TYPE.i8:
        return this.take(1).readInt8();
      case TYPE.u16:
        return this.take(2).readUInt16LE();
      case TYPE.i16:
        return this.take(2).readInt16LE();
      case TYPE.u32:
        return this.u32();
      case TYPE.i32:
        return this.take(4).readInt32LE();
      case TYPE.f32:
        return this.take(4).readFloatLE();
      case TYPE.bool:
        return this.take(1).readUInt8() !== 0;
      case TYPE.string:
        return this.string();
      case TYPE.u64:
        return this.take(8).readBigUInt64LE();
      case TYPE.i64:
        return this.take(8).readBigInt64LE();
      case TYPE.f64:
        return this.take(8).readDoubleLE();
      default:
        throw new EngineError('bad_model_file', `value of type ${type} in the model file`);
    }
  }

  private take(size: number): Buffer {
    while (this.buffer.length - this.at < size) this.readMore(size);
    this.at += size;
    return this.buffer.subarray(this.at - size, this.at);
  }

  private readMore(size: number): void {
    const chunk = Buffer.alloc(Math.max(CHUNK_BYTES, size));
    const read = readSync(this.file, chunk);
    this.total += read;
    if (read === 0) throw new EngineError('bad_model_file', `model file ends after ${this.total} bytes, inside its metadata`);
    if (this.total > MAX_METADATA_BYTES) {
      throw new EngineError('bad_model_file', `metadata of more than ${MAX_METADATA_BYTES} bytes in the model file`);
    }
    this.buffer = Buffer.concat([this.buffer.subarray(this.at), chunk.subarray(0, read)]);
    this.at = 0;
  }
}
