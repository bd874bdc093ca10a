import type { Tokenizer } from './tokenizer';

/**
 * The chat template of the demonstration model, in Jinja. It keeps the last question and leaves the rest of the conversation out:
 * a model of this size answers one question at a time, and history would only confuse it.
 */
export const CHAT_TEMPLATE =
  "{% set ns = namespace(question='') %}{% for message in messages %}{% if message['role'] == 'user' %}{% set ns.question = message['content'] %}{% endif %}{% endfor %}" +
  "{{ '<|im_start|>user\\n' + ns.question + '<|im_end|>\\n' }}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/** What CHAT_TEMPLATE renders for one question, as tokens. */
export function promptTokens(tokenizer: Tokenizer, question: string): number[] {
  const start = tokenizer.special('<|im_start|>');
  const end = tokenizer.special('<|im_end|>');
  return [start, ...tokenizer.encode(`user\n${question}`), end, ...tokenizer.encode('\n'), start, ...tokenizer.encode('assistant\n')];
}
