import { fromBigEndian } from '../core/bytes';
import { EvidenceError } from './errors';

/** Tags of the DER subset that certificates need. Source: ITU-T X.690 section 8.1.2 and X.680 table 1. */
export const DER_TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  context0: 0xa0,
  context3: 0xa3,
} as const;

/** Most bytes of an object identifier. */
const MAX_OID_SIZE = 32;

/** Most bytes of a named bit list: key usages, the longest that is read, are 9 bits. */
const MAX_NAMED_BITS_SIZE = 4;

/** One element: views on the input, nothing copied. */
export interface DerElement {
  readonly tag: number;
  /** The bytes behind tag and length. */
  readonly content: Uint8Array;
  /** Tag, length and content: what is signed and compared. */
  readonly whole: Uint8Array;
}

/** Reads elements off the front of a byte string, each with the tag that the caller expects. */
export class DerReader {
  private at = 0;

  constructor(private readonly bytes: Uint8Array) {}

  /** The next element. @throws EvidenceError bad_der */
  next(tag: number): DerElement {
    const element = this.peek();
    if (element === null) throw bad(`nothing where tag 0x${tag.toString(16)} was expected`);
    if (element.tag !== tag) throw bad(`tag 0x${element.tag.toString(16)}, expected 0x${tag.toString(16)}`);
    return this.pass(element);
  }

  /** The next element, whatever its tag is. @throws EvidenceError bad_der */
  nextAny(): DerElement {
    const element = this.peek();
    if (element === null) throw bad('nothing where an element was expected');
    return this.pass(element);
  }

  /** The next element if it has this tag, otherwise null. @throws EvidenceError bad_der */
  optional(tag: number): DerElement | null {
    if (this.bytes[this.at] !== tag) return null;
    return this.next(tag);
  }

  /** A reader on the content of the next element, a SEQUENCE unless told otherwise. @throws EvidenceError bad_der */
  enter(tag: number = DER_TAG.sequence): DerReader {
    return new DerReader(this.next(tag).content);
  }

  get isAtEnd(): boolean {
    return this.at === this.bytes.length;
  }

  /** @throws EvidenceError bad_der when bytes are left */
  end(): void {
    if (!this.isAtEnd) throw bad(`${this.bytes.length - this.at} bytes behind the last element`);
  }

  private pass(element: DerElement): DerElement {
    this.at += element.whole.length;
    return element;
  }

  /** The element at the front; nothing is copied, and what is behind it is not looked at. */
  private peek(): DerElement | null {
    if (this.isAtEnd) return null;
    const { bytes, at } = this;
    const left = bytes.length - at;
    const tag = bytes[at] ?? 0;
    if ((tag & 0x1f) === 0x1f) throw bad('a tag of several bytes');
    const first = bytes[at + 1];
    if (first === undefined) throw bad('an element without a length');
    let size = first;
    let header = 2;
    if (first >= 0x80) {
      const sizeBytes = bytes.subarray(at + 2, at + 2 + (first & 0x7f));
      // Four bytes of length are more than any input here; 0x80, the indefinite form, is not DER.
      if (sizeBytes.length === 0 || sizeBytes.length > 4 || sizeBytes.length !== (first & 0x7f)) throw bad('a malformed length');
      size = sizeBytes.reduce((value, byte) => value * 256 + byte, 0);
      if (size < 0x80 || sizeBytes[0] === 0) throw bad('a length that is not minimal');
      header += sizeBytes.length;
    }
    if (header + size > left) throw bad(`an element of ${header + size} bytes, ${left} are left`);
    return { tag, content: bytes.subarray(at + header, at + header + size), whole: bytes.subarray(at, at + header + size) };
  }
}

/** A reader on the content of the one element that the bytes are. @throws EvidenceError bad_der */
export function enterDer(bytes: Uint8Array, tag: number = DER_TAG.sequence): DerReader {
  const outer = new DerReader(bytes);
  const inner = outer.enter(tag);
  outer.end();
  return inner;
}

