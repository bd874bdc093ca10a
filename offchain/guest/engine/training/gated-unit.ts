import type { Matrix } from './matrix';

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** The gated unit of a Llama, out = gate * sigmoid(gate) * up. Source: Shazeer, GLU Variants Improve Transformer (2020), SwiGLU. */
export function gatedForward(gate: Matrix, up: Matrix, out: Matrix): void {
  for (let i = 0; i < out.values.length; i++) {
    const g = gate.values[i] ?? 0;
    out.values[i] = g * sigmoid(g) * (up.values[i] ?? 0);
  }
}

/** Writes the gradients of gate and up. */
export function gatedBackward(gate: Matrix, up: Matrix, outGradient: Matrix, gateGradient: Matrix, upGradient: Matrix): void {
  for (let i = 0; i < outGradient.values.length; i++) {
    const g = gate.values[i] ?? 0;
    const s = sigmoid(g);
    const change = outGradient.values[i] ?? 0;
    gateGradient.values[i] = change * (up.values[i] ?? 0) * s * (1 + g * (1 - s));
    upGradient.values[i] = change * g * s;
  }
}
