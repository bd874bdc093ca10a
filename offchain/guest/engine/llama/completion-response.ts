import { randomUUID } from 'node:crypto';
import type { ParsedCompletion } from './completion-request';

/** Tokens of one request so far. */
export interface Usage {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly answerTokens: number;
}

export type FinishReason = 'stop' | 'length';

/** Writes the bodies of one answer, in the form of OpenAI. */
export class CompletionResponse {
  private readonly isChat: boolean;
  private readonly head: Readonly<Record<string, unknown>>;

  /** @param createdSec unix seconds */
  constructor(kind: ParsedCompletion['kind'], model: string, createdSec: number) {
    this.isChat = kind === 'chat';
    this.head = { id: `${this.isChat ? 'chatcmpl' : 'cmpl'}-${randomUUID()}`, created: createdSec, model };
  }

  /** The whole answer. */
  whole(text: string, reason: FinishReason, usage: Usage): unknown {
    const content = this.isChat ? { message: { role: 'assistant', content: text, refusal: null } } : { text };
    return {
      ...this.head,
      object: this.isChat ? 'chat.completion' : 'text_completion',
      choices: [{ index: 0, ...content, logprobs: null, finish_reason: reason }],
      usage: usageBody(usage),
    };
  }

  /** The first event of a stream; completions have none. */
  opening(usage: Usage | null): unknown {
    return this.isChat ? this.chunk({ delta: { role: 'assistant', content: '' } }, null, usage) : null;
  }

  delta(text: string, usage: Usage | null): unknown {
    return this.chunk(this.isChat ? { delta: { content: text } } : { text }, null, usage);
  }

  closing(reason: FinishReason, usage: Usage | null): unknown {
    return this.chunk(this.isChat ? { delta: {} } : { text: '' }, reason, usage);
  }

  /** The event after the last, when the caller asked for usage. */
  usage(usage: Usage): unknown {
    return { ...this.head, object: this.object(), choices: [], usage: usageBody(usage) };
  }

  private chunk(content: Readonly<Record<string, unknown>>, reason: FinishReason | null, usage: Usage | null): unknown {
    return {
      ...this.head,
      object: this.object(),
      choices: [{ index: 0, ...content, logprobs: null, finish_reason: reason }],
      ...(usage === null ? {} : { usage: usageBody(usage) }),
    };
  }

  private object(): string {
    return this.isChat ? 'chat.completion.chunk' : 'text_completion';
  }
}

function usageBody({ promptTokens, cachedTokens, answerTokens }: Usage): unknown {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: answerTokens,
    total_tokens: promptTokens + answerTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}
