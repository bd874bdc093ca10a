import { z } from 'zod';
import { fromUtf8, utf8 } from '../core/bytes';
import type { CompletionRequest } from '../openai/requests';
import { DONE, encodeEvent, type ServerSentEvent } from '../openai/sse';
import { type ReportedUsage, usageSchema } from '../openai/usage';

const text = z.string().nullish().catch(null);

/** What the guest reads of an answer or of one event of it; whatever else is there passes through unread. */
const answerSchema = z.looseObject({
  choices: z
    .array(
      z.looseObject({
        finish_reason: text,
        text,
        delta: z.looseObject({ content: text, reasoning_content: text, tool_calls: z.array(z.unknown()).nullish() }).nullish(),
      }),
    )
    .nullish(),
  usage: usageSchema.nullish().catch(null),
  error: z.unknown().optional(),
});
const objectSchema = z.record(z.string(), z.unknown());
type AnswerPart = z.infer<typeof answerSchema>;

/** How an answer stands by what has passed. */
export interface Measured {
  /** The engine's newest count, null where it has given none. */
  readonly reported: ReportedUsage | null;
  /** Pieces of text that passed: at least one token each. */
  readonly pieces: number;
  /** The engine stopped at the limit of tokens. */
  readonly isCapped: boolean;
  /** The answer has its end. */
  readonly isWhole: boolean;
  /** The engine reported an error inside its answer. */
  readonly isBroken: boolean;
}

/**
 * Watches an answer pass: counts what was used, and takes out again the usage that was asked of the engine for the receipt's sake and
 * not by the caller.
 */
export class AnswerMeter {
  private reported: ReportedUsage | null = null;
  private pieces = 0;
  private isCapped = false;
  private isWhole = false;
  private isBroken = false;
  private readonly wantsLast: boolean;
  private readonly wantsEach: boolean;

  constructor(request: CompletionRequest) {
    this.wantsLast = request.stream_options?.include_usage === true;
    this.wantsEach = this.wantsLast && request.stream_options?.continuous_usage_stats === true;
  }

  get measured(): Measured {
    const { reported, pieces, isCapped, isWhole, isBroken } = this;
    return { reported, pieces, isCapped, isWhole, isBroken };
  }

  /** Reads a whole answer. It passes as it is. */
  takeWhole(body: Uint8Array): void {
    const json = parseObject(body);
    const part = json === null ? null : toPart(json);
    if (part === null) return;
    this.read(part);
    this.isWhole = true;
  }

  /** The bytes of an event as the caller gets it; null when it does not get it at all. */
  takeEvent(event: ServerSentEvent): Uint8Array | null {
    if (event.data === DONE) {
      this.isWhole = true;
      return event.bytes;
    }
    const json = parseObject(utf8(event.data));
    const part = json === null ? null : toPart(json);
    if (json === null || part === null) return event.bytes;
    this.read(part);
    if (this.wantsEach || part.usage === undefined) return event.bytes;
    const isUsageOnly = (part.choices ?? []).length === 0;
    if (isUsageOnly) return this.wantsLast ? event.bytes : null;
    const { usage: _, ...rest } = json;
    return encodeEvent(JSON.stringify(this.wantsLast ? { ...rest, usage: null } : rest));
  }

  private read(part: AnswerPart): void {
    if (part.usage) this.reported = part.usage;
    if (part.error !== undefined && part.error !== null) this.isBroken = true;
    for (const choice of part.choices ?? []) {
      if (choice.finish_reason) this.isWhole = true;
      if (choice.finish_reason === 'length') this.isCapped = true;
      if (choice.text || choice.delta?.content || choice.delta?.reasoning_content || choice.delta?.tool_calls?.length) this.pieces++;
    }
  }
}

function parseObject(bytes: Uint8Array): Readonly<Record<string, unknown>> | null {
  try {
    return objectSchema.safeParse(JSON.parse(fromUtf8(bytes))).data ?? null;
  } catch {
    return null;
  }
}

function toPart(json: Readonly<Record<string, unknown>>): AnswerPart | null {
  return answerSchema.safeParse(json).data ?? null;
}
