import { printable } from './printable';

describe('foreign text for people', () => {
  test('has nothing in it that a terminal would obey', () => {
    const all = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('');
    expect(printable(`${all}\u202e\u2028`, 1000)).toMatch(/^[\x20-\x7e]{258}$/);
    expect(printable('\u001b[2J', 10)).toBe('?[2J');
  });

  test('is left as it is up to its limit, and cut behind it', () => {
    expect(printable('abc', 3)).toBe('abc');
    expect(printable('abcd', 3)).toBe('abc...');
  });
});
