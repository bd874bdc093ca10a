import { messageOf } from '../../../core/errors';
import { EngineError } from '../engine';
import { Generation, type GenerationRequest } from './generation';
import type { LoadedModel } from './model';
import type { NativeAddon, NativeContext, NativeGrammarState, NativeSampler } from './native-addon';

export interface SchedulerOptions {
  /** Tokens of prompt and answer together, per request. */
  readonly contextLength: number;
  /** Requests that run at once; more wait in line. */
  readonly slots: number;
  readonly threads: number;
  /** Most tokens decoded in one step. */
  readonly batchSize: number;
}

/** A place in the attention cache, and the tokens that it holds. */
interface Slot {
  readonly sequence: number;
  tokens: number[];
  salt: string;
  lastUse: number;
}

/** A generation that has a slot. */
interface Job {
  readonly generation: Generation;
  readonly slot: Slot;
  readonly sampler: NativeSampler;
  readonly grammar: NativeGrammarState | null;
  /** Tokens that still have to go through the model: the rest of the prompt, then the newest token. */
  pending: Uint32Array;
  readonly answer: number[];
}

/** Counts since the start. */
export interface SchedulerCounts {
  readonly running: number;
  readonly waiting: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly answerTokens: number;
}

/** Runs many generations through one context, one decoding step for all of them at a time. */
export class Scheduler {
  private readonly slots: readonly Slot[];
  private readonly waiting: Generation[] = [];
  private jobs: Job[] = [];
  private isRunning = false;
  private loop: Promise<void> = Promise.resolve();
  private uses = 0;
  private readonly totals = { promptTokens: 0, cachedTokens: 0, answerTokens: 0 };

  private constructor(
    private readonly addon: NativeAddon,
    private readonly model: LoadedModel,
    private readonly context: NativeContext,
    readonly options: SchedulerOptions,
  ) {
    this.slots = Array.from({ length: options.slots }, (_, sequence) => ({ sequence, tokens: [], salt: '', lastUse: 0 }));
  }

  /** @throws EngineError context_not_created */
  static async create(addon: NativeAddon, model: LoadedModel, options: SchedulerOptions): Promise<Scheduler> {
    const context = new addon.AddonContext(model.native, {
      contextSize: options.contextLength * options.slots,
      batchSize: options.batchSize,
      sequences: options.slots,
      threads: options.threads,
      flashAttention: 'auto',
      swaFullCache: true,
    });
    if (!(await context.init())) {
      throw new EngineError('context_not_created', `no memory for ${options.slots} requests of ${options.contextLength} tokens`);
    }
    return new Scheduler(addon, model, context, options);
  }

  /** Puts a generation in line. The prompt must leave room for at least one token. */
  submit(request: GenerationRequest): Generation {
    const generation = new Generation(request);
    this.waiting.push(generation);
    if (!this.isRunning) this.loop = this.run();
    return generation;
  }

  counts(): SchedulerCounts {
    return { running: this.jobs.length, waiting: this.waiting.length, ...this.totals };
  }

  /** Resolves when nothing runs and nothing waits. */
  async idle(): Promise<void> {
    while (this.isRunning) await this.loop;
  }

  private async run(): Promise<void> {
    this.isRunning = true;
    for (;;) {
      this.dropAborted();
      this.admit();
      if (this.jobs.length === 0) break;
      try {
        await this.step();
      } catch (error) {
        this.failAll(new EngineError('decode_failed', `llama.cpp failed in a decoding step: ${messageOf(error)}`));
      }
    }
    this.isRunning = false;
  }

  private dropAborted(): void {
    const aborted = () => new EngineError('engine_aborted', 'the caller went away');
    for (const job of this.jobs.filter(({ generation }) => generation.request.signal.aborted)) {
      job.generation.fail(aborted());
      this.leave(job);
    }
    for (const generation of this.waiting.filter(({ request }) => request.signal.aborted)) {
      generation.fail(aborted());
      this.waiting.splice(this.waiting.indexOf(generation), 1);
    }
  }

  /** Gives free slots to those who wait, in order. */
  private admit(): void {
    while (this.waiting.length > 0) {
      const taken = new Set(this.jobs.map(({ slot }) => slot));
      const free = this.slots.filter((slot) => !taken.has(slot));
      if (free.length === 0) return;
      const generation = this.waiting.shift();
      if (generation === undefined) return;
      try {
        this.jobs.push(this.begin(generation, free));
      } catch (cause) {
        generation.fail(new EngineError('bad_grammar', 'llama.cpp refuses the grammar of this request', {}, { cause }));
      }
    }
  }

