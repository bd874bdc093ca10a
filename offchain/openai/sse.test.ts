import { concat, utf8 } from '../core/bytes';
import { EventReader, encodeEvent, MAX_EVENT_SIZE, type ServerSentEvent } from './sse';

function read(...parts: readonly Uint8Array[]): { readonly data: readonly string[]; readonly rest: string } {
  const reader = new EventReader();
  const events = parts.flatMap((part) => reader.push(part));
  return { data: events.map((event) => event.data), rest: Buffer.from(reader.rest).toString() };
}

describe('an event stream', () => {
  it.each<[string, string, readonly string[]]>([
    ['one event', 'data: {"a":1}\n\n', ['{"a":1}']],
    ['two events', 'data: 1\n\ndata: 2\n\n', ['1', '2']],
    ['line ends of two bytes', 'data: 1\r\n\r\ndata: 2\r\n\r\n', ['1', '2']],
    ['line ends of both kinds', 'data: 1\r\n\ndata: 2\n\r\n', ['1', '2']],
    ['no space behind the colon', 'data:1\n\n', ['1']],
    ['one of two spaces taken off', 'data:  1\n\n', [' 1']],
    ['data of several lines', 'data: 1\ndata: 2\ndata:\n\n', ['1\n2\n']],
    ['a comment', ': ping\n\ndata: 1\n\n', ['', '1']],
    ['a comment and other fields in an event', 'event: x\nid: 7\n: ping\ndata: 1\nretry: 5\n\n', ['1']],
    ['a field that only begins like data', 'database: x\n\n', ['']],
    ['separators of lines in Unicode, which are not line ends here', 'data: "a\u2028b\u2029c\u0085d"\n\n', ['"a\u2028b\u2029c\u0085d"']],
    ['colons in data', 'data: data: 1\n\n', ['data: 1']],
    ['the end mark', 'data: [DONE]\n\n', ['[DONE]']],
    ['text beyond ASCII', 'data: приве́т 👋\n\n', ['приве́т 👋']],
  ])('gives its data, cut at every byte or not: %s', (_name, text, expected) => {
    const whole = utf8(text);
    expect(read(whole)).toEqual({ data: expected, rest: '' });
    expect(read(...Array.from(whole, (byte) => Uint8Array.of(byte)))).toEqual({ data: expected, rest: '' });
    for (let at = 0; at <= whole.length; at++) {
      expect(read(whole.subarray(0, at), whole.subarray(at))).toEqual({ data: expected, rest: '' });
    }
  });

  it('keeps every byte: events and rest put together are what came in', () => {
    const whole = utf8('\n\n: x\r\n\r\ndata: 1\n\nevent: y\ndata: 2\n\ndata: cut');
    const reader = new EventReader();
    const events: ServerSentEvent[] = [];
    for (const byte of whole) events.push(...reader.push(Uint8Array.of(byte)));
    expect(concat(...events.map((event) => event.bytes), reader.rest)).toEqual(whole);
    expect(Buffer.from(reader.rest).toString()).toBe('data: cut');
  });

  it('gives an event as soon as its blank line is there', () => {
    const reader = new EventReader();
    expect(reader.push(utf8('data: 1\n'))).toEqual([]);
    expect(reader.push(utf8('\ndata: 2')).map((event) => event.data)).toEqual(['1']);
    expect(reader.push(utf8('\r\n\r'))).toEqual([]);
    expect(reader.push(utf8('\n')).map((event) => event.data)).toEqual(['2']);
  });

  it('takes an event of the largest size', () => {
    const data = 'x'.repeat(MAX_EVENT_SIZE - 'data: \n\n'.length);
    expect(read(encodeEvent(data)).data).toEqual([data]);
  });

  it('refuses a larger event, whole or not (event_too_large)', () => {
    const whole = encodeEvent('x'.repeat(MAX_EVENT_SIZE - 'data: \n\n'.length + 1));
    const tooLarge = expect.objectContaining({ name: 'MalformedError', code: 'event_too_large' });
    expect(() => read(whole)).toThrow(tooLarge);
    expect(() => read(whole.subarray(0, 1000), whole.subarray(1000))).toThrow(tooLarge);
    expect(() => read(new Uint8Array(MAX_EVENT_SIZE + 1).fill(65))).toThrow(tooLarge);
  });

  it('refuses bytes that are not UTF-8 (bad_utf8)', () => {
    expect(() => read(concat(utf8('data: '), Uint8Array.of(0xc3, 0x28), utf8('\n\n')))).toThrow(
      expect.objectContaining({ code: 'bad_utf8' }),
    );
  });

  it('is written as it is read', () => {
    expect(read(encodeEvent('{"a":1}'), encodeEvent('[DONE]'))).toEqual({ data: ['{"a":1}', '[DONE]'], rest: '' });
  });
});
