import { z } from 'zod';
import { EngineError } from '../engine';

/**
 * JSON Schema to GBNF, the grammar that llama.cpp samples by: what structured outputs use of JSON Schema. What would change which answers are valid and
 * is not understood is refused, never ignored. Source: JSON Schema 2020-12; llama.cpp, grammars/README.md.
 */
const schemaSchema = z.looseObject({
  type: z.union([z.string(), z.array(z.string())]).optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).optional(),
  items: z.unknown().optional(),
  minItems: z.int().min(0).optional(),
  maxItems: z.int().min(0).optional(),
  minLength: z.int().min(0).optional(),
  maxLength: z.int().min(0).optional(),
  enum: z.array(z.unknown()).optional(),
  const: z.unknown().optional(),
  anyOf: z.array(z.unknown()).optional(),
  oneOf: z.array(z.unknown()).optional(),
  $ref: z.string().optional(),
});
type Schema = z.infer<typeof schemaSchema>;

/** Keywords that are read, or that say nothing about validity that sampling could break. */
const UNDERSTOOD = new Set(
  (
    'type properties required items minItems maxItems minLength maxLength enum const anyOf oneOf $ref $defs definitions additionalProperties ' +
    'title description default examples format $schema $id $comment deprecated readOnly writeOnly nullable'
  ).split(' '),
);

const BASE_RULES: Readonly<Record<string, string>> = {
  ws: '" "?',
  char: '[^"\\\\\\x7F\\x00-\\x1F] | "\\\\" (["\\\\/bfnrt] | "u" [0-9a-fA-F]{4})',
  string: '"\\"" char* "\\""',
  integer: '"-"? ("0" | [1-9] [0-9]{0,15})',
  number: 'integer ("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,3})?',
  boolean: '"true" | "false"',
  null: '"null"',
  value: 'object | array | string | number | boolean | null',
  object: '"{" ws (string ws ":" ws value ws ("," ws string ws ":" ws value ws)*)? "}"',
  array: '"[" ws (value ws ("," ws value ws)*)? "]"',
};

/** Most rules that one schema may need; deeper ones are refused before they cost memory. */
const MAX_RULES = 2000;

/** The grammar of any JSON object. */
export function anyObjectGrammar(): string {
  return render({ root: 'object' });
}

/** The grammar of a schema. @throws EngineError bad_schema with a sentence for the caller */
export function schemaGrammar(schema: unknown): string {
  const builder = new GrammarBuilder(schema);
  const root = builder.rule(schema, 'root');
  return render({ root, ...builder.rules });
}

function render(rules: Readonly<Record<string, string>>): string {
  return Object.entries({ ...rules, ...BASE_RULES })
    .map(([name, body]) => `${name} ::= ${body}\n`)
    .join('');
}

class GrammarBuilder {
  readonly rules: Record<string, string> = {};
  private readonly references = new Map<string, string>();
  private count = 0;

  constructor(private readonly document: unknown) {}

  /** The body of the rule for one schema. */
  rule(schema: unknown, where: string): string {
    if (schema === true || schema === undefined) return 'value';
    const parsed = schemaSchema.safeParse(schema);
    if (!parsed.success) throw new EngineError('bad_schema', `json schema at ${where} has another form`);
    const unknown = Object.keys(parsed.data).find((keyword) => !UNDERSTOOD.has(keyword));
    if (unknown !== undefined)
      throw new EngineError('bad_schema', `json schema keyword ${JSON.stringify(unknown)} at ${where} is not supported`);
    return this.body(parsed.data, where);
  }