  private begin(generation: Generation, free: readonly Slot[]): Job {
    const { prompt, cacheSalt, grammar } = generation.request;
    const sampler = new this.addon.AddonSampler(this.model.native);
    const grammarState =
      grammar === null
        ? null
        : new this.addon.AddonGrammarEvaluationState(this.model.native, new this.addon.AddonGrammar(grammar, { addonExports: this.addon }));
    const slot = bestSlot(free, prompt, cacheSalt);
    /** The last token always runs: its logits choose the first token of the answer. */
    const cached = this.keep(slot, Math.min(sharedPrefix(slot, prompt, cacheSalt), prompt.length - 1));
    slot.salt = cacheSalt;
    slot.lastUse = ++this.uses;
    this.totals.promptTokens += prompt.length;
    this.totals.cachedTokens += cached;
    generation.push({ tag: 'started', cachedTokens: cached });
    return { generation, slot, sampler, grammar: grammarState, pending: prompt.subarray(cached), answer: [] };
  }

  /** Forgets what a slot holds behind its first `length` tokens; answers how many it could keep. */
  private keep(slot: Slot, length: number): number {
    if (slot.tokens.length === length) return length;
    const kept = length > 0 && this.context.removeTokenCellsFromSequence(slot.sequence, length, -1) ? length : 0;
    if (kept === 0) this.context.disposeSequence(slot.sequence);
    slot.tokens = slot.tokens.slice(0, kept);
    return kept;
  }

  /** One pass through the model: the next token of every answer, and as much of new prompts as fits. */
  private async step(): Promise<void> {
    const parts = this.planBatch();
    this.context.initBatch(parts.reduce((size, { tokens }) => size + tokens.length, 0));
    const places = parts.map(({ job, tokens, isLast }) => {
      const wanted = isLast ? Uint32Array.of(tokens.length - 1) : new Uint32Array(0);
      return this.context.addToBatch(job.slot.sequence, job.slot.tokens.length, tokens, wanted)[0];
    });
    await this.context.decodeBatch();
    for (const { job, tokens } of parts) {
      job.slot.tokens.push(...tokens);
      job.pending = job.pending.subarray(tokens.length);
    }
    /** One after the other: samplers that run at the same time get each other's numbers. */
    const sampled: ({ readonly job: Job; readonly token: number } | null)[] = [];
    for (const [i, { job }] of parts.entries()) {
      const place = places[i];
      sampled.push(place === undefined ? null : { job, token: await this.sample(job, place) });
    }
    for (const next of sampled) if (next !== null) this.accept(next.job, next.token);
  }

  private planBatch(): { readonly job: Job; readonly tokens: Uint32Array; readonly isLast: boolean }[] {
    let room = this.options.batchSize;
    const parts: { job: Job; tokens: Uint32Array; isLast: boolean }[] = [];
    for (const job of [...this.jobs].sort((a, b) => a.pending.length - b.pending.length)) {
      if (room === 0) break;
      const tokens = job.pending.subarray(0, room);
      parts.push({ job, tokens, isLast: tokens.length === job.pending.length });
      room -= tokens.length;
    }
    return parts;
  }

  private async sample(job: Job, place: number): Promise<number> {
    const { sampling } = job.generation.request;
    job.sampler.applyConfig({
      ...sampling,
      ...(sampling.repeatPenaltyMaxTokens === undefined ? {} : { repeatPenaltyTokens: Uint32Array.from(job.answer) }),
      ...(job.grammar === null ? {} : { grammarEvaluationState: job.grammar }),
    });
    return this.context.sampleToken(place, job.sampler);
  }

  private accept(job: Job, token: number): void {
    const { generation, slot, answer } = job;
    if (token < 0) {
      generation.fail(new EngineError('decode_failed', 'the grammar of this request leaves no token to choose'));
      this.leave(job);
      return;
    }
    const isEnd = this.model.native.isEogToken(token);
    if (!isEnd) {
      answer.push(token);
      this.totals.answerTokens++;
      generation.push({ tag: 'token', token });
      job.pending = Uint32Array.of(token);
    }
    const isFull = answer.length >= generation.request.maxTokens || slot.tokens.length >= this.options.contextLength;
    if (isEnd || isFull) {
      generation.push({ tag: 'finished', reason: isEnd ? 'stop' : 'length' });
      this.leave(job);
    }
  }

  private leave(job: Job): void {
    job.sampler.dispose();
    this.jobs = this.jobs.filter((other) => other !== job);
  }

  /** After a failed step nobody knows what the cache holds. */
  private failAll(error: EngineError): void {
    for (const job of this.jobs) {
      job.generation.fail(error);
      this.context.disposeSequence(job.slot.sequence);
      job.slot.tokens = [];
      this.leave(job);
    }
  }
}

/** The free slot that already holds most of the prompt; of equals the one used longest ago. */
function bestSlot(free: readonly Slot[], prompt: Uint32Array, salt: string): Slot {
  const [best] = [...free].sort((a, b) => sharedPrefix(b, prompt, salt) - sharedPrefix(a, prompt, salt) || a.lastUse - b.lastUse);
  if (best === undefined) throw new EngineError('no_free_slot', 'no slot is free');
  return best;
}

function sharedPrefix(slot: Slot, prompt: Uint32Array, salt: string): number {
  if (slot.salt !== salt) return 0;
  const differs = slot.tokens.findIndex((token, i) => token !== prompt[i]);
  return differs < 0 ? Math.min(slot.tokens.length, prompt.length) : differs;
}
