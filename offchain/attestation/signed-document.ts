import { z } from 'zod';
import { fromHex, fromUtf8 } from '../core/bytes';
import { MalformedError } from '../core/errors';
import { EvidenceError } from './errors';
import { malformedAt } from './malformed-field';
import { PART_STATUSES } from './tcb-status';

/** A JSON document of Intel's, as it was signed. */
export interface SignedDocument {
  /** The exact bytes that the signature covers; encoding the parsed value again would give others. */
  readonly json: Uint8Array;
  /** r and s, 32 bytes each. */
  readonly signature: Uint8Array;
  /** PEM: the TCB signing certificate, the root. */
  readonly issuerChain: Uint8Array;
}

/** Most bytes of a document; Intel's largest TCB info has some 20,000. */
export const MAX_DOCUMENT_SIZE = 256 * 1024;

/** Most levels, modules or advisories in a list; Intel's have at most some tens. */
export const MAX_LIST_LENGTH = 128;

/** Bytes of a document's hex, which is upper case in Intel's. */
export function hexField(size: number) {
  const digits = new RegExp(`^[0-9a-fA-F]{${2 * size}}$`);
  return z
    .string()
    .regex(digits)
    .transform((text) => fromHex(text.toLowerCase(), size));
}

/** A time in unix seconds. */
export const timeField = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  .transform((text, context) => {
    const ms = Date.parse(text);
    // Date.parse takes 24:00 and 30 February by moving on; the way back does not give the same text then.
    if (!Number.isNaN(ms) && new Date(ms).toISOString() === text.replace('Z', '.000Z')) return ms / 1000;
    context.issues.push({ code: 'custom', message: 'a time that does not exist', input: text });
    return z.NEVER;
  });

export const advisoriesField = z.array(z.string().regex(/^[A-Za-z0-9._-]{1,64}$/)).max(MAX_LIST_LENGTH);

/** What both documents begin with, behind their id and version. */
export const documentFields = {
  issueDate: timeField,
  nextUpdate: timeField,
  tcbEvaluationDataNumber: z.int().min(0).max(0xffff_ffff),
};

/** Levels of a part, the highest first: the first whose version is not above the part's counts. */
export const partLevels = z
  .array(
    z.strictObject({
      tcb: z.strictObject({ isvsvn: z.int().min(0).max(0xffff) }),
      tcbDate: timeField,
      tcbStatus: z.enum(PART_STATUSES),
      advisoryIDs: advisoriesField.default([]),
    }),
  )
  .max(MAX_LIST_LENGTH);

export type PartLevel = Readonly<z.output<typeof partLevels>[number]>;

/**
 * A document's value. Unknown versions, fields and statuses are refused.
 *
 * @throws EvidenceError bad_collateral
 */
export function parseDocument<T extends z.ZodType>(schema: T, json: Uint8Array, what: string): z.output<T> {
  if (json.length > MAX_DOCUMENT_SIZE) throw bad(`${what} of ${json.length} bytes, limit ${MAX_DOCUMENT_SIZE}`);
  const parsed = schema.safeParse(parseJson(json, what));
  if (parsed.success) return parsed.data;
  throw bad(`${what} is malformed${malformedAt(parsed.error)}`);
}

function parseJson(json: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(fromUtf8(json));
  } catch (cause) {
    if (cause instanceof MalformedError || cause instanceof SyntaxError) throw bad(`${what} is not JSON`);
    throw cause;
  }
}

function bad(message: string): EvidenceError {
  return new EvidenceError('bad_collateral', message);
}
