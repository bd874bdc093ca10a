import { concat } from '../../core/bytes';

/** Numbers in [0, 1), the same for the same seed. Source: the generator known as mulberry32. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4294967296;
  };
}

/** Bytes that parsers take for lengths, signs, ends and delimiters. */
const TELLING = [0x00, 0x01, 0x7f, 0x80, 0x81, 0x84, 0xff, 0x30, 0x22, 0x2c, 0x7b, 0x7d, 0x5b, 0x2d, 0x0a] as const;

/** A copy with one to four changes: other bytes, bytes left out, put in, or repeated, or the end cut off. */
export function mutate(bytes: Uint8Array, random: () => number): Uint8Array {
  const pick = (limit: number) => Math.floor(random() * limit);
  let changed = concat(bytes);
  for (let times = 1 + pick(4); times > 0; times--) {
    const at = pick(changed.length + 1);
    const size = pick(1 + pick(16));
    const [before, after] = [changed.subarray(0, at), changed.subarray(at)];
    const value = TELLING[pick(TELLING.length)] ?? 0;
    switch (pick(6)) {
      case 0:
        changed[at] = (changed[at] ?? 0) ^ (1 << pick(8));
        break;
      case 1:
        changed[at] = value;
        break;
      case 2:
        changed = concat(before, after.subarray(size));
        break;
      case 3:
        changed = concat(before, new Uint8Array(size).fill(value), after);
        break;
      case 4:
        changed = concat(before, after.subarray(0, size), after);
        break;
      default:
        if (pick(8) === 0) changed = concat(before);
    }
  }
  return changed;
}
