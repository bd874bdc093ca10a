import { z } from 'zod';
import { fromUtf8, utf8 } from '../core/bytes';
import { CocoonError, MalformedError } from '../core/errors';
import { ERROR_STATUS, type ErrorCode } from './calls';

/** A call that was refused, as the unsealed answer says it. `data` goes out as `details`. */
export class CallError extends CocoonError {
  readonly status: number;

  constructor(
    override readonly code: ErrorCode,
    message: string,
    readonly details: Readonly<Record<string, string>> = {},
    readonly isRetryable = false,
  ) {
    super(code, message, details);
    this.status = ERROR_STATUS[code];
  }
}

/** Reads a JSON body by its schema. @throws MalformedError bad_json */
export function readJson<S extends z.ZodType>(schema: S, body: Uint8Array): z.output<S> {
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(body));
  } catch {
    // The parser's own message can quote the body: it is not kept.
    throw new MalformedError('bad_json', 'the body is not JSON');
  }
  let result: z.ZodSafeParseResult<z.output<S>>;
  try {
    result = schema.safeParse(value);
  } catch (cause) {
    throw new MalformedError('bad_json', 'the body has another form', {}, { cause });
  }
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new MalformedError('bad_json', `${issue?.path.join('.') || 'the body'}: ${issue?.message ?? 'has another form'}`);
}

/** A value as a JSON body, by its schema. */
export function writeJson<S extends z.ZodType>(schema: S, value: z.output<S>): Uint8Array {
  return utf8(JSON.stringify(z.encode(schema, value)));
}

/** The body of a refused call. */
export function errorJson(error: CallError): Uint8Array {
  const details = Object.keys(error.details).length === 0 ? {} : { details: error.details };
  return utf8(JSON.stringify({ error: { code: error.code, message: error.message, retryable: error.isRetryable, ...details } }));
}
