import type { Example } from './dataset';
import { type LayerState, Layers } from './layer';
import { TILE } from './matmul-kernel';
import { type Arena, copyTransposed, type Matrix, transposed, type View } from './matrix';
import { normBackward, normForward } from './norm';
import type { Parameters } from './parameters';
import type { Shape } from './shape';

/** Bytes that a network with its parameters, gradients and states needs. */
export function arenaBytes(shape: Shape, batch: number): number {
  const { vocabulary, width, hidden, window, heads, layers } = shape;
  const rows = batch * window;
  const perLayer = 2 * 3 * (4 * width * width + 3 * width * hidden) + rows * (9 * width + 4 * hidden + heads * window);
  const shared = 5 * vocabulary * width + rows * (2 * vocabulary + 14 * width + 4 * hidden);
  return 4 * (layers * perLayer + shared) + 16 * 4096;
}

/** The whole transformer: embedding, layers, output, and the loss on the answers of a batch. */
export class Network {
  private readonly layers: Layers;
  private readonly states: readonly LayerState[];
  private readonly top: Matrix;
  private readonly topNormed: Matrix;
  private readonly topScales: Matrix;
  private readonly gradient: Matrix;
  private readonly normedGradient: Matrix;
  /** Rows that predict a token of an answer, packed together: the rest of the conversation is not learned. */
  private readonly packed: Matrix;
  private readonly packedGradient: Matrix;
  private readonly logits: Matrix;
  private readonly outputWeights: Matrix;

  constructor(
    private readonly arena: Arena,
    private readonly shape: Shape,
    private readonly batch: number,
    private readonly parameters: Parameters,
  ) {
    const rows = batch * shape.window;
    const narrow = () => arena.matrix(rows, shape.width);
    this.layers = new Layers(arena, shape, batch, parameters.layers);
    this.states = parameters.layers.map(() => this.layers.state(narrow()));
    this.top = narrow();
    this.topNormed = narrow();
    this.topScales = arena.matrix(rows, 1);
    this.gradient = narrow();
    this.normedGradient = narrow();
    this.packed = narrow();
    this.packedGradient = narrow();
    this.logits = arena.matrix(rows, shape.vocabulary);
    this.outputWeights = arena.matrix(shape.width, shape.vocabulary);
  }

  /**
   * Mean loss in nats per answer token, and its gradient in the parameters, which is overwritten.
   * @param examples exactly `batch` of them
   */
  lossAndGradient(examples: readonly Example[]): number {
    if (examples.length !== this.batch) throw new Error(`${examples.length} examples, expected ${this.batch}`);
    for (const { gradient } of this.parameters.all) gradient.values.fill(0);
    this.embed(examples);
    this.parameters.layers.forEach((layer, i) => {
      this.layers.forward(layer, this.stateOf(i), this.states[i + 1]?.input ?? this.top);
    });
    const loss = this.outputLoss(examples);
    for (let i = this.parameters.layers.length - 1; i >= 0; i--) {
      const layer = this.parameters.layers[i];
      if (layer !== undefined) this.layers.backward(layer, this.stateOf(i), this.gradient);
    }
    this.embeddingGradient(examples);
    return loss;
  }

  private stateOf(layer: number): LayerState {
    const state = this.states[layer];
    if (state === undefined) throw new Error(`no layer ${layer}`);
    return state;
  }

  private embed(examples: readonly Example[]): void {
    const { width, window } = this.shape;
    const { values } = this.stateOf(0).input;
    examples.forEach(({ tokens }, item) => {
      for (let i = 0; i < window; i++) {
        const from = (tokens[i] ?? 0) * width;
        values.set(this.parameters.embedding.weight.values.subarray(from, from + width), (item * window + i) * width);
      }
    });
  }

  private embeddingGradient(examples: readonly Example[]): void {
    const { width, window } = this.shape;
    const { values } = this.parameters.embedding.gradient;
    examples.forEach(({ tokens }, item) => {
      for (let i = 0; i < window; i++) {
        const to = (tokens[i] ?? 0) * width;
        const from = (item * window + i) * width;
        for (let k = 0; k < width; k++) values[to + k] = (values[to + k] ?? 0) + (this.gradient.values[from + k] ?? 0);
      }
    });
  }

  /** Loss of the answer tokens; leaves the gradient of the top layer's output in `gradient`. */
  private outputLoss(examples: readonly Example[]): number {
    const { width, window, vocabulary } = this.shape;
    const { embedding, outputNorm } = this.parameters;
    normForward(this.top, outputNorm.weight, this.topNormed, this.topScales, this.shape.normEpsilon);
    const rows: number[] = [];
    const targets: number[] = [];
    examples.forEach(({ tokens, isAnswer }, item) => {
      for (let i = 0; i < window; i++) {
        if (isAnswer[i + 1] !== 1) continue;
        rows.push(item * window + i);
        targets.push(tokens[i + 1] ?? 0);
      }
    });
    const padded = Math.ceil(rows.length / TILE.rows) * TILE.rows;
    const head = (matrix: Matrix): View => ({ ...matrix.view, rows: padded });
    this.packed.values.fill(0, 0, padded * width);
    rows.forEach((row, i) => {
      this.packed.values.set(this.topNormed.values.subarray(row * width, (row + 1) * width), i * width);
    });
    copyTransposed(embedding.weight, this.outputWeights);
    this.arena.multiply(head(this.packed), this.outputWeights.view, head(this.logits));
    const loss = crossEntropy(this.logits.values, vocabulary, targets, padded);

    this.arena.multiply(transposed(head(this.logits)), head(this.packed), embedding.gradient.view, { accumulate: true });
    this.arena.multiply(head(this.logits), embedding.weight.view, head(this.packedGradient));
    this.normedGradient.values.fill(0);
    rows.forEach((row, i) => {
      this.normedGradient.values.set(this.packedGradient.values.subarray(i * width, (i + 1) * width), row * width);
    });
    this.gradient.values.fill(0);
    normBackward(this.top, outputNorm.weight, this.topScales, this.normedGradient, this.gradient, outputNorm.gradient);
    return loss;
  }
}

/** Mean loss of `targets`; turns the logits into their gradient in place, padding rows into zeros. */
function crossEntropy(logits: Float32Array, vocabulary: number, targets: readonly number[], paddedRows: number): number {
  let loss = 0;
  targets.forEach((target, row) => {
    const from = row * vocabulary;
    const to = from + vocabulary;
    let largest = Number.NEGATIVE_INFINITY;
    for (let i = from; i < to; i++) largest = Math.max(largest, logits[i] ?? 0);
    let sum = 0;
    for (let i = from; i < to; i++) {
      const exponential = Math.exp((logits[i] ?? 0) - largest);
      logits[i] = exponential;
      sum += exponential;
    }
    loss -= Math.log((logits[from + target] ?? 0) / sum + 1e-20);
    const share = 1 / (sum * targets.length);
    for (let i = from; i < to; i++) logits[i] = (logits[i] ?? 0) * share;
    logits[from + target] = (logits[from + target] ?? 0) - 1 / targets.length;
  });
  logits.fill(0, targets.length * vocabulary, paddedRows * vocabulary);
  return loss / targets.length;
}
