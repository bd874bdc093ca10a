/** Searches memory, files and bytes for a word, in the forms in which it could lie there. */
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../offchain/core/errors';

/** What is looked for, by the name of its form. */
export type Patterns = ReadonlyMap<string, Buffer>;

const PAGE_SIZE = 4096;
const READ_SIZE = 4 * 1024 * 1024;

/** UTF-8, UTF-16 in both orders, hex in both cases, base64 and base64url in their three alignments. */
export function encodingsOf(word: string): Patterns {
  const bytes = Buffer.from(word, 'utf8');
  const patterns = new Map([
    ['utf-8', bytes],
    ['utf-16le', Buffer.from(word, 'utf16le')],
    ['utf-16be', Buffer.from(word, 'utf16le').swap16()],
    ['hex', Buffer.from(bytes.toString('hex'))],
    ['HEX', Buffer.from(bytes.toString('hex').toUpperCase())],
  ]);
  for (const encoding of ['base64', 'base64url'] as const) {
    for (const before of [0, 1, 2]) {
      const text = Buffer.concat([Buffer.alloc(before), bytes]).toString(encoding);
      // Characters that the neighbours' bits are part of are left out.
      const inner = text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
      patterns.set(`${encoding}+${before}`, Buffer.from(inner));
    }
  }
  return patterns;
}

/** The letters of a header's Huffman code by its length, in order. Source: RFC 7541, appendix B. */
const HUFFMAN = [
  { letters: 'aceiost', bits: 5, first: 0x03 },
  { letters: 'bdfghlmnpru', bits: 6, first: 0x23 },
  { letters: 'jkqvwxyz', bits: 7, first: 0x74 },
] as const;

/** What HTTP/2 makes of a header's value with this word, at each of the bits where it can begin. Small letters only. */
export function headerEncodingsOf(word: string): Patterns {
  const bits = [...word].map(huffmanCode).join('');
  return new Map(
    [0, 1, 2, 3, 4, 5, 6, 7].map((before) => {
      const whole = bits.slice((8 - before) % 8).match(/[01]{8}/g) ?? [];
      return [`hpack+${before}`, Buffer.from(whole.map((byte) => Number.parseInt(byte, 2)))];
    }),
  );
}

function huffmanCode(letter: string): string {
  const group = HUFFMAN.find(({ letters }) => letters.includes(letter));
  if (group === undefined) throw new Error(`no small letter: ${letter}`);
  return (group.first + group.letters.indexOf(letter)).toString(2).padStart(group.bits, '0');
}

/** Takes bytes piece by piece and finds what lies across their borders, too. */
export class Searcher {
  readonly found = new Set<string>();
  private readonly overlap: number;
  private tail = Buffer.alloc(0);
  private end = 0;

  constructor(private readonly patterns: Patterns) {
    this.overlap = Math.max(...[...patterns.values()].map((pattern) => pattern.length)) - 1;
  }

  /** `at` is where the piece begins: only what follows without a gap belongs together. */
  push(piece: Buffer, at: number): void {
    const bytes = at === this.end ? Buffer.concat([this.tail, piece]) : piece;
    for (const [name, pattern] of this.patterns) {
      if (!this.found.has(name) && bytes.includes(pattern)) this.found.add(name);
    }
    this.tail = Buffer.from(bytes.subarray(Math.max(0, bytes.length - this.overlap)));
    this.end = at + piece.length;
  }
}

/** The forms in which a process has it in its memory. Linux only. */
export function searchMemory(pid: number, patterns: Patterns): readonly string[] {
  const searcher = new Searcher(patterns);
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  try {
    const buffer = Buffer.alloc(READ_SIZE);
    for (const { start, end } of readableRegions(pid)) {
      for (let at = start; at < end; ) {
        const size = readPiece(memory, buffer.subarray(0, Math.min(READ_SIZE, end - at)), at);
        if (size > 0) searcher.push(buffer.subarray(0, size), at);
        at += size > 0 ? size : PAGE_SIZE;
      }
    }
  } finally {
    closeSync(memory);
  }
  return [...searcher.found];
}

/** @returns 0 for a page that has nothing behind it, such as one past the end of a mapped file */
function readPiece(memory: number, into: Buffer, at: number): number {
  try {
    return readSync(memory, into, 0, into.length, at);
  } catch (error) {
    if (codeOf(error) === 'EIO') return 0;
    throw error;
  }
}

/** Source: proc_pid_maps(5). The kernel's own pages cannot be read this way. */
function readableRegions(pid: number): readonly { readonly start: number; readonly end: number }[] {
  return readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, start, end] = /^([0-9a-f]+)-([0-9a-f]+) r(?!.*\[(?:vvar|vsyscall))/.exec(line) ?? [];
      return start === undefined || end === undefined ? [] : [{ start: Number.parseInt(start, 16), end: Number.parseInt(end, 16) }];
    });
}

/** Where it is in the files under a folder, as "path: form"; sockets have no content. @throws when the folder has no file */
export function searchFolder(folder: string, patterns: Patterns): readonly string[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  if (files.length === 0) throw new Error(`no file in ${folder}`);
  return files.flatMap((entry) => {
    const path = join(entry.parentPath, entry.name);
    const searcher = new Searcher(patterns);
    searcher.push(readFileSync(path), 0);
    return [...searcher.found].map((form) => `${path}: ${form}`);
  });
}
