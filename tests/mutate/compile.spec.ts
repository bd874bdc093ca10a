import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import checkedIn from '../../wrappers/code.json';
import { Compiler } from './compile';
import { HOUSE, readSources } from './contract-sources';

describe('the compiler of mutants', () => {
  const compiler = new Compiler(readFileSync(join(HOUSE, 'tact.config.json'), 'utf8'));
  const sources = readSources();

  test('gives the very code of wrappers/code.json', async () => {
    expect(await compiler.compile(sources)).toEqual({ kind: 'compiled', code: checkedIn });
  });

  test('compiles only what a change reaches', async () => {
    const { ClientContract } = checkedIn;
    expect(await compiler.compile(sources, 'ClientContract.tact')).toEqual({ kind: 'compiled', code: { ClientContract } });
  });

  test('says what it refuses', async () => {
    const broken = new Map([...sources, ['ClientContract.tact', 'contract ClientContract() { receive() { nothing(); } }']]);
    expect(await compiler.compile(broken, 'ClientContract.tact')).toEqual({ kind: 'refused', message: expect.stringContaining('nothing') });
  });
});
