import { ByteReader, equal, uintLe, utf8 } from '../core/bytes';
import { MalformedError } from '../core/errors';
import { EvidenceError } from './errors';

/** Most bytes of an event log; firmware reserves 64 KiB as a rule. */
export const MAX_EVENT_LOG_SIZE = 4 * 1024 * 1024;
/** Most events of one log; real ones have below a hundred. */
const MAX_EVENTS = 4096;
const MAX_ALGORITHMS = 8;
const SHA384 = 0x000c;
const SHA384_SIZE = 48;
const EV_NO_ACTION = 3;

/** What an event was measured into: the build-time register, or the number of a runtime register. */
export type MeasuredInto = 'mrtd' | 0 | 1 | 2 | 3;

/** One measurement, as firmware or boot loader wrote it down. Only its digest counts; type and data are what they say of it. */
export interface LoggedEvent {
  /** Place in the log, from 1. */
  readonly number: number;
  readonly register: MeasuredInto;
  readonly type: number;
  /** SHA-384, 48 bytes: what was extended into the register. */
  readonly digest: Uint8Array;
  readonly data: Uint8Array;
}

export interface EventLog {
  /** What the log's maker put into its head; empty as a rule. */
  readonly vendorInfo: Uint8Array;
  /** In order. Entries that were not measured (EV_NO_ACTION) are left out. */
  readonly events: readonly LoggedEvent[];
}

/**
 * A CCEL event log: what a TDX guest's firmware has measured into its runtime registers, from `/sys/firmware/acpi/tables/data/CCEL`.
 * The area behind the last event is filled with 0xff or with zeros.
 *
 * Source: TCG PC Client Platform Firmware Profile 1.06, section 10.2 (crypto-agile log); UEFI 2.10, section 38.4.1 (registers of TDX).
 * Sizes in bytes, integers little-endian.
 *
 * | first entry        | size | each further entry | size |
 * |--------------------|-----:|--------------------|-----:|
 * | index              |    4 | register           |    4 |
 * | type 3             |    4 | type               |    4 |
 * | zeros              |   20 | digest count       |    4 |
 * | size of what follows |  4 | digests: algorithm 2, digest | n |
 * | "Spec ID Event03", 0 | 16 | data size          |    4 |
 * | class, versions    |    8 | data               |    n |
 * | algorithm count    |    4 |                    |      |
 * | algorithms: id 2, digest size 2 | n | register: 0 MRTD, 1 to 4 RTMR0 to RTMR3 | |
 * | vendor info: size 1, bytes | n |            |      |
 *
 * @throws EvidenceError bad_event_log
 */
export function parseEventLog(bytes: Uint8Array): EventLog {
  if (bytes.length > MAX_EVENT_LOG_SIZE) throw bad(`event log of ${bytes.length} bytes, limit ${MAX_EVENT_LOG_SIZE}`);
  try {
    const reader = new LogReader(bytes);
    const { sizes, vendorInfo } = readHead(reader);
    const events: LoggedEvent[] = [];
    for (let number = 1; !reader.isAtEnd(); number++) {
      if (number > MAX_EVENTS) throw bad(`event log of more than ${MAX_EVENTS} events`);
      const event = readEvent(reader, number, sizes);
      if (event !== null) events.push(event);
    }
    return { vendorInfo, events };
  } catch (cause) {
    if (cause instanceof MalformedError) throw bad(cause.message, cause);
    throw cause;
  }
}

/** Digest sizes by algorithm, as the head of the log says. */
type DigestSizes = ReadonlyMap<number, number>;

function readHead(reader: LogReader): { readonly sizes: DigestSizes; readonly vendorInfo: Uint8Array } {
  reader.uint(4);
  const type = reader.uint(4);
  reader.take(20);
  const head = new LogReader(reader.take(reader.uint(4)));
  if (type !== EV_NO_ACTION || !equal(head.take(16), utf8('Spec ID Event03\0'))) {
    throw bad('this is no crypto-agile event log: "Spec ID Event03" is missing at its start');
  }
  head.take(8);
  const count = head.uint(4);
  if (count < 1 || count > MAX_ALGORITHMS) throw bad(`event log with ${count} algorithms, expected 1 to ${MAX_ALGORITHMS}`);
  const sizes = new Map<number, number>();
  for (let i = 0; i < count; i++) sizes.set(head.uint(2), head.uint(2));
  if (sizes.get(SHA384) !== SHA384_SIZE) throw bad('event log without SHA-384 digests, which TDX measures with');
  const vendorInfo = head.take(head.uint(1));
  head.end();
  return { sizes, vendorInfo };
}

function readEvent(reader: LogReader, number: number, sizes: DigestSizes): LoggedEvent | null {
  const index = reader.uint(4);
  const type = reader.uint(4);
  const digest = readDigests(reader, number, sizes);
  const data = reader.take(reader.uint(4));
  if (type === EV_NO_ACTION) return null;
  if (digest === null) throw bad(`event ${number} has no SHA-384 digest`);
  return { number, register: registerOf(index, number), type, digest, data };
}

function readDigests(reader: LogReader, number: number, sizes: DigestSizes): Uint8Array | null {
  const count = reader.uint(4);
  if (count > sizes.size) throw bad(`event ${number} has ${count} digests, limit ${sizes.size}`);
  let found: Uint8Array | null = null;
  for (let i = 0; i < count; i++) {
    const algorithm = reader.uint(2);
    const size = sizes.get(algorithm);
    if (size === undefined) throw bad(`event ${number} has a digest of unknown algorithm ${algorithm}`);
    const digest = reader.take(size);
    if (algorithm !== SHA384) continue;
    if (found !== null) throw bad(`event ${number} has two SHA-384 digests`);
    found = digest;
  }
  return found;
}

function registerOf(index: number, number: number): MeasuredInto {
  switch (index) {
    case 0:
      return 'mrtd';
    case 1:
      return 0;
    case 2:
      return 1;
    case 3:
      return 2;
    case 4:
      return 3;
    default:
      throw bad(`event ${number} is measured into register ${index}, expected 0 to 4`);
  }
}

/** Little-endian integers, and an end that may be filled. */
class LogReader {
  private readonly reader: ByteReader;
  private at = 0;

  constructor(private readonly bytes: Uint8Array) {
    this.reader = new ByteReader(bytes, 'event log');
  }

  take(size: number): Uint8Array {
    const taken = this.reader.take(size);
    this.at += size;
    return taken;
  }

  uint(size: number): number {
    return uintLe(this.take(size));
  }

  /** Whether nothing is left but filling. An event cannot look like it: none has register 0xffffffff, or no digest and no data. */
  isAtEnd(): boolean {
    const rest = this.bytes.subarray(this.at);
    const [first] = rest;
    return first === undefined || ((first === 0xff || first === 0) && rest.every((byte) => byte === first));
  }

  end(): void {
    this.reader.end();
  }
}

function bad(message: string, cause?: unknown): EvidenceError {
  return new EvidenceError('bad_event_log', message, {}, { cause });
}
