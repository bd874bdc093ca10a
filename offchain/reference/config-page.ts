import { z } from 'zod';
import { code, MADE_BY, page, table } from './markdown';

/** One config file: its schema, and a line about it. */
export interface ConfigSection {
  readonly title: string;
  readonly intro: string;
  readonly schema: z.ZodType;
}

/** A key of a config file, in words. */
export interface ConfigKey {
  /** With dots where it lies deeper; `[]` for each entry of a list. */
  readonly key: string;
  readonly type: string;
  /** As JSON; null for a key that must be there. */
  readonly default: string | null;
  readonly description: string;
}

const INTRO = `Every process reads one JSON file, named by \`--config FILE\`. Unknown keys are refused. Amounts of money are decimal strings of nanoTON
(1 TON is \`"1000000000"\`), addresses are raw (\`0:\` and 64 lower-case hex digits), paths are relative to the working directory. Keys and other secrets are files,
named by their path and readable by their owner alone.`;

/** docs/config.md. @throws RangeError for a kind of schema that this page cannot put into words, or a key without a description */
export function configPage(sections: readonly ConfigSection[]): string {
  return page(
    '# Config files',
    MADE_BY,
    INTRO,
    ...sections.flatMap(({ title, intro, schema }) => [
      `## ${title}`,
      intro,
      table(
        ['key', 'type', 'default', 'what it is'],
        configKeys(schema).map((key) => [code(key.key), key.type, key.default === null ? 'required' : key.default, key.description]),
      ),
    ]),
  );
}

/** The keys of an object schema, in its order, each followed by those inside it. @throws RangeError as configPage */
export function configKeys(schema: z.ZodType): readonly ConfigKey[] {
  if (!(schema instanceof z.ZodObject)) throw new RangeError('a config schema is an object');
  return fieldsOf(schema).flatMap(([name, field]) => keysOf(name, field));
}

function keysOf(key: string, field: z.ZodType): readonly ConfigKey[] {
  const { inner, fallback, isNullable, description } = unwrap(field);
  if (description === undefined) throw new RangeError(`config key ${key} has no description`);
  const own = { key, type: `${typeOf(inner)}${isNullable ? ' or null' : ''}`, default: fallback, description };
  return [own, ...inside(key, inner)];
}

/** What lies in a field that is an object, a list of objects, or one of several objects. */
function inside(key: string, inner: z.ZodType): readonly ConfigKey[] {
  if (inner instanceof z.ZodObject) return describedKeys(`${key}.`, inner);
  if (inner instanceof z.ZodArray) {
    const element = asType(inner.element);
    return element instanceof z.ZodObject ? describedKeys(`${key}[].`, element) : [];
  }
  if (inner instanceof z.ZodDiscriminatedUnion) {
    const { discriminator } = inner.def;
    return inner.options.flatMap((option) => {
      const object = asObject(option);
      const when = `with ${code(discriminator)} ${typeOf(asType(object.shape[discriminator]))}: `;
      return describedKeys(`${key}.`, object).map((found) => ({ ...found, description: `${when}${found.description}` }));
    });
  }
  return [];
}

/** The keys inside that explain themselves; the type of the object around them names the others. */
function describedKeys(prefix: string, object: z.ZodObject): readonly ConfigKey[] {
  return fieldsOf(object).flatMap(([name, field]) => (unwrap(field).description === undefined ? [] : keysOf(`${prefix}${name}`, field)));
}

interface Unwrapped {
  readonly inner: z.ZodType;
  readonly fallback: string | null;
  readonly isNullable: boolean;
  readonly description: string | undefined;
}

/** What is inside defaults, options and nulls; the outermost description counts. */
function unwrap(field: z.ZodType): Unwrapped {
  const { description } = field;
  if (field instanceof z.ZodDefault) {
    const below = unwrap(asType(field.unwrap()));
    return { ...below, fallback: asJson(field.def.defaultValue), description: description ?? below.description };
  }
  if (field instanceof z.ZodOptional) {
    const below = unwrap(asType(field.unwrap()));
    return { ...below, fallback: 'none', description: description ?? below.description };
  }
  if (field instanceof z.ZodNullable) {
    const below = unwrap(asType(field.unwrap()));
    return { ...below, isNullable: true, description: description ?? below.description };
  }
  return { inner: field, fallback: null, isNullable: false, description };
}

