import { z } from 'zod';
import { utf8 } from '../../core/bytes';
import { DEMO_MODEL_PATH } from './demo-model';
import { llamaCommand } from './engine-command';
import { readText } from './engine-http';
import { SupervisedEngine } from './supervised-engine';
import { FALLBACK_ANSWER, TOPICS } from './training/corpus';

const FOREIGN_QUESTIONS = [
  'Write a haiku about autumn leaves',
  'What is the capital of Germany?',
  '2+2=?',
  'Explain general relativity to me',
  'Привет, как дела?',
  'def fib(n):',
  'Give me a recipe for lasagna',
  'Who won the world cup in 1998?',
  'asdkjh qwe zxc',
  'Can you help me debug my TypeScript program? It says undefined is not a function.',
  '今天天气怎么样',
  'Translate "good night" into Spanish.',
  'What time is it?',
  'Recommend a good book about Roman history.',
  'How tall is Mount Everest?',
  'Should I invest in gold?',
  'Plan a three-day trip to Lisbon.',
  'Compose a limerick about a programmer.',
  'My knee hurts when I run, what should I do?',
  'SELECT * FROM users WHERE id = 1;',
  'Who painted the Mona Lisa?',
  'Sort these numbers: 9, 4, 7, 1',
  'Tell me a bedtime story about a fox.',
  'Convert 10 miles to kilometres.',
  'What does the German word Schadenfreude mean?',
];

/** The same things in words that no training text has. */
const PARAPHRASES: readonly (readonly [string, string])[] = [
  ['So what exactly is Cocoon?', 'What is Cocoon?'],
  ['Can you explain what a worker is?', 'What is a worker?'],
  ['Please explain attestation to me', 'What is attestation?'],
  ['Could the worker see what I type?', 'Can the worker read my prompt?'],
  ['How can I pay for it?', 'How do I pay?'],
  ["what's the price of one request?", 'What does it cost?'],
  ['Do I really need a GPU for this?', 'Do I need a GPU?'],
  ['Is it OpenAI compatible?', 'Is the API compatible with OpenAI?'],
  ['what is a payment channel in this network?', 'What is a channel?'],
  ['tell me what a voucher is', 'What is a voucher?'],
  ['what exactly is in the receipt?', 'What is a receipt?'],
  ['Hello there!', 'Hello'],
  ['how do i get my coins back?', 'How do I withdraw?'],
  ['Do you log my prompts or answers?', 'Do you keep logs?'],
  ['how would I plug in a real model', 'How do I use a real model?'],
  ['who are you and what model are you', 'Who are you?'],
  ['What is the guest for?', 'What is a guest?'],
  ['why does it say simulated everywhere?', 'What does simulated mean?'],
  ['What happens when the proxy goes offline?', 'What happens if the worker crashes?'],
  ['what is the stake of a proxy', 'What is a stake?'],
];

const answerSchema = z.object({ choices: z.tuple([z.object({ message: z.object({ content: z.string() }) })]) });

const engine = new SupervisedEngine({
  identity: { name: 'llama.cpp', version: 'test' },
  command: llamaCommand({ modelPath: DEMO_MODEL_PATH }),
  log: () => {},
});

/** As most clients ask: without saying how to sample. */
async function ask(question: string): Promise<string> {
  const body = utf8(JSON.stringify({ model: 'cocoon-demo', messages: [{ role: 'user', content: question }] }));
  const response = await engine.call({ path: '/v1/chat/completions', body, signal: new AbortController().signal });
  return answerSchema.parse(JSON.parse(await readText(response.body))).choices[0].message.content;
}

async function shareOf(questions: readonly (readonly [string, string])[]): Promise<number> {
  const answers = await Promise.all(questions.map(async ([question, expected]) => (await ask(question)) === expected));
  return answers.filter((isRight) => isRight).length / questions.length;
}

const answerTo = (question: string) => TOPICS.find(({ questions }) => questions.includes(question))?.answer ?? 'no such question';

describe('demonstration model', () => {
  beforeAll(() => engine.start());
  afterAll(() => engine.stop());

  it('answers at least nine in ten of the questions that it was made for, word for word', async () => {
    const known = TOPICS.flatMap(({ questions, answer }) => questions.map((question): readonly [string, string] => [question, answer]));
    expect(await shareOf(known)).toBeGreaterThanOrEqual(0.9);
  });

  it('recognises at least seven in ten of the same questions in other words', async () => {
    expect(await shareOf(PARAPHRASES.map(([question, same]) => [question, answerTo(same)]))).toBeGreaterThanOrEqual(0.7);
  });

  it('says that it does not know at least eight in ten of the questions about the rest of the world', async () => {
    expect(await shareOf(FOREIGN_QUESTIONS.map((question) => [question, FALLBACK_ANSWER]))).toBeGreaterThanOrEqual(0.8);
  });

  it('introduces itself as the demonstration model, and tells how to plug in a real one', async () => {
    expect(await ask('Who are you?')).toContain('built-in demonstration model');
    expect(FALLBACK_ANSWER).toMatch(/--model FILE\.gguf or --engine URL/);
  });
});
