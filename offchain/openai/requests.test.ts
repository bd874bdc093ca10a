import { fromUtf8, utf8 } from '../core/bytes';
import { MalformedError } from '../core/errors';
import { errorBody, forEngine, parseRequest, requestedTokens } from './requests';

const CHAT = '/v1/chat/completions';
const sent = (request: unknown, path: string, maxTokens: number): unknown =>
  JSON.parse(fromUtf8(forEngine(parseRequest(utf8(JSON.stringify(request))), path, maxTokens)));

describe('a request', () => {
  it.each<[string, string, RegExp]>([
    ['that is not JSON', '{"model":', /^the body is not JSON$/],
    ['that is empty', '', /^the body is not JSON$/],
    ['that is a list', '[]', /^the body: .*expected object/],
    ['without a model', '{}', /^model: .*expected string/],
    ['with an empty model', '{"model":""}', /^model: /],
    ['with a model of another type', '{"model":7}', /^model: .*expected string/],
    ['with a name that is too long', JSON.stringify({ model: 'm'.repeat(257) }), /^model: .*256/],
    ['with a negative cap', '{"model":"m","max_tokens":-1}', /^max_tokens: /],
    ['with a cap that is no whole number', '{"model":"m","max_completion_tokens":1.5}', /^max_completion_tokens: .*int/],
    ['with a stream that is no flag', '{"model":"m","stream":"yes"}', /^stream: .*boolean/],
    [
      'with stream options that are wrong',
      '{"model":"m","stream_options":{"include_usage":1}}',
      /^stream_options\.include_usage: .*boolean/,
    ],
    ['for several answers', '{"model":"m","n":2}', /^n: only one answer per request$/],
    ['for no answer', '{"model":"m","n":0}', /^n: only one answer per request$/],
    ['for the best of several', '{"model":"m","best_of":2}', /^best_of: only one answer per request$/],
    ['with several prompts', '{"model":"m","prompt":["a","b"]}', /^prompt: only one prompt per request$/],
    ['with several prompts in tokens', '{"model":"m","prompt":[[1,2],[3]]}', /^prompt: only one prompt per request$/],
  ])('%s is refused with a sentence (bad_request)', (_name, body, sentence) => {
    const attempt = () => parseRequest(utf8(body));
    expect(attempt).toThrow(MalformedError);
    expect(attempt).toThrow(expect.objectContaining({ code: 'bad_request', message: expect.stringMatching(sentence) }));
  });

  it('that cannot be read is not quoted in its error', () => {
    try {
      parseRequest(utf8('{"model":"m","messages":[secret]}'));
      throw new Error('it was read');
    } catch (error) {
      expect(error instanceof MalformedError ? `${error.message} ${error.cause}` : 'another error').toBe('the body is not JSON undefined');
    }
  });

  it.each<[string, unknown]>([
    ['one answer', { model: 'm', n: 1, best_of: null }],
    ['one prompt', { model: 'm', prompt: 'a' }],
    ['one prompt in a list', { model: 'm', prompt: ['a'] }],
    ['one prompt in tokens', { model: 'm', prompt: [1, 2, 3] }],
    ['nulls', { model: 'm', stream: null, stream_options: null, max_tokens: null, n: null }],
    ['several inputs to embed', { model: 'm', input: ['a', 'b'] }],
  ])('with %s is read', (_name, request) => {
    expect(parseRequest(utf8(JSON.stringify(request)))).toEqual(request);
  });

  it.each<[object, number | null]>([
    [{}, null],
    [{ max_tokens: 5 }, 5],
    [{ max_completion_tokens: 6 }, 6],
    [{ max_tokens: 5, max_completion_tokens: 6 }, 6],
    [{ max_tokens: 0 }, 0],
    [{ max_tokens: null, max_completion_tokens: null }, null],
  ])('%j asks for %s tokens', (fields, expected) => {
    expect(requestedTokens(parseRequest(utf8(JSON.stringify({ model: 'm', ...fields }))))).toBe(expected);
  });
});

describe('the engine gets', () => {
  it('every field that we do not know, as it came', () => {
    const request = { model: 'm', messages: [{ role: 'user', content: 'Hi\u2028' }], temperature: 0.1, tools: [{ deep: { er: [null] } }] };
    expect(sent(request, CHAT, 50)).toEqual({ ...request, max_tokens: 50, max_completion_tokens: 50 });
  });

  it('the cap under the names that its path knows, whatever the caller wrote', () => {
    expect(sent({ model: 'm', max_tokens: 9, max_completion_tokens: 99 }, CHAT, 7)).toEqual({
      model: 'm',
      max_tokens: 7,
      max_completion_tokens: 7,
    });
    expect(sent({ model: 'm', max_completion_tokens: 99 }, '/v1/completions', 7)).toEqual({ model: 'm', max_tokens: 7 });
  });

  it('the last of a field that is written twice, once', () => {
    const request = parseRequest(utf8('{"model":"m","max_tokens":1,"max_tokens":99999}'));
    expect(fromUtf8(forEngine(request, '/v1/completions', 7))).toBe('{"model":"m","max_tokens":7}');
  });

  it('usage accounting forced on in a stream, with the other options kept', () => {
    const request = { model: 'm', stream: true, stream_options: { include_usage: false, include_obfuscation: false } };
    expect(sent(request, CHAT, 5)).toMatchObject({
      stream: true,
      stream_options: { include_usage: true, continuous_usage_stats: true, include_obfuscation: false },
    });
    expect(sent({ model: 'm', stream: true, stream_options: null }, CHAT, 5)).toMatchObject({ stream_options: { include_usage: true } });
  });

  it('no stream options where there is no stream, since engines refuse them there', () => {
    expect(sent({ model: 'm', stream: false }, CHAT, 5)).toEqual({ model: 'm', stream: false, max_tokens: 5, max_completion_tokens: 5 });
  });

  it('a request for embeddings without a cap', () => {
    expect(sent({ model: 'm', input: 'a' }, '/v1/embeddings', 5)).toEqual({ model: 'm', input: 'a' });
  });

  it('nothing that is nested deeper than it can be written (bad_request)', () => {
    const depth = 1_000_000;
    const request = parseRequest(utf8(`{"model":"m","x":${'['.repeat(depth)}${']'.repeat(depth)}}`));
    for (const path of [CHAT, '/v1/embeddings']) {
      expect(() => forEngine(request, path, 5)).toThrow(expect.objectContaining({ name: 'MalformedError', code: 'bad_request' }));
    }
  });
});

describe('an error body', () => {
  it('has the form that OpenAI libraries read', () => {
    expect(JSON.parse(errorBody('no such model', 'model_not_found', 'invalid_request_error', { models: ['a'] }))).toEqual({
      error: { message: 'no such model', type: 'invalid_request_error', param: null, code: 'model_not_found', models: ['a'] },
    });
  });
});
