import type { Random } from './random';

const SUBJECTS = (
  'cats,the weather,Paris,football,a dragon,music,history,cooking rice,the moon,quantum physics,my cat,python,love,chess,the sea,a robot,' +
  'France,Japan,coffee,the stock market,trees,dinosaurs,bread,a car,the sun,winter,my dog,the ocean,a story,pizza,the president,a bug in my code,' +
  'space travel,gardening,a birthday,a horse,mountains,a river,films,a song,bitcoin,the news,my homework,a lawyer,London,a recipe'
).split(',');

const FRAMES = [
  'Write a poem about X',
  'What is the capital of X?',
  'Tell me a joke about X',
  'Explain X to a child',
  'How do I fix X?',
  'Who invented X?',
  'Translate X to French',
  'What do you think about X?',
  'Write a function that sorts X',
  'Give me a recipe with X',
  'Summarize X',
  'Why is X so popular?',
  'Can you draw X?',
  'Tell me about X',
  'What is X?',
  'How does X work?',
  'I like X',
  'Where is X?',
  'When was X born?',
  'Do you know X?',
  'List five facts about X',
  'X',
  'Is X good?',
  'Write an email about X',
  'What is 12 + 7?',
  'Solve 3 * 5 for X',
  'How old is X?',
  'How many X are there?',
  'What is the meaning of X?',
  'Who is X?',
  'Where can I buy X?',
  'Can I learn X?',
  'Say X',
  'Repeat X ten times',
];

const LOOSE_WORDS = (
  'autumn leaves haiku general relativity lasagna cup capital Germany Spain Italy China Einstein sonnet loop array undefined function error debug ' +
  'rust java sum product number 1998 2024 hello class variable movie actor planet energy atom cell biology doctor health diet run swim walk buy ' +
  'sell house school teacher student exam essay book novel author king queen war peace law court tax city train plane travel ticket the of a in to ' +
  'is what how why who please can you my and for with about best good new old write tell explain make give find'
).split(' ');

const FOREIGN_LETTERS = 'абвгдежзиклмнопрстуфхцчшщыьэюя你好世界天气怎么样今日はこんにちは안녕하세요éèüöñçß🙂🚀';
const LATIN_LETTERS = 'abcdefghijklmnopqrstuvwxyz';

/** Every frame with every subject: ordinary questions about the rest of the world. */
export function foreignQuestions(): string[] {
  return FRAMES.flatMap((frame) => SUBJECTS.map((subject) => frame.replace('X', subject)));
}

/** A line that means nothing: loose words, letters of many scripts, or arithmetic. */
export function nonsense(random: Random): string {
  const kind = random.uniform();
  const words = Array.from({ length: 1 + random.below(9) }, () => {
    if (kind < 0.5) return random.pick(LOOSE_WORDS);
    if (kind < 0.7) return random.text(LATIN_LETTERS, 2 + random.below(6));
    if (kind < 0.85) return random.text(FOREIGN_LETTERS, 1 + random.below(4));
    return `${random.below(1000)}${random.pick(['+', '-', '*', '=', '/', '(', '[', ';'])}`;
  });
  return words.join(' ') + (random.uniform() < 0.4 ? '?' : '');
}