function asJson(value: unknown): string {
  return code(typeof value === 'bigint' ? `"${value}"` : JSON.stringify(value));
}

const PATTERN_WORDS: ReadonlyMap<string, string> = new Map([
  ['^0:[0-9a-f]{64}$', 'raw address'],
  ['^(?:0|[1-9][0-9]{0,19})$', 'decimal string'],
]);

function typeOf(inner: z.ZodType): string {
  if (inner instanceof z.ZodObject) return objectWords(inner);
  if (inner instanceof z.ZodArray) return `list of ${pluralOf(typeOf(unwrap(asType(inner.element)).inner))}`;
  if (inner instanceof z.ZodDiscriminatedUnion) {
    const { discriminator } = inner.def;
    const kinds = inner.options.map((option) => typeOf(asType(asObject(option).shape[discriminator])));
    return `object, ${code(discriminator)} ${kinds.join(' or ')}`;
  }
  return leafWords(z.toJSONSchema(inner, { io: 'input' }));
}

/** With the keys that are not listed by themselves: constants and choices with their values, the others by name. */
function objectWords(object: z.ZodObject): string {
  const silent = fieldsOf(object).filter(([, field]) => unwrap(field).description === undefined);
  const words = silent.map(([name, field]) => (isChoice(field) ? `${code(name)} ${typeOf(field)}` : code(name)));
  return words.length === 0 ? 'object' : `object, ${words.join(', ')}`;
}

function isChoice(field: z.ZodType): boolean {
  return field instanceof z.ZodLiteral || field instanceof z.ZodEnum;
}

function pluralOf(words: string): string {
  return words.replace(/^object/, 'objects').replace(/^raw address$/, 'raw addresses');
}

function leafWords(leaf: z.core.JSONSchema.BaseSchema): string {
  if (leaf.const !== undefined) return code(JSON.stringify(leaf.const));
  if (leaf.enum !== undefined) return leaf.enum.map((value) => code(JSON.stringify(value))).join(' or ');
  switch (leaf.type) {
    case 'boolean':
      return 'boolean';
    case 'integer':
      return `whole number${rangeWords(leaf)}`;
    case 'string':
      return stringWords(leaf);
    default:
      throw new RangeError(`no words for a schema of type ${leaf.type}`);
  }
}

/** Limits that only say that a number is one are left out. */
function rangeWords({ minimum, maximum }: z.core.JSONSchema.BaseSchema): string {
  const least = minimum === undefined || minimum <= -0x8000_0000 ? null : minimum;
  const most = maximum === undefined || maximum >= 0x7fff_ffff ? null : maximum;
  if (least !== null && most !== null) return `, ${least} to ${most}`;
  if (least !== null) return `, at least ${least}`;
  return most === null ? '' : `, at most ${most}`;
}

function stringWords({ pattern, format, contentEncoding }: z.core.JSONSchema.BaseSchema): string {
  if (format === 'uri') return 'URL';
  if (contentEncoding === 'base64' || format === 'base64') return 'base64';
  if (pattern === undefined) return 'text';
  return PATTERN_WORDS.get(pattern) ?? 'text';
}

function fieldsOf(object: z.ZodObject): readonly (readonly [string, z.ZodType])[] {
  return Object.entries(object.shape).map(([name, field]) => [name, asType(field)]);
}

function asObject(part: unknown): z.ZodObject {
  if (part instanceof z.ZodObject) return part;
  throw new RangeError('not an object schema');
}

/** zod gives the parts of a schema a wider type than the one that its functions take. */
function asType(part: unknown): z.ZodType {
  if (part instanceof z.ZodType) return part;
  throw new RangeError('not a zod schema');
}
