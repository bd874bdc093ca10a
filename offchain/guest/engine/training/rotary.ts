import type { Matrix } from './matrix';
import type { Shape } from './shape';

/**
 * Rotary position embedding on neighbouring pairs, the form that llama.cpp calls NORM. Source: Su et al., RoFormer (2021), section 3.4.
 * Rows are positions 0, 1, ... of one conversation after the other.
 */
export class Rotary {
  private readonly cosines: Float32Array;
  private readonly sines: Float32Array;

  constructor(private readonly shape: Shape) {
    const pairs = shape.headWidth / 2;
    const angles = Array.from(
      { length: shape.window * pairs },
      (_, n) => Math.floor(n / pairs) * shape.rotaryBase ** ((-2 * (n % pairs)) / shape.headWidth),
    );
    this.cosines = Float32Array.from(angles, Math.cos);
    this.sines = Float32Array.from(angles, Math.sin);
  }

  /** Rotates every pair of `x` in place; direction -1 undoes direction 1. */
  rotate(x: Matrix, direction: 1 | -1): void {
    const { window, headWidth } = this.shape;
    const { rows, columns } = x.view;
    for (let row = 0; row < rows; row++) {
      const position = (row % window) * (headWidth / 2);
      for (let column = 0; column < columns; column += 2) {
        const angle = position + (column % headWidth) / 2;
        const cosine = this.cosines[angle] ?? 0;
        const sine = (this.sines[angle] ?? 0) * direction;
        const at = row * columns + column;
        const even = x.values[at] ?? 0;
        const odd = x.values[at + 1] ?? 0;
        x.values[at] = even * cosine - odd * sine;
        x.values[at + 1] = even * sine + odd * cosine;
      }
    }
  }
}