  private body(schema: Schema, where: string): string {
    if (schema.$ref !== undefined) return this.reference(schema.$ref);
    if ('const' in schema) return literal(schema.const);
    if (schema.enum !== undefined) return schema.enum.map(literal).join(' | ');
    const choices = schema.anyOf ?? schema.oneOf;
    if (choices !== undefined) return choices.map((choice, i) => this.named(choice, `${where}.${i}`)).join(' | ');
    if (Array.isArray(schema.type)) return schema.type.map((type) => this.named({ ...schema, type }, `${where}.${type}`)).join(' | ');
    switch (schema.type ?? (schema.properties === undefined ? undefined : 'object')) {
      case 'object':
        return schema.properties === undefined ? 'object' : this.object(schema.properties, schema.required ?? [], where);
      case 'array':
        return this.array(schema, where);
      case 'string':
        return schema.minLength === undefined && schema.maxLength === undefined
          ? 'string'
          : `"\\"" char{${schema.minLength ?? 0},${schema.maxLength ?? ''}} "\\""`;
      case 'integer':
      case 'number':
      case 'boolean':
      case 'null':
        return `${schema.type}`;
      case undefined:
        return 'value';
      default:
        throw new EngineError('bad_schema', `json schema type ${JSON.stringify(schema.type)} at ${where} is not supported`);
    }
  }

  /** Properties in the order of the schema; those not required may be left out. */
  private object(properties: Readonly<Record<string, unknown>>, required: readonly string[], where: string): string {
    const members = Object.entries(properties).map(([key, schema]) => ({
      isRequired: required.includes(key),
      text: `${literal(key)} ws ":" ws ${this.named(schema, `${where}.${key}`)} ws`,
    }));
    /** Members from `from` on, each with its comma unless it is the first in the object. */
    const tail = (from: number): string => {
      const member = members[from];
      if (member === undefined) return '';
      const withComma = `"," ws ${member.text}`;
      return `${member.isRequired ? withComma : `(${withComma})?`} ${tail(from + 1)}`;
    };
    /** Whichever member comes first carries no comma: one alternative per possible first member. */
    const firstRequired = members.findIndex(({ isRequired }) => isRequired);
    const candidates = members.slice(0, firstRequired < 0 ? members.length : firstRequired + 1);
    const alternatives = candidates.map(({ text }, i) => `${text} ${tail(i + 1)}`);
    if (alternatives.length === 0) return '"{" ws "}"';
    return `"{" ws (${alternatives.join(' | ')})${firstRequired < 0 ? '?' : ''} "}"`;
  }

  private array(schema: Schema, where: string): string {
    const item = this.named(schema.items, `${where}[]`);
    const least = schema.minItems ?? 0;
    const most = schema.maxItems;
    if (most === 0) return '"[" ws "]"';
    const more = `("," ws ${item} ws){${Math.max(0, least - 1)},${most === undefined ? '' : most - 1}}`;
    return least === 0 ? `"[" ws (${item} ws ${more})? "]"` : `"[" ws ${item} ws ${more} "]"`;
  }

  /** A rule of its own, so that alternatives inside it stay inside. */
  private named(schema: unknown, where: string): string {
    if (++this.count > MAX_RULES) throw new EngineError('bad_schema', `json schema needs more than ${MAX_RULES} rules`);
    const name = `r${this.count}`;
    this.rules[name] = this.rule(schema, where);
    return name;
  }

  /** References inside the document; a reference to itself becomes a recursive rule. */
  private reference(pointer: string): string {
    const known = this.references.get(pointer);
    if (known !== undefined) return known;
    const target = resolvePointer(this.document, pointer);
    const name = `ref${this.references.size}`;
    this.references.set(pointer, name);
    this.rules[name] = this.rule(target, pointer);
    return name;
  }
}

/** Source: RFC 6901, in its URI fragment form. */
function resolvePointer(document: unknown, pointer: string): unknown {
  if (!pointer.startsWith('#')) throw new EngineError('bad_schema', 'json schema references outside the schema are not supported');
  const steps = pointer.slice(1).split('/').slice(1);
  let target: unknown = document;
  for (const step of steps) {
    const key = decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
    const record = z.record(z.string(), z.unknown()).safeParse(target);
    target = record.success ? record.data[key] : undefined;
  }
  if (target === undefined) throw new EngineError('bad_schema', `json schema reference ${JSON.stringify(pointer)} leads nowhere`);
  return target;
}

/** A GBNF string for exactly this JSON value. */
function literal(value: unknown): string {
  const escaped = JSON.stringify(value).replaceAll('\\', '\\\\').replaceAll('"', '\\"');
  return `"${escaped}"`;
}
