import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT_CODE, exitCodeName } from '../wrappers/errors';
import { constantsOf, sourceOf, withoutPrefix } from './sources';

describe('exit codes', () => {
  test('are the same in contracts/errors.tact and wrappers/errors.ts', () => {
    const inTact = Object.fromEntries([...constantsOf('errors.tact')].map(([name, code]) => [withoutPrefix(name, 'Error'), code]));
    expect(inTact).toEqual(EXIT_CODE);
  });

  test('are each given to one error', () => {
    const codes = Object.values(EXIT_CODE);
    expect(new Set(codes).size).toBe(codes.length);
  });

  test('have names, and only those', () => {
    for (const [name, code] of Object.entries(EXIT_CODE)) expect(exitCodeName(code)).toBe(name);
    expect(exitCodeName(999)).toBeUndefined();
  });

  test('are thrown somewhere: no contract carries an error that it cannot give', () => {
    const files = readdirSync(join(__dirname, '..', 'contracts')).filter((file) => file.endsWith('.tact'));
    const text = files.map(sourceOf).join('\n').replace(/\s+/g, ' ');
    // The virtual machine gives these by itself.
    const own = ['ErrorOutOfRange', 'ErrorTooLarge', 'ErrorMalformed', 'ErrorBadDictionary'];
    const ours = [...constantsOf('errors.tact').keys()].filter((name) => !own.includes(name));
    for (const name of ours) expect([name, text.includes(`throwUnless(${name},`)]).toEqual([name, true]);
  });
});
