import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { ConfigError } from '../core/errors';
import type { LogLevel } from './log';
import { readFailure } from './system-error';

/** What every process's config has beside its own settings: spread it into the process's `z.strictObject`. */
export const processConfigShape = {
  stateFolder: z.string().min(1).describe('folder for keys, ledger, log and control socket; made when it is missing'),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('the least severe log level that is written'),
};

/** What processConfigShape gives. */
export interface ProcessConfig {
  readonly stateFolder: string;
  readonly logLevel: LogLevel;
}

/**
 * Reads a JSON config file once and returns it parsed, with defaults filled in, deeply frozen. The schema is a `z.strictObject`, so
 * that unknown keys are refused.
 *
 * @throws config_unreadable, config_not_json, config_invalid: one line that names file, key and what is allowed
 */
export function loadConfig<T>(schema: z.ZodType<T>, path: string): T {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ConfigError('config_unreadable', `${path} ${readFailure(cause)}`, { path }, { cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    // The parser's message can quote the file, and with it a secret that was pasted into it: it is not passed on.
    throw new ConfigError('config_not_json', `${path} is not JSON`, { path }, { cause });
  }
  return parseConfig(schema, value, path);
}

/** As loadConfig, for a value that did not come from a file; `source` names it in errors. @throws config_invalid */
export function parseConfig<T>(schema: z.ZodType<T>, value: unknown, source: string): T {
  if (!refusesUnknownKeys(schema)) throw new TypeError('a config schema is a z.strictObject');
  const result = schema.safeParse(value);
  if (result.success) return deepFreeze(result.data);
  const issue = result.error.issues[0];
  const text = issue === undefined ? 'is not valid' : describeIssue(schema, issue);
  throw new ConfigError('config_invalid', `${source}: ${text}`, { path: source });
}

function refusesUnknownKeys(schema: z.ZodType): boolean {
  return schema instanceof z.ZodObject && schema.def.catchall instanceof z.ZodNever;
}

function describeIssue(schema: z.ZodType, issue: z.core.$ZodIssue): string {
  const place = schemaAt(schema, issue.path);
  const key = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    const allowed = place instanceof z.ZodObject ? Object.keys(place.shape).join(', ') : 'none';
    return `unknown key "${[key, issue.keys[0]].filter(Boolean).join('.')}", allowed: ${allowed}`;
  }
  const wanted = place?.description === undefined ? '' : ` (${place.description})`;
  const message = issue.message.replace(/^Invalid (?:input|option): /, '').replace(/^([A-Z])/, (first) => first.toLowerCase());
  return `${key === '' ? 'the file' : `key "${key}"`}: ${message}${wanted}`;
}

/** The part of a schema that a path of keys leads to, through defaults, options and lists; undefined where it cannot be told. */
function schemaAt(schema: unknown, path: readonly PropertyKey[]): z.ZodType | undefined {
  const described = schema instanceof z.ZodType ? schema : undefined;
  const [key, ...rest] = path;
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodOptional || schema instanceof z.ZodReadonly) {
    return key === undefined && described?.description !== undefined ? described : schemaAt(schema.unwrap(), path);
  }
  if (key === undefined) return described;
  if (schema instanceof z.ZodObject) return schemaAt(schema.shape[String(key)], rest);
  if (schema instanceof z.ZodArray) return schemaAt(schema.element, rest);
  return undefined;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
    for (const part of Object.values(value)) deepFreeze(part);
    Object.freeze(value);
  }
  return value;
}
