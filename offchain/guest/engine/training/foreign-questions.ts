import type { Random } from './random';

const SUBJECTS = (
  'cats,the weather,Paris,football,a dragon,music,history,cooking rice,the moon,quantum physics,my cat,python,love,chess,the sea,a robot,' +
  'France,Japan,coffee,the stock market,trees,dinosaurs,bread,a car,the sun,winter,my dog,the ocean,a story,pizza,the president,a bug in my code,' +
  'space travel,gardening,a birthday,a horse,mountains,a river,films,a song,bitcoin,the news,my homework,a lawyer,London,a recipe,knees,clocks,paintings,' +
  'Napoleon,Russia,miles,the gym,a bridge,shoes,flowers,the market,gold,Brazil,my boss,a novel,a headache,tomatoes,the piano,a wedding,whales,Mars'
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
  'How big is X?',
  'How long does X take?',
  'What colour is X?',
  'What is the best X?',
  'When does X begin?',
  'Who wrote X?',
  'Who discovered X?',
  'Who is the king of X?',
  'My X hurts, what should I do?',
  'I am tired of X',
  'I lost my X',
  'Which X do you like?',
  'Make a list of X',
  'Plan a day with X',
  'Compare X and Y',
  'What is the difference between X and Y?',
  'Is X better than Y?',
  'Convert X to Y',
  'How far is X from Y?',
  'Tell me a story about X and Y',
  'What does the word X mean?',
  'How do you spell X?',
  'Fix this sentence: X are Y',
  'Sing me a song about X',
  'Play X with me',
  'Are you X?',
  'What day is it in X?',
  'What happened in X in 1969?',
  'Why do people like X?',
  'Should I buy X or Y?',
];

/** How sentences begin that go on about anything. */
const STARTS = (
  'what is the,what time,what year,who was,who made the,where are the,when will,why is the,why do,how tall is,how old are,how much is the,how do I cook,' +
  'can you,could you please,tell me a,tell me about the,write a,write me an,explain the,give me a,list the,I think,I want a,my,please,should I,do you like,' +
  'is there a,are there,does the,which,help me with my,translate,calculate,show me,imagine a,let us'
).split(',');

const LOOSE_WORDS = (
  'autumn leaves haiku general relativity lasagna cup capital Germany Spain Italy China Einstein sonnet loop array undefined function error debug ' +
  'rust java sum product number 1998 2024 hello class variable movie actor planet energy atom cell biology doctor health diet run swim walk buy ' +
  'sell house school teacher student exam essay book novel author king queen war peace law court tax city train plane travel ticket the of a in to ' +
  'mountain river painter artist museum knee head hand foot pain clock hour minute week month kilometre mile metre degree temperature money bank gold ' +
  'silver stock invest job boss office dinner breakfast soup salad beef chicken sugar butter oven garden flower tree bird fish horse wolf fox ' +
  'is what how why who please can you my and for with about best good new old write tell explain make give find'
).split(' ');

const FOREIGN_LETTERS = 'абвгдежзиклмнопрстуфхцчшщыьэюя你好世界天气怎么样今日はこんにちは안녕하세요éèüöñçß🙂🚀';
const LATIN_LETTERS = 'abcdefghijklmnopqrstuvwxyz';

/** Every frame with every subject, and with a second one where it takes two: ordinary questions about the rest of the world. */
export function foreignQuestions(): string[] {
  return FRAMES.flatMap((frame, shift) =>
    SUBJECTS.map((subject, i) => frame.replace('X', subject).replace('Y', SUBJECTS[(i * 7 + shift) % SUBJECTS.length] ?? subject)),
  );
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
  const start = kind < 0.35 ? `${random.pick(STARTS)} ` : '';
  return start + words.join(' ') + (random.uniform() < 0.4 ? '?' : '');
}
