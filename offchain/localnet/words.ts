/** What `npm run dev` says to people. */
import { cost } from '../../wrappers/statements';
import { formatTon, parseNano } from '../core/money';
import { prices } from '../protocol/fields';
import type { Details } from '../runtime/parent-link';
import type { LocalNetwork } from './local-network';
import { WORKER_PRICES } from './settings';

const workerPrices = prices.parse(WORKER_PRICES);

/** What to type next. */
export function nextSteps(network: LocalNetwork): string[] {
  const { gatewayUrl, modelName } = network;
  const body = JSON.stringify({ model: modelName, messages: [{ role: 'user', content: 'What is Cocoon?' }] });
  return [
    '',
    `Ready. Model: ${modelName}. Ask it:`,
    '',
    `  curl ${gatewayUrl}/chat/completions -H 'content-type: application/json' -d '${body}'`,
    '',
    "  import OpenAI from 'openai';",
    `  const openai = new OpenAI({ baseURL: '${gatewayUrl}', apiKey: 'unused' });`,
    `  const answer = await openai.chat.completions.create({ model: '${modelName}', messages: [{ role: 'user', content: 'What is Cocoon?' }] });`,
    '  console.log(answer.choices[0].message.content);',
    '',
    'Ctrl-C ends everything; a second start goes on where this one ended, --reset begins anew.',
    '',
  ];
}

/** One line after each answer: what it cost, and who earned what. */
export function answerLine(details: Details): string {
  const count = (name: string) => Number(details[name] ?? 0);
  const usage = {
    uncachedPrompt: count('uncachedPrompt'),
    cachedPrompt: count('cachedPrompt'),
    answer: count('answer'),
    reasoning: count('reasoning'),
  };
  const price = parseNano(String(details.costNano ?? '0'));
  const worker = cost(usage, workerPrices, price);
  const tokens = `${usage.uncachedPrompt + usage.cachedPrompt} + ${usage.answer + usage.reasoning} tokens`;
  const marks = [details.simulated === true ? 'SIMULATED' : '', details.modelProven === false ? 'MODEL NOT PROVEN' : ''].filter(
    (mark) => mark !== '',
  );
  return `  answer     ${tokens}, ${formatTon(price)} TON: worker ${formatTon(worker)}, proxy ${formatTon(price - worker)}${marks.length === 0 ? '' : `  [${marks.join(', ')}]`}`;
}
