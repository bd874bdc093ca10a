import { StatementError } from '../../wrappers/statements';
import { CocoonError, MalformedError } from '../core/errors';
import { CallError } from '../protocol/json';
import { SealingError } from '../sealing/errors';
import { readAll } from './exchange';
import { errorAnswer, noContent, okJson, routes } from './routes';

const incoming = (method: string, path: string) => ({
  method,
  path,
  headers: {},
  body: new Uint8Array(0),
  signal: new AbortController().signal,
});
const handler = routes(
  [
    { method: 'GET', path: '/v1/list', handle: async () => okJson(Buffer.from('"list"')) },
    {
      method: 'GET',
      path: '/v1/things/:name',
      handle: async (_call, name, query) => okJson(Buffer.from(JSON.stringify([name, query.get('after')]))),
    },
    { method: 'POST', path: '/v1/things/:name', handle: async () => noContent() },
  ],
  { 'x-own': 'yes' },
);
async function ask(method: string, path: string): Promise<[number, unknown]> {
  const answer = await handler(incoming(method, path));
  expect(answer.headers['x-own']).toBe('yes');
  const body = Buffer.from(await readAll(answer.body, 1000)).toString();
  return [answer.status, body === '' ? null : JSON.parse(body)];
}

describe('routes', () => {
  it.each<[string, string, number, unknown]>([
    ['GET', '/v1/list', 200, 'list'],
    ['GET', '/v1/list?x=1', 200, 'list'],
    ['GET', '/v1/things/a', 200, ['a', null]],
    ['GET', '/v1/things/a?after=7', 200, ['a', '7']],
    ['POST', '/v1/things/a', 204, null],
  ])('find %s %s', async (method, path, status, body) => {
    expect(await ask(method, path)).toEqual([status, body]);
  });

  it.each([
    ['POST', '/v1/list'],
    ['GET', '/v1/things/'],
    ['GET', '/v1/things/a/b'],
    ['GET', '/v1/things'],
    ['GET', '/'],
    ['GET', '//'],
    ['GET', '//v1/list'],
    ['GET', '*'],
    ['GET', ':99999999/v1/list'],
    ['GET', 'http://elsewhere/v1/list'],
    ['DELETE', '/v1/list'],
  ])('find nothing for %s %s (not_found)', async (method, path) => {
    expect(await ask(method, path)).toMatchObject([404, { error: { code: 'not_found' } }]);
  });
});

describe('the answer for an error', () => {
  it.each<[unknown, number, string]>([
    [new CallError('worker_failed', 'it is gone', {}, true), 502, 'worker_failed'],
    [new MalformedError('bad_hex', 'not hex'), 400, 'bad_request'],
    [new StatementError('bad_tag', 'another tag'), 400, 'bad_request'],
    [new SealingError('bad_suite', 'another suite'), 400, 'bad_request'],
  ])('says what the caller did: %s', (error, status, code) => {
    return readAll(errorAnswer(error).body, 1000).then((body) => {
      expect(errorAnswer(error).status).toBe(status);
      expect(JSON.parse(Buffer.from(body).toString())).toMatchObject({ error: { code } });
    });
  });

  it.each([new CocoonError('ledger_corrupt', 'ours'), new TypeError('a defect'), 'a text'])(
    'is none for what is not about the call: %s',
    (error) => {
      expect(() => errorAnswer(error)).toThrow();
    },
  );
});
