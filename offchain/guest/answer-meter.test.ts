import { fromUtf8, utf8 } from '../core/bytes';
import { parseRequest } from '../openai/requests';
import { EventReader, encodeEvent } from '../openai/sse';
import { AnswerMeter } from './answer-meter';

const usage = (answer: number) => ({ prompt_tokens: 5, completion_tokens: answer, total_tokens: 5 + answer });
const piece = (content: string, extra: object = {}) => ({ id: 'a', choices: [{ index: 0, delta: { content } }], ...extra });
const end = (reason: string) => ({ id: 'a', choices: [{ index: 0, delta: {}, finish_reason: reason }], usage: usage(2) });

function meterOf(streamOptions?: object): AnswerMeter {
  const request = { model: 'm', stream: true, ...(streamOptions ? { stream_options: streamOptions } : {}) };
  return new AnswerMeter(parseRequest(utf8(JSON.stringify(request))));
}

/** What the caller gets of events with this data. */
function pass(meter: AnswerMeter, ...data: readonly (object | string)[]): string[] {
  const events = data.flatMap((value) => new EventReader().push(encodeEvent(typeof value === 'string' ? value : JSON.stringify(value))));
  return events.map((event) => meter.takeEvent(event)).flatMap((bytes) => (bytes === null ? [] : [fromUtf8(bytes)]));
}

const event = (value: object) => `data: ${JSON.stringify(value)}\n\n`;

describe('AnswerMeter', () => {
  it('takes out all usage when the caller did not ask for it, and keeps counting', () => {
    const meter = meterOf();
    const passed = pass(meter, piece('x', { usage: usage(1) }), end('stop'), { id: 'a', choices: [], usage: usage(2) }, '[DONE]');
    const { usage: _, ...endWithout } = end('stop');
    expect(passed).toEqual([event(piece('x')), event(endWithout), 'data: [DONE]\n\n']);
    expect(meter.measured).toMatchObject({ reported: { completion_tokens: 2 }, isWhole: true, isCapped: false, isBroken: false });
  });

  it('gives usage in the last event only when the caller asked for it there', () => {
    const last = { id: 'a', choices: [], usage: usage(1) };
    expect(pass(meterOf({ include_usage: true }), piece('x', { usage: usage(1) }), last)).toEqual([
      event(piece('x', { usage: null })),
      event(last),
    ]);
  });

  it('leaves continuous usage alone when the caller asked for it', () => {
    const first = piece('x', { usage: usage(1) });
    expect(pass(meterOf({ include_usage: true, continuous_usage_stats: true }), first)).toEqual([event(first)]);
  });

  it('passes what it does not understand as it came', () => {
    const meter = meterOf();
    expect(pass(meter, 'no json', { usage_of_another_kind: 1, unknown: { usage: 2 } })).toEqual([
      'data: no json\n\n',
      event({ usage_of_another_kind: 1, unknown: { usage: 2 } }),
    ]);
    expect(meter.measured).toMatchObject({ reported: null, pieces: 0, isWhole: false });
  });

  it('counts a token for each piece of text, so that an engine without usage can be billed', () => {
    const meter = meterOf();
    pass(meter, piece(''), piece('x'), { choices: [{ text: 'y' }] }, { choices: [{ delta: { reasoning_content: 'z' } }] });
    expect(meter.measured).toMatchObject({ reported: null, pieces: 3 });
  });

  it('sees the limit of tokens and an error inside the answer', () => {
    const capped = meterOf();
    pass(capped, end('length'));
    expect(capped.measured).toMatchObject({ isCapped: true, isWhole: true });
    const broken = meterOf();
    pass(broken, { error: { message: 'out of memory' } });
    expect(broken.measured).toMatchObject({ isBroken: true, isWhole: false });
  });

  it('reads usage and limit of an answer that does not stream', () => {
    const meter = meterOf();
    meter.takeWhole(utf8(JSON.stringify({ choices: [{ message: { content: 'x' }, finish_reason: 'length' }], usage: usage(9) })));
    expect(meter.measured).toMatchObject({ reported: { prompt_tokens: 5, completion_tokens: 9 }, isCapped: true, isWhole: true });
  });
});
