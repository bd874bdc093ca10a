import { anyObjectGrammar, schemaGrammar } from './json-grammar';
import { loadNativeAddon, type NativeAddon } from './native-addon';

let addon: NativeAddon;
beforeAll(async () => {
  addon = await loadNativeAddon(() => {});
});

/** Whether llama.cpp itself accepts the text under the grammar. */
const accepts = (gbnf: string, value: unknown) =>
  new addon.AddonGrammar(gbnf, { addonExports: addon }).isTextCompatible(typeof value === 'string' ? value : JSON.stringify(value));

interface Case {
  readonly name: string;
  readonly schema: unknown;
  readonly good: readonly unknown[];
  readonly bad: readonly unknown[];
}

const person = { type: 'object', properties: { name: { type: 'string' }, age: { type: 'integer' } }, required: ['name'] };

const CASES: readonly Case[] = [
  {
    name: 'required and optional properties',
    schema: person,
    good: [{ name: 'a' }, { name: 'a', age: 3 }],
    bad: [{}, { age: 3 }, { name: 1 }, { name: 'a', x: 1 }],
  },
  {
    name: 'optional properties before a required one',
    schema: { properties: { a: { type: 'null' }, b: { type: 'null' }, c: { type: 'null' } }, required: ['c'] },
    good: [{ c: null }, { a: null, c: null }, { b: null, c: null }, { a: null, b: null, c: null }],
    bad: [{}, { a: null }, '{,"c":null}', '{"c":null,}'],
  },
  {
    name: 'only optional properties',
    schema: { properties: { a: { const: 1 }, b: { const: 2 } } },
    good: [{}, { a: 1 }, { b: 2 }, { a: 1, b: 2 }],
    bad: [{ b: 2, a: 1 }, { c: 1 }],
  },
  { name: 'an empty object', schema: { type: 'object', properties: {} }, good: [{}], bad: [{ a: 1 }] },
  {
    name: 'enumerations',
    schema: { enum: ['a"b\\', 2, null, { x: [1] }] },
    good: [JSON.stringify('a"b\\'), 2, null, { x: [1] }],
    bad: ['"b"', 3],
  },
  {
    name: 'arrays',
    schema: { type: 'array', items: person, minItems: 1, maxItems: 2 },
    good: [[{ name: 'a' }], [{ name: 'a' }, { name: 'b' }]],
    bad: [[], [1], [{ name: 'a' }, { name: 'a' }, { name: 'a' }]],
  },
  {
    name: 'arrays of any length',
    schema: { type: 'array', items: { type: 'boolean' } },
    good: [[], [true], [true, false, true]],
    bad: [[1], 'true'],
  },
  { name: 'numbers', schema: { type: 'number' }, good: [0, -1, 1.5, 1e30, '-0.5e-7'], bad: ['01', '1.', '+1', '"1"'] },
  { name: 'integers', schema: { type: 'integer' }, good: [0, 10, -3], bad: [1.5, '1e3'] },
  {
    name: 'strings',
    schema: { type: 'string', maxLength: 3 },
    good: ['""', '"abc"', '"\\u00e9"', '"你好"'],
    bad: ['"abcd"', '"a', '"\n"', '"\\x"'],
  },
  { name: 'alternatives', schema: { anyOf: [{ type: 'null' }, person] }, good: [null, { name: 'a' }], bad: [1, {}] },
  { name: 'several types', schema: { type: ['string', 'null'] }, good: ['"a"', null], bad: [1] },
  {
    name: 'references, also to itself',
    schema: {
      $defs: { node: { properties: { next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] } }, required: ['next'] } },
      $ref: '#/$defs/node',
    },
    good: [{ next: null }, { next: { next: { next: null } } }],
    bad: [{ next: 1 }, {}],
  },
];

describe('schemaGrammar', () => {
  it.each(CASES)('takes what follows the schema and nothing else: $name', ({ schema, good, bad }) => {
    const gbnf = schemaGrammar(schema);
    expect(good.map((value) => [value, accepts(gbnf, value)])).toEqual(good.map((value) => [value, true]));
    expect(bad.map((value) => [value, accepts(gbnf, value)])).toEqual(bad.map((value) => [value, false]));
  });

  it.each([
    [{ type: 'string', pattern: 'x' }, /keyword "pattern" at root/],
    [{ properties: { a: { type: 'number', minimum: 1 } } }, /keyword "minimum" at root\.a/],
    [{ type: 'date' }, /type "date" at root/],
    [{ $ref: 'https://elsewhere.example/' }, /outside the schema/],
    [{ $ref: '#/$defs/absent' }, /leads nowhere/],
    [{ type: 7 }, /at root has another form/],
    ['x', /at root has another form/],
  ])('refuses %j (bad_schema)', (schema, message) => {
    expect(() => schemaGrammar(schema)).toThrow(expect.objectContaining({ code: 'bad_schema', message: expect.stringMatching(message) }));
  });

  it('refuses a schema that needs too many rules (bad_schema)', () => {
    const properties = Object.fromEntries(Array.from({ length: 2001 }, (_, i) => [`p${i}`, { type: 'null' }]));
    expect(() => schemaGrammar({ anyOf: Object.values(properties) })).toThrow(expect.objectContaining({ code: 'bad_schema' }));
  });
});

describe('anyObjectGrammar', () => {
  it('takes any JSON object', () => {
    const gbnf = anyObjectGrammar();
    expect(accepts(gbnf, { a: [1, 'x', null, { b: true }], c: {} })).toBe(true);
    expect(accepts(gbnf, [1])).toBe(false);
    expect(accepts(gbnf, '{"a"}')).toBe(false);
  });
});