/** An object identifier in dotted form. Source: X.690 section 8.19. @throws EvidenceError bad_der */
export function toOid(element: DerElement): string {
  // Its text goes into reasons that people see. Intel's longest have 11 bytes.
  if (element.content.length > MAX_OID_SIZE) throw bad(`an object identifier of ${element.content.length} bytes, limit ${MAX_OID_SIZE}`);
  const arcs: number[] = [];
  let arc = 0;
  let size = 0;
  for (const byte of element.content) {
    if (size === 0 && byte === 0x80) throw bad('an object identifier that is not minimal');
    if (++size > 4) throw bad('an object identifier with an arc above 28 bits');
    arc = arc * 128 + (byte & 0x7f);
    if (byte >= 0x80) continue;
    if (arcs.length === 0) {
      const root = Math.min(Math.floor(arc / 40), 2);
      arcs.push(root, arc - 40 * root);
    } else {
      arcs.push(arc);
    }
    arc = 0;
    size = 0;
  }
  if (arcs.length === 0 || size !== 0) throw bad('a truncated object identifier');
  return arcs.join('.');
}

/** The magnitude of a non-negative INTEGER, big-endian without leading zeros (zero is one zero byte). @throws EvidenceError bad_der */
export function toUnsigned(element: DerElement): Uint8Array {
  const [first, second] = element.content;
  if (first === undefined) throw bad('an integer without content');
  if (first >= 0x80) throw bad('a negative integer');
  if (first !== 0 || second === undefined) return element.content;
  if (second < 0x80) throw bad('an integer that is not minimal');
  return element.content.subarray(1);
}

/** A non-negative INTEGER of at most 32 bits. @throws EvidenceError bad_der */
export function toSmallNumber(element: DerElement): number {
  const magnitude = toUnsigned(element);
  if (magnitude.length > 4) throw bad(`an integer of ${magnitude.length} bytes, limit 4`);
  return Number(fromBigEndian(magnitude));
}

/** A BOOLEAN: 00 or FF, nothing else. Source: X.690 section 11.1. @throws EvidenceError bad_der */
export function toBoolean(element: DerElement): boolean {
  const [value, more] = element.content;
  if (more !== undefined || (value !== 0 && value !== 0xff)) throw bad('a malformed boolean');
  return value === 0xff;
}

/** A BIT STRING of whole bytes. @throws EvidenceError bad_der */
export function toBitBytes(element: DerElement): Uint8Array {
  if (element.content[0] !== 0) throw bad('a bit string that is not of whole bytes');
  return element.content.subarray(1);
}

/** The set bits of a named bit list, by number; the first bit is 0. Source: X.690 section 11.2. @throws EvidenceError bad_der */
export function toNamedBits(element: DerElement): ReadonlySet<number> {
  const unused = element.content[0] ?? 8;
  const bytes = element.content.subarray(1);
  if (bytes.length > MAX_NAMED_BITS_SIZE) throw bad(`a named bit list of ${bytes.length} bytes, limit ${MAX_NAMED_BITS_SIZE}`);
  const last = bytes.at(-1);
  // Trailing zero bits are left out, so the last bit that counts is set and the unused ones behind it are not.
  const isCanonical = last === undefined ? unused === 0 : unused < 8 && (last & ((1 << (unused + 1)) - 1)) === 1 << unused;
  if (!isCanonical) throw bad('a named bit list that is not canonical');
  const bits = new Set<number>();
  bytes.forEach((byte, i) => {
    for (let bit = 0; bit < 8; bit++) if ((byte & (0x80 >> bit)) !== 0) bits.add(8 * i + bit);
  });
  return bits;
}

/** A UTCTime or GeneralizedTime in unix seconds, in the forms of certificates. Source: RFC 5280 section 4.1.2.5. @throws EvidenceError bad_der */
export function toTimeSec(element: DerElement): number {
  const isUtcTime = element.tag === DER_TAG.utcTime;
  if (!isUtcTime && element.tag !== DER_TAG.generalizedTime) throw bad(`tag 0x${element.tag.toString(16)} where a time was expected`);
  const size = isUtcTime ? 13 : 15;
  // Before it becomes text: a call has room for so many characters only, and a list may have more bytes.
  if (element.content.length !== size) throw bad(`a time of ${element.content.length} bytes, expected ${size}`);
  const text = String.fromCharCode(...element.content);
  const full = isUtcTime ? `${text < '50' ? '20' : '19'}${text}` : text;
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(full);
  if (match === null) throw bad('a malformed time');
  const [year, month, day, hour, minute, second] = match.slice(1);
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
  const ms = Date.parse(iso);
  // Date.parse takes 24:00 and 30 February by moving on; the way back does not give the same text then.
  if (Number.isNaN(ms) || new Date(ms).toISOString() !== iso) throw bad('a time that does not exist');
  if (!isUtcTime && full < '2050') throw bad('a year before 2050 in the long form');
  return ms / 1000;
}

function bad(what: string): EvidenceError {
  return new EvidenceError('bad_der', `der has ${what}`);
}
