import type { Parameter } from './parameters';

const MEAN_DECAY = 0.9;
const SQUARE_DECAY = 0.98;
const WEIGHT_DECAY = 0.01;
const TINY = 1e-8;
/** Gradients longer than this are scaled down to it. */
const LARGEST_NORM = 1;

/** Adam with decoupled weight decay on matrices. Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization (2019). */
export class Adam {
  private readonly means: readonly Float32Array[];
  private readonly squares: readonly Float32Array[];
  private steps = 0;

  constructor(private readonly parameters: readonly Parameter[]) {
    this.means = parameters.map(({ weight }) => new Float32Array(weight.values.length));
    this.squares = parameters.map(({ weight }) => new Float32Array(weight.values.length));
  }

  /** Moves every parameter against its gradient. */
  step(rate: number): void {
    this.steps++;
    const clip = Math.min(1, LARGEST_NORM / this.gradientNorm());
    const meanScale = rate / (1 - MEAN_DECAY ** this.steps);
    const squareScale = 1 / (1 - SQUARE_DECAY ** this.steps);
    this.parameters.forEach(({ weight, gradient }, n) => {
      const means = this.means[n] ?? weight.values;
      const squares = this.squares[n] ?? weight.values;
      const decay = weight.view.rows > 1 ? 1 - rate * WEIGHT_DECAY : 1;
      for (let i = 0; i < weight.values.length; i++) {
        const slope = (gradient.values[i] ?? 0) * clip;
        const mean = MEAN_DECAY * (means[i] ?? 0) + (1 - MEAN_DECAY) * slope;
        const square = SQUARE_DECAY * (squares[i] ?? 0) + (1 - SQUARE_DECAY) * slope * slope;
        means[i] = mean;
        squares[i] = square;
        weight.values[i] = (weight.values[i] ?? 0) * decay - (meanScale * mean) / (Math.sqrt(square * squareScale) + TINY);
      }
    });
  }

  private gradientNorm(): number {
    let sum = 0;
    for (const { gradient } of this.parameters) for (const value of gradient.values) sum += value * value;
    return Math.sqrt(sum);
  }
}
