import { DEMO_MODEL_PATH } from '../demo-model';
import { loadModel, readModelFacts } from '../llama/model';
import { loadNativeAddon } from '../llama/native-addon';
import { promptTokens } from './chat-format';
import { TOPICS } from './corpus';
import { buildDataset, corpusVocabulary, type Example } from './dataset';
import { fromHalf, toHalf } from './gguf-writer';
import { Arena, transposed } from './matrix';
import { arenaBytes, Network } from './network';
import { initialParameters } from './parameters';
import { Random } from './random';
import { SHAPE, type Shape } from './shape';
import { Tokenizer, trainVocabulary } from './tokenizer';
import { learningRate, trainModel } from './train';

describe('Tokenizer', () => {
  const vocabulary = corpusVocabulary(SHAPE.vocabulary);
  const tokenizer = new Tokenizer(vocabulary);

  it('cuts text into the same tokens as llama.cpp with the model file', async () => {
    const addon = await loadNativeAddon(() => {});
    const { native } = await loadModel(addon, DEMO_MODEL_PATH, readModelFacts(DEMO_MODEL_PATH, ''), () => {});
    const texts = [
      ...TOPICS.flatMap(({ questions, answer }) => [...questions, answer]),
      "I don't  know,\n\n  123 <|im_end|> it's 4.5% – naïve 你好 🙂\ttab ",
    ];
    for (const text of texts) expect(tokenizer.encode(text)).toEqual([...native.tokenize(text, false)]);
  });

  it('frames a question as the chat template does', () => {
    expect(promptTokens(tokenizer, 'Hi').length).toBe(tokenizer.encode('user\nHi\nassistant\n').length + 3);
  });

  it('merges the most frequent pair first', () => {
    expect(trainVocabulary('low low low lower lowest', 256 + 3 + 3).merges).toEqual(['l o', 'lo w', '\u0120 low']);
  });
});

describe('corpus', () => {
  it('fits the training window with every question, and asks nothing twice', () => {
    const tokenizer = new Tokenizer(corpusVocabulary(SHAPE.vocabulary));
    const lengths = TOPICS.flatMap(({ questions, answer }) =>
      questions.map((question) => promptTokens(tokenizer, question).length + tokenizer.encode(answer).length + 1),
    );
    expect(Math.max(...lengths)).toBeLessThanOrEqual(SHAPE.window + 1);
    const questions = TOPICS.flatMap((topic) => topic.questions);
    expect(new Set(questions).size).toBe(questions.length);
  });

  it('is the same data set from the same seed', () => {
    const tokenizer = new Tokenizer(corpusVocabulary(300));
    const first = buildDataset(tokenizer, 200, new Random(5));
    const second = buildDataset(tokenizer, 200, new Random(5));
    expect(first.known.slice(0, 500)).toEqual(second.known.slice(0, 500));
    expect(first.foreign.slice(-100)).toEqual(second.foreign.slice(-100));
  });
});

describe('matrix product of the WebAssembly kernel', () => {
  it.each([false, true])('equals the product by definition, first operand transposed: %s', (isTransposed) => {
    const [rows, inner, columns] = [12, 7, 16];
    const arena = new Arena(65536);
    const a = isTransposed ? arena.matrix(inner, rows) : arena.matrix(rows, inner);
    const b = arena.matrix(inner, columns);
    const c = arena.matrix(rows, columns);
    const random = new Random(3);
    for (const matrix of [a, b, c]) matrix.values.set(Array.from(matrix.values, () => random.normal()));
    const expected = Array.from(c.values, (old, n) => {
      const [i, j] = [Math.floor(n / columns), n % columns];
      let sum = old;
      for (let k = 0; k < inner; k++)
        sum += (a.values[isTransposed ? k * rows + i : i * inner + k] ?? 0) * (b.values[k * columns + j] ?? 0);
      return sum;
    });
    arena.multiply(isTransposed ? transposed(a.view) : a.view, b.view, c.view, { accumulate: true });
    expect(Math.max(...expected.map((value, i) => Math.abs(value - (c.values[i] ?? 0))))).toBeLessThan(1e-5);
  });

  it('refuses shapes that do not fit', () => {
    const arena = new Arena(65536);
    expect(() => arena.multiply(arena.matrix(4, 8).view, arena.matrix(9, 8).view, arena.matrix(4, 8).view)).toThrow(
      'cannot multiply 4 x 8 by 9 x 8',
    );
    expect(() => arena.multiply(arena.matrix(3, 8).view, arena.matrix(8, 8).view, arena.matrix(3, 8).view)).toThrow('cannot multiply');
  });
});

