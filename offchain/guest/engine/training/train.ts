import { writeFileSync } from 'node:fs';
import { DEMO_MODEL_PATH } from '../demo-model';
import { Adam } from './adam';
import { buildDataset, corpusVocabulary, type Dataset, type Example } from './dataset';
import { Arena } from './matrix';
import { encodeModel } from './model-file';
import { arenaBytes, Network } from './network';
import { initialParameters, parameterCount } from './parameters';
import { Random } from './random';
import { SHAPE } from './shape';
import { Tokenizer } from './tokenizer';

const SEED = 20261;
const STEPS = 1600;
const BATCH = 32;
const WARM_UP_STEPS = 20;
const PEAK_RATE = 4e-3;
/** The rate stays at its peak for this part of the training, then falls along a cosine. */
const PLATEAU = 0.3;
/** Part of every batch that the model can answer; the rest teaches it to say that it cannot. */
const KNOWN_SHARE = 0.72;

/** Learning rate of one step. */
export function learningRate(step: number, steps: number): number {
  const progress = step / steps;
  const warmth = Math.min(1, (step + 1) / WARM_UP_STEPS);
  const cooling = progress < PLATEAU ? 1 : 0.5 * (1 + Math.cos((Math.PI * (progress - PLATEAU)) / (1 - PLATEAU))) + 0.01;
  return PEAK_RATE * warmth * cooling;
}

function drawBatch({ known, foreign }: Dataset, random: Random): Example[] {
  return Array.from({ length: BATCH }, () => random.pick(random.uniform() < KNOWN_SHARE ? known : foreign));
}

/** Trains the demonstration model from nothing; two runs on one machine give the same bytes. */
export function trainModel(steps: number, report: (step: number, loss: number) => void): Uint8Array {
  const random = new Random(SEED);
  const vocabulary = corpusVocabulary(SHAPE.vocabulary);
  const dataset = buildDataset(new Tokenizer(vocabulary), SHAPE.window, random);
  const arena = new Arena(arenaBytes(SHAPE, BATCH));
  const parameters = initialParameters(arena, SHAPE, random);
  const network = new Network(arena, SHAPE, BATCH, parameters);
  const adam = new Adam(parameters.all);
  report(0, parameterCount(parameters));
  for (let step = 0; step < steps; step++) {
    report(step + 1, network.lossAndGradient(drawBatch(dataset, random)));
    adam.step(learningRate(step, steps));
  }
  return encodeModel(SHAPE, vocabulary, parameters);
}

function main(): void {
  const started = performance.now();
  const seconds = () => `${((performance.now() - started) / 1000).toFixed(0)} s`;
  const model = trainModel(STEPS, (step, value) => {
    if (step === 0) console.log(`training ${value} parameters for ${STEPS} steps`);
    else if (step % 50 === 0) console.log(`step ${step} of ${STEPS}, loss ${value.toFixed(4)}, ${seconds()}`);
  });
  writeFileSync(DEMO_MODEL_PATH, model);
  console.log(`wrote ${DEMO_MODEL_PATH}, ${model.length} bytes, ${seconds()}`);
}

if (require.main === module) main();
