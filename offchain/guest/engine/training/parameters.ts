import type { Arena, Matrix } from './matrix';
import type { Random } from './random';
import type { Shape } from './shape';

/** A trained matrix and its gradient. Weights are stored input by output: y = x * weight. */
export interface Parameter {
  readonly weight: Matrix;
  readonly gradient: Matrix;
}

export interface LayerParameters {
  readonly attentionNorm: Parameter;
  readonly query: Parameter;
  readonly key: Parameter;
  readonly value: Parameter;
  readonly output: Parameter;
  readonly hiddenNorm: Parameter;
  readonly gate: Parameter;
  readonly up: Parameter;
  readonly down: Parameter;
}

export interface Parameters {
  /** vocabulary x width; the output layer uses the same numbers. */
  readonly embedding: Parameter;
  readonly layers: readonly LayerParameters[];
  readonly outputNorm: Parameter;
  /** All of the above, in a fixed order. */
  readonly all: readonly Parameter[];
}

const EMBEDDING_DEVIATION = 0.05;

/** Fresh parameters: norms at one, the rest normal, what feeds the residual stream scaled down by depth. */
export function initialParameters(arena: Arena, shape: Shape, random: Random): Parameters {
  const all: Parameter[] = [];
  const allocate = (rows: number, columns: number, value: () => number): Parameter => {
    const parameter = { weight: arena.matrix(rows, columns), gradient: arena.matrix(rows, columns) };
    parameter.weight.values.set(Array.from({ length: rows * columns }, value));
    all.push(parameter);
    return parameter;
  };
  const norm = () => allocate(1, width, () => 1);
  const dense = (inputs: number, outputs: number, scale = 1) =>
    allocate(inputs, outputs, () => (random.normal() * scale) / Math.sqrt(inputs));

  const { vocabulary, width, hidden } = shape;
  const towardsResidual = 1 / Math.sqrt(2 * shape.layers);
  const embedding = allocate(vocabulary, width, () => random.normal() * EMBEDDING_DEVIATION);
  const layers = Array.from({ length: shape.layers }, () => ({
    attentionNorm: norm(),
    query: dense(width, width),
    key: dense(width, width),
    value: dense(width, width),
    output: dense(width, width, towardsResidual),
    hiddenNorm: norm(),
    gate: dense(width, hidden),
    up: dense(width, hidden),
    down: dense(hidden, width, towardsResidual),
  }));
  return { embedding, layers, outputNorm: norm(), all };
}

/** How many numbers are trained. */
export function parameterCount(parameters: Parameters): number {
  return parameters.all.reduce((count, { weight }) => count + weight.values.length, 0);
}
