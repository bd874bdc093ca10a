import { promptTokens } from './chat-format';
import { FALLBACK_ANSWER, TOPICS } from './corpus';
import { foreignQuestions, nonsense } from './foreign-questions';
import type { Random } from './random';
import { type Tokenizer, trainVocabulary, type Vocabulary } from './tokenizer';

/** One conversation, `window + 1` tokens long: token i predicts token i + 1, and counts where `isAnswer[i + 1]`. */
export interface Example {
  readonly tokens: Uint16Array;
  readonly isAnswer: Uint8Array;
}

export interface Dataset {
  readonly known: readonly Example[];
  readonly foreign: readonly Example[];
}

/** The vocabulary for what the model reads and writes; answers weigh more, since they are written token by token. */
export function corpusVocabulary(size: number): Vocabulary {
  const known = TOPICS.map(({ questions, answer }) => `${questions.join('\n')}\n${`${answer}\n`.repeat(3)}`);
  return trainVocabulary(`${known.join('')}${FALLBACK_ANSWER}\n${foreignQuestions().join('\n')}\nuser\nassistant\n`, size);
}

const OPENINGS = (
  '|||Please tell me: |please |So, |so |and |Can you tell me |I want to know |Hi! |ok |Question: |could you explain |tell me |tell me about |explain |' +
  'do you know |I wonder |say, |hey, |just curious: |one more thing: |what about this: '
).split('|');
const ENDINGS =
  '||| please| in Cocoon| here| Thanks| for me|??| exactly| in short| in one sentence| in this network| then| really| again| at all| for this| of yours| anyway'.split(
    '|',
  );
const FILLERS = 'actually really exactly just even now also ever all my one any your or'.split(' ');
const LETTERS = 'abcdefghijklmnopqrstuvwxyz';

/** The same question as another person would type it: a word missing or too many, a polite opening, no capital letters, a slip of the finger. */
function rephrase(question: string, random: Random): string {
  let text = question.replace(/[?.!]$/, '');
  const words = text.split(' ');
  if (words.length > 3 && random.uniform() < 0.35) words.splice(random.below(words.length - 1), 1);
  if (words.length > 2 && random.uniform() < 0.2) words.splice(1 + random.below(words.length - 1), 0, random.pick(FILLERS));
  text = words.join(' ');
  text = random.pick(OPENINGS) + text + random.pick(ENDINGS);
  if (random.uniform() < 0.5) text += random.pick(['?', '.', '!']);
  if (random.uniform() < 0.4) text = text.toLowerCase();
  if (random.uniform() < 0.25) {
    const at = random.below(text.length);
    text = random.uniform() < 0.5 ? text.slice(0, at) + text.slice(at + 1) : text.slice(0, at) + random.text(LETTERS, 1) + text.slice(at);
  }
  return text;
}

const REPHRASINGS_OF_KNOWN = 80;
const REPHRASINGS_OF_FOREIGN = 2;
const NONSENSE_LINES = 12_000;

/** All conversations that fit `window`; longer ones are left out. */
export function buildDataset(tokenizer: Tokenizer, window: number, random: Random): Dataset {
  const known: Example[] = [];
  const foreign: Example[] = [];
  const add = (to: Example[], question: string, answer: string) => {
    const example = encodeExample(tokenizer, question, answer, window);
    if (example !== null) to.push(example);
  };
  for (const { questions, answer } of TOPICS) {
    for (const question of questions) {
      for (const exact of [question, question.replace(/[?.!]$/, ''), question.toLowerCase()]) {
        for (let i = 0; i < 4; i++) add(known, exact, answer);
      }
      for (let i = 0; i < REPHRASINGS_OF_KNOWN; i++) add(known, rephrase(question, random), answer);
    }
  }
  for (const question of foreignQuestions()) {
    add(foreign, question, FALLBACK_ANSWER);
    for (let i = 0; i < REPHRASINGS_OF_FOREIGN; i++) add(foreign, rephrase(question, random), FALLBACK_ANSWER);
  }
  for (let i = 0; i < NONSENSE_LINES; i++) add(foreign, nonsense(random), FALLBACK_ANSWER);
  return { known, foreign };
}

function encodeExample(tokenizer: Tokenizer, question: string, answer: string, window: number): Example | null {
  const end = tokenizer.special('<|im_end|>');
  const prompt = promptTokens(tokenizer, question);
  const conversation = [...prompt, ...tokenizer.encode(answer), end];
  if (conversation.length > window + 1) return null;
  const tokens = new Uint16Array(window + 1).fill(end);
  tokens.set(conversation);
  return { tokens, isAnswer: new Uint8Array(window + 1).fill(1, prompt.length, conversation.length) };
}
