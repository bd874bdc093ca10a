/**
 * openai: the shapes of the OpenAI HTTP interface that Cocoon has to understand: requests, usage, events, errors. No sockets.
 * It passes through what it does not know; it trusts no field that it has not checked.
 */
import { concat, fromUtf8, utf8 } from '../core/bytes';
import { MalformedError } from '../core/errors';

/** Most bytes of one event. */
export const MAX_EVENT_SIZE = 4 * 1024 * 1024;

/** One server-sent event: its data, and the exact bytes it came in. */
export interface ServerSentEvent {
  readonly data: string;
  readonly bytes: Uint8Array;
}

/** The data of the last event of an OpenAI stream. */
export const DONE = '[DONE]';

/**
 * Cuts a byte stream into events. Lines end in LF or CRLF; comments and other fields are kept in `bytes` only, and an event of nothing
 * else has empty data. Source: WHATWG HTML, server-sent events.
 */
export class EventReader {
  private pending: Uint8Array = new Uint8Array(0);
  /** So many bytes of `pending` hold no end of an event. */
  private searched = 0;

  /** The events that are whole now. @throws MalformedError event_too_large, bad_utf8 */
  push(bytes: Uint8Array): ServerSentEvent[] {
    this.pending = this.pending.length === 0 ? bytes : concat(this.pending, bytes);
    const events: ServerSentEvent[] = [];
    for (;;) {
      const end = endOfEvent(this.pending, this.searched);
      const size = end ?? this.pending.length;
      if (size > MAX_EVENT_SIZE) throw new MalformedError('event_too_large', `event of ${size} bytes, limit ${MAX_EVENT_SIZE}`);
      if (end === null) {
        // A blank line may have begun in the last two bytes.
        this.searched = Math.max(0, this.pending.length - 2);
        return events;
      }
      const event = this.pending.subarray(0, end);
      this.pending = this.pending.subarray(end);
      this.searched = 0;
      events.push({ data: dataOf(event), bytes: event });
    }
  }

  /** Bytes that are not a whole event. */
  get rest(): Uint8Array {
    return this.pending;
  }
}

/** One event with this data. */
export function encodeEvent(data: string): Uint8Array {
  return utf8(`data: ${data}\n\n`);
}

const LF = 10;
const CR = 13;

/** Index behind the blank line that ends the first event, searched for from `start` on; null when there is none. */
function endOfEvent(bytes: Uint8Array, start: number): number | null {
  for (let i = start; i + 1 < bytes.length; i++) {
    if (bytes[i] === LF && bytes[i + 1] === LF) return i + 2;
    if (bytes[i] === LF && bytes[i + 1] === CR && bytes[i + 2] === LF) return i + 3;
  }
  return null;
}

const FIELD = 'data:';

function dataOf(event: Uint8Array): string {
  const lines: string[] = [];
  for (const line of fromUtf8(event).split(/\r?\n/)) {
    // No pattern: to `.` the separators U+2028 and U+2029, which JSON may hold as they are, would end the line.
    if (line.startsWith(FIELD)) lines.push(line.slice(line.startsWith(' ', FIELD.length) ? FIELD.length + 1 : FIELD.length));
  }
  return lines.join('\n');
}
