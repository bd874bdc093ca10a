import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { nano, rawAddress } from '../protocol/fields';
import { projectRoot } from '../runtime/project-root';
import { configKeys } from './config-page';
import { exitCodesPage } from './exit-codes-page';
import { referencePages } from './pages';

const read = (path: string) => readFileSync(join(projectRoot(), path), 'utf8');

describe('the reference pages', () => {
  for (const { path, text } of referencePages(read('wrappers/errors.ts'))) {
    it(`finds ${path} equal to what the code says (npm run docs makes it so)`, () => {
      expect(read(path)).toBe(text);
    });
  }

  it('refuses an exit code whose meaning nobody has written down', () => {
    const withoutOne = read('wrappers/errors.ts').replace(/\/\*\* The list is full\. \*\/\n/, '');
    expect(() => exitCodesPage(withoutOne)).toThrow(new RangeError('exit code full has no comment that says what it means'));
  });
});

describe('the keys of a config schema', () => {
  it('gives type, limits, default and description, required where there is no default', () => {
    const schema = z.strictObject({
      owner: rawAddress.describe('who is paid'),
      port: z.int().min(0).max(65_535).default(10_000).describe('where to listen'),
      depositNano: nano.default(5n).describe('what to begin with'),
      keyFile: z.string().min(1).nullable().default(null).describe('a secret'),
      level: z.enum(['info', 'warn']).default('info').describe('what is written'),
      limit: z.int().min(1).optional().describe('a limit'),
    });
    expect(configKeys(schema)).toEqual([
      { key: 'owner', type: 'raw address', default: null, description: 'who is paid' },
      { key: 'port', type: 'whole number, 0 to 65535', default: '`10000`', description: 'where to listen' },
      { key: 'depositNano', type: 'decimal string', default: '`"5"`', description: 'what to begin with' },
      { key: 'keyFile', type: 'text or null', default: '`null`', description: 'a secret' },
      { key: 'level', type: '`"info"` or `"warn"`', default: '`"info"`', description: 'what is written' },
      { key: 'limit', type: 'whole number, at least 1', default: 'none', description: 'a limit' },
    ]);
  });

  it('lists what lies inside objects, lists of objects and choices', () => {
    const schema = z.strictObject({
      chain: z.array(z.strictObject({ url: z.url().describe('an endpoint') })).describe('endpoints'),
      tls: z.strictObject({ keyFile: z.string(), certFile: z.string() }).describe('a certificate'),
      engine: z
        .discriminatedUnion('kind', [
          z.strictObject({ kind: z.literal('file'), path: z.string().describe('a model') }),
          z.strictObject({ kind: z.literal('none') }),
        ])
        .describe('what runs'),
    });
    expect(configKeys(schema)).toEqual([
      { key: 'chain', type: 'list of objects', default: null, description: 'endpoints' },
      { key: 'chain[].url', type: 'URL', default: null, description: 'an endpoint' },
      { key: 'tls', type: 'object, `keyFile`, `certFile`', default: null, description: 'a certificate' },
      { key: 'engine', type: 'object, `kind` `"file"` or `"none"`', default: null, description: 'what runs' },
      { key: 'engine.path', type: 'text', default: null, description: 'with `kind` `"file"`: a model' },
    ]);
  });

  it('refuses a key without a description', () => {
    expect(() => configKeys(z.strictObject({ port: z.int() }))).toThrow(new RangeError('config key port has no description'));
  });
});