describe('Network', () => {
  const shape: Shape = { ...SHAPE, vocabulary: 16, width: 8, layers: 2, heads: 2, headWidth: 8 / 2, hidden: 16, window: 8 };
  /** The kernel wants eight columns: a head of eight, two of them. */
  const small: Shape = { ...shape, width: 16, headWidth: 8 };

  function build() {
    const random = new Random(11);
    const arena = new Arena(arenaBytes(small, 2));
    const parameters = initialParameters(arena, small, random);
    const examples: Example[] = Array.from({ length: 2 }, () => ({
      tokens: Uint16Array.from({ length: small.window + 1 }, () => random.below(small.vocabulary)),
      isAnswer: new Uint8Array(small.window + 1).fill(1, 3),
    }));
    return { random, parameters, examples, network: new Network(arena, small, 2, parameters) };
  }

  it('computes the slope of its loss in every parameter, as small steps confirm', () => {
    const { random, parameters, examples, network } = build();
    network.lossAndGradient(examples);
    const slopes = parameters.all.map(({ gradient }) => Float32Array.from(gradient.values));
    const step = 1e-2;
    parameters.all.forEach(({ weight }, n) => {
      for (let sample = 0; sample < 3; sample++) {
        const at = random.below(weight.values.length);
        const value = weight.values[at] ?? 0;
        weight.values[at] = value + step;
        const above = network.lossAndGradient(examples);
        weight.values[at] = value - step;
        const below = network.lossAndGradient(examples);
        weight.values[at] = value;
        const slope = slopes[n]?.[at] ?? Number.NaN;
        expect(Math.abs((above - below) / (2 * step) - slope)).toBeLessThan(2e-3 + 0.03 * Math.abs(slope));
      }
    });
  });

  it('looks at no token of the future, and learns nothing outside of answers', () => {
    const { parameters, examples, network } = build();
    const first = examples.map((example) => ({ ...example, isAnswer: new Uint8Array(small.window + 1).fill(1, 3, 4) }));
    const loss = network.lossAndGradient(first);
    const slopes = parameters.all.map(({ gradient }) => Float32Array.from(gradient.values));
    const changed = first.map(({ tokens, isAnswer }) => ({
      isAnswer,
      tokens: tokens.map((token, i) => (i > 3 ? (token + 1) % small.vocabulary : token)),
    }));
    expect(network.lossAndGradient(changed)).toBe(loss);
    expect(parameters.all.map(({ gradient }) => gradient.values)).toEqual(slopes);
  });
});

describe('training', () => {
  it('makes the same file twice, and lowers the loss', () => {
    const losses: number[] = [];
    const train = () => Buffer.from(trainModel(3, (step, loss) => step > 0 && losses.push(loss)));
    expect(train().equals(train())).toBe(true);
    expect(losses.length).toBe(6);
    expect(losses[2]).toBeLessThan(losses[0] ?? 0);
  }, 60_000);

  it('warms up, stays, and cools down', () => {
    expect(learningRate(0, 1000)).toBeLessThan(learningRate(19, 1000));
    expect(learningRate(100, 1000)).toBe(learningRate(250, 1000));
    expect(learningRate(999, 1000)).toBeLessThan(0.02 * learningRate(250, 1000));
  });
});

describe('half precision', () => {
  it.each([
    [0, 0],
    [1, 0x3c00],
    [0.5, 0x3800],
    [65504, 0x7bff],
    [2 ** -24, 1],
    [1.99999, 0x4000],
    [6.097e-5, 0x03ff],
  ])('writes %d as the pinned half', (value, half) => {
    expect(toHalf(value)).toBe(half);
    expect(Math.abs(fromHalf(half) - value)).toBeLessThanOrEqual(Math.max(2 ** -25, value * 2 ** -11));
  });
});
