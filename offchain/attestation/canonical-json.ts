import { equal, fromUtf8, utf8 } from '../core/bytes';
import { MalformedError } from '../core/errors';
import { EvidenceError } from './errors';

/** Deepest nesting; bounds the recursion below. */
const MAX_DEPTH = 16;

/**
 * The canonical UTF-8 bytes of a JSON value made of null, strings, safe integers, arrays and plain objects; anything else is
 * refused, booleans and fractions included, and so is text with a lone surrogate.
 *
 * Source: RFC 8785: no white space, names sorted by UTF-16 code units (3.2.3), strings and integers as ECMAScript writes them (3.2.2).
 *
 * @throws EvidenceError bad_json
 */
export function encodeCanonicalJson(value: unknown): Uint8Array {
  return utf8(write(value, 0));
}

/**
 * The value of canonical JSON. Bytes that do not encode again to themselves are refused: white space, other escapes or number
 * forms, unsorted or repeated names, a byte order mark.
 *
 * @throws EvidenceError bad_json
 */
export function decodeCanonicalJson(bytes: Uint8Array, maxBytes: number): unknown {
  if (bytes.length > maxBytes) throw new EvidenceError('bad_json', `json of ${bytes.length} bytes, limit ${maxBytes}`);
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(bytes));
  } catch (cause) {
    // A SyntaxError quotes its input, which came from the network: it does not travel on as a cause.
    if (cause instanceof SyntaxError || cause instanceof MalformedError) throw new EvidenceError('bad_json', 'not json');
    throw cause;
  }
  if (!equal(encodeCanonicalJson(value), bytes)) throw new EvidenceError('bad_json', 'json is not in canonical form');
  return value;
}

function write(value: unknown, depth: number): string {
  if (depth > MAX_DEPTH) throw new EvidenceError('bad_json', `json nested deeper than ${MAX_DEPTH}`);
  if (value === null) return 'null';
  if (typeof value === 'string') return writeString(value);
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new EvidenceError('bad_json', 'a number is not a safe integer');
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map((item) => write(item, depth + 1)).join(',')}]`;
  if (typeof value === 'object') {
    // The default order of sort() is by UTF-16 code units, which is what the standard asks for.
    const entries = new Map<string, unknown>(Object.entries(value));
    const names = [...entries.keys()].sort();
    return `{${names.map((name) => `${writeString(name)}:${write(entries.get(name), depth + 1)}`).join(',')}}`;
  }
  throw new EvidenceError('bad_json', `a ${typeof value} has no canonical form here`);
}

function writeString(text: string): string {
  if (/\p{Surrogate}/u.test(text)) throw new EvidenceError('bad_json', 'text with a lone surrogate');
  return JSON.stringify(text);
}
