import { type Arena, block, copyTransposed, type Matrix, transposed } from './matrix';
import type { Shape } from './shape';

/** Queries, keys, values and what follows from them, all of (batch * window) x width. */
export interface AttentionState {
  readonly queries: Matrix;
  readonly keys: Matrix;
  readonly values: Matrix;
  /** One window x window table per conversation and head, one below the other. */
  readonly weights: Matrix;
  readonly out: Matrix;
}

/** Causal attention, softmax(q * k^T / sqrt(headWidth)) * v, head by head. Source: Vaswani et al., Attention Is All You Need (2017). */
export class Attention {
  private readonly keysOrValuesTransposed: Matrix;
  private readonly tableGradient: Matrix;

  constructor(
    private readonly arena: Arena,
    private readonly shape: Shape,
    private readonly batch: number,
  ) {
    this.keysOrValuesTransposed = arena.matrix(shape.headWidth, shape.window);
    this.tableGradient = arena.matrix(shape.window, shape.window);
  }

  forward(state: AttentionState): void {
    const { window, headWidth } = this.shape;
    this.forEachHead((row, column, tableRow) => {
      const part = (matrix: Matrix) => block(matrix.view, row, column, window, headWidth);
      const table = block(state.weights.view, tableRow, 0, window, window);
      copyTransposed(state.keys, this.keysOrValuesTransposed, row, column);
      this.arena.multiply(part(state.queries), this.keysOrValuesTransposed.view, table);
      causalSoftmax(state.weights.values, tableRow * window, window, 1 / Math.sqrt(headWidth));
      this.arena.multiply(table, part(state.values), part(state.out));
    });
  }

  /** Writes the gradients of queries, keys and values, given that of `out`. */
  backward(state: AttentionState, gradient: Omit<AttentionState, 'weights'>): void {
    const { window, headWidth } = this.shape;
    this.forEachHead((row, column, tableRow) => {
      const part = (matrix: Matrix) => block(matrix.view, row, column, window, headWidth);
      const table = block(state.weights.view, tableRow, 0, window, window);
      copyTransposed(state.values, this.keysOrValuesTransposed, row, column);
      this.arena.multiply(part(gradient.out), this.keysOrValuesTransposed.view, this.tableGradient.view);
      this.arena.multiply(transposed(table), part(gradient.out), part(gradient.values));
      softmaxBackward(state.weights.values, tableRow * window, this.tableGradient.values, window, 1 / Math.sqrt(headWidth));
      this.arena.multiply(this.tableGradient.view, part(state.keys), part(gradient.queries));
      this.arena.multiply(transposed(this.tableGradient.view), part(state.queries), part(gradient.keys));
    });
  }

  private forEachHead(visit: (row: number, column: number, tableRow: number) => void): void {
    const { window, heads, headWidth } = this.shape;
    for (let item = 0; item < this.batch; item++) {
      for (let head = 0; head < heads; head++) visit(item * window, head * headWidth, (item * heads + head) * window);
    }
  }
}

/** Scores to weights in place: row t attends to positions 0..t, the rest becomes zero. */
function causalSoftmax(table: Float32Array, start: number, window: number, scale: number): void {
  for (let row = 0; row < window; row++) {
    const from = start + row * window;
    const to = from + row;
    let largest = Number.NEGATIVE_INFINITY;
    for (let i = from; i <= to; i++) largest = Math.max(largest, table[i] ?? 0);
    let sum = 0;
    for (let i = from; i <= to; i++) {
      const weight = Math.exp(((table[i] ?? 0) - largest) * scale);
      table[i] = weight;
      sum += weight;
    }
    for (let i = from; i <= to; i++) table[i] = (table[i] ?? 0) / sum;
    table.fill(0, to + 1, from + window);
  }
}

/** Gradient of the weights to gradient of the unscaled scores, in place. */
function softmaxBackward(weights: Float32Array, start: number, gradient: Float32Array, window: number, scale: number): void {
  for (let row = 0; row < window; row++) {
    const from = row * window;
    let mean = 0;
    for (let i = from; i <= from + row; i++) mean += (weights[start + i] ?? 0) * (gradient[i] ?? 0);
    for (let i = from; i <= from + row; i++) gradient[i] = (weights[start + i] ?? 0) * ((gradient[i] ?? 0) - mean) * scale;
    gradient.fill(0, from + row + 1, from + window);
  }
}
