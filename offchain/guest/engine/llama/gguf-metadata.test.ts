import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeGguf, type GgufValue } from '../training/gguf-writer';
import { readGgufMetadata } from './gguf-metadata';
import { readModelFacts } from './model';

describe('readGgufMetadata', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-gguf-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  function write(bytes: Uint8Array): string {
    const path = join(folder, 'some-model.gguf');
    writeFileSync(path, bytes);
    return path;
  }

  const entries = new Map<string, GgufValue>([
    ['general.architecture', { type: 'string', value: 'llama' }],
    ['a.number', { type: 'u32', value: 4_000_000_000 }],
    ['a.negative', { type: 'i32', value: -5 }],
    ['a.fraction', { type: 'f32', value: 0.5 }],
    ['a.flag', { type: 'bool', value: true }],
    ['some.strings', { type: 'strings', value: ['é', '', 'x'.repeat(3_000_000)] }],
    ['some.numbers', { type: 'i32s', value: [1, -1] }],
  ]);

  it('reads what was written, across the chunks in which it reads', () => {
    const read = readGgufMetadata(write(encodeGguf(entries, [])));
    expect([...read]).toEqual([...entries].map(([key, { value }]) => [key, value]));
  });

  it.each([
    ['another file', Buffer.from('PK\u0003\u0004 and more'), /not GGUF/],
    ['another version', Buffer.from('GGUF\u0009\u0000\u0000\u0000'), /version 9/],
    ['a file cut inside its metadata', encodeGguf(entries, []).subarray(0, 1000), /ends after 1000 bytes/],
    ['an empty file', new Uint8Array(0), /ends after 0 bytes/],
    ['absurd lengths', Buffer.concat([Buffer.from('GGUF\u0003\u0000\u0000\u0000'), Buffer.alloc(8, 1), Buffer.alloc(16, 255)]), /limit/],
  ])('refuses %s (bad_model_file)', (_, bytes, message) => {
    const path = write(bytes);
    expect(() => readGgufMetadata(path)).toThrow(
      expect.objectContaining({ code: 'bad_model_file', message: expect.stringMatching(message) }),
    );
  });

  it('names a model after its file when the file gives it no name', () => {
    expect(readModelFacts(write(encodeGguf(entries, [])), 'some-model')).toMatchObject({
      name: 'some-model',
      trainedContext: 0,
      chatTemplate: null,
    });
  });
});
