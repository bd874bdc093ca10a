import { runInNewContext } from 'node:vm';
import { CocoonError, codeOf, MalformedError, messageOf, PeerError } from './errors';

describe('an error', () => {
  it('carries code, message, data and cause, and is named for its class', () => {
    const cause = new Error('why');
    const error = new PeerError('gone', 'the peer is gone', { attempts: 3 }, { cause });
    expect(error).toMatchObject({ name: 'PeerError', code: 'gone', message: 'the peer is gone', data: { attempts: 3 }, cause });
    expect(error).toBeInstanceOf(CocoonError);
    expect(error).not.toBeInstanceOf(MalformedError);
  });

  it.each<[unknown, string, string]>([
    [new MalformedError('bad', 'it is bad'), 'bad', 'it is bad'],
    [Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }), 'ECONNREFUSED', 'refused'],
    [Object.assign(new Error('numbered'), { code: 7 }), 'unknown', 'numbered'],
    [new TypeError('a defect'), 'unknown', 'a defect'],
    [runInNewContext("Object.assign(new Error('elsewhere'), { code: 'EELSE' })"), 'EELSE', 'elsewhere'],
    ['a text', 'unknown', 'a text'],
    [null, 'unknown', 'null'],
    [undefined, 'unknown', 'undefined'],
  ])('of any kind has a code and a message: %s', (thrown, code, message) => {
    expect(codeOf(thrown)).toBe(code);
    expect(messageOf(thrown)).toBe(message);
  });
});
