/** The ordinary HTTP request and response that lie inside the seal. */
import { z } from 'zod';
import { ByteReader, concat, fromUtf8, toBigEndian, utf8 } from '../core/bytes';
import { SealingError } from './errors';

const MAX_HEAD_SIZE = 16_384;

const headersSchema = z.record(z.string().max(64), z.string().max(4096));
const requestHeadSchema = z.strictObject({ method: z.enum(['GET', 'POST']), path: z.string().max(256), headers: headersSchema });
const responseHeadSchema = z.strictObject({ status: z.int().min(200).max(599), headers: headersSchema });

export type RequestHead = Readonly<z.infer<typeof requestHeadSchema>>;
export type ResponseHead = Readonly<z.infer<typeof responseHeadSchema>>;

/** headLength(2) head body. */
export function encodeRequestContent(head: RequestHead, body: Uint8Array): Uint8Array {
  return concat(encodeHead(head), body);
}

/** @throws SealingError bad_head; MalformedError truncated */
export function decodeRequestContent(content: Uint8Array): { readonly head: RequestHead; readonly body: Uint8Array } {
  const { json, rest } = splitHead(content);
  return { head: check(requestHeadSchema, json), body: rest };
}

/** headLength(2) head: what the content of a response starts with. */
export function encodeResponseHead(head: ResponseHead): Uint8Array {
  return encodeHead(head);
}

/** @throws SealingError bad_head; null while the head has not arrived whole. */
export function decodeResponseHead(content: Uint8Array): { readonly head: ResponseHead; readonly rest: Uint8Array } | null {
  if (content.length < 2) return null;
  if (content.length < 2 + headSize(new ByteReader(content, 'response head'))) return null;
  const { json, rest } = splitHead(content);
  return { head: check(responseHeadSchema, json), rest };
}

function encodeHead(head: RequestHead | ResponseHead): Uint8Array {
  const json = utf8(JSON.stringify(head));
  if (json.length > MAX_HEAD_SIZE) throw new SealingError('bad_head', `head of ${json.length} bytes, limit ${MAX_HEAD_SIZE}`);
  return concat(toBigEndian(json.length, 2), json);
}

function splitHead(content: Uint8Array): { readonly json: Uint8Array; readonly rest: Uint8Array } {
  const reader = new ByteReader(content, 'sealed content');
  const json = reader.take(headSize(reader));
  return { json, rest: reader.rest() };
}

function headSize(reader: ByteReader): number {
  const size = reader.uint(2);
  if (size > MAX_HEAD_SIZE) throw new SealingError('bad_head', `head of ${size} bytes, limit ${MAX_HEAD_SIZE}`);
  return size;
}

function check<T>(schema: z.ZodType<T>, json: Uint8Array): T {
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(json));
  } catch {
    // The parser's message quotes what was sealed: it is not passed on.
    throw new SealingError('bad_head', 'head is not JSON');
  }
  const result = schema.safeParse(value);
  if (!result.success) throw new SealingError('bad_head', 'head has another form');
  return result.data;
}
