import type { Matrix } from './matrix';

/**
 * Root mean square normalisation, out = x / rms(x) * gain, row by row. Source: Zhang and Sennrich, Root Mean Square Layer Normalization (2019).
 * `scales` receives 1 / rms(x) of each row, which the way back needs.
 */
export function normForward(x: Matrix, gain: Matrix, out: Matrix, scales: Matrix, epsilon: number): void {
  const { rows, columns } = x.view;
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    let squares = 0;
    for (let i = start; i < start + columns; i++) squares += (x.values[i] ?? 0) ** 2;
    const scale = 1 / Math.sqrt(squares / columns + epsilon);
    scales.values[row] = scale;
    for (let i = 0; i < columns; i++) out.values[start + i] = (x.values[start + i] ?? 0) * scale * (gain.values[i] ?? 0);
  }
}

/** Adds to `xGradient` and `gainGradient` what `outGradient` says about them. */
export function normBackward(x: Matrix, gain: Matrix, scales: Matrix, outGradient: Matrix, xGradient: Matrix, gainGradient: Matrix): void {
  const { rows, columns } = x.view;
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    const scale = scales.values[row] ?? 0;
    let product = 0;
    for (let i = 0; i < columns; i++) {
      const change = (outGradient.values[start + i] ?? 0) * (x.values[start + i] ?? 0);
      gainGradient.values[i] = (gainGradient.values[i] ?? 0) + change * scale;
      product += change * (gain.values[i] ?? 0);
    }
    const pull = (product * scale ** 3) / columns;
    for (let i = 0; i < columns; i++) {
      const at = start + i;
      const push = (outGradient.values[at] ?? 0) * (gain.values[i] ?? 0) * scale;
      xGradient.values[at] = (xGradient.values[at] ?? 0) + push - (x.values[at] ?? 0) * pull;
    }
  }
}
