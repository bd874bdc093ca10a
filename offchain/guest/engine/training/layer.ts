import { Attention } from './attention';
import { gatedBackward, gatedForward } from './gated-unit';
import { type Arena, copyTransposed, type Matrix, transposed } from './matrix';
import { normBackward, normForward } from './norm';
import type { LayerParameters, Parameter } from './parameters';
import { Rotary } from './rotary';
import type { Shape } from './shape';

/** What one layer computed on the way forth and needs on the way back. */
export interface LayerState {
  readonly input: Matrix;
  readonly attended: Matrix;
  readonly attentionNormed: Matrix;
  readonly attentionScales: Matrix;
  readonly queries: Matrix;
  readonly keys: Matrix;
  readonly values: Matrix;
  readonly weights: Matrix;
  readonly out: Matrix;
  readonly hiddenNormed: Matrix;
  readonly hiddenScales: Matrix;
  readonly gate: Matrix;
  readonly up: Matrix;
  readonly gated: Matrix;
}

/** The layers of a Llama: attention and a gated unit, each normalised first and added to what came in. */
export class Layers {
  private readonly attention: Attention;
  private readonly rotary: Rotary;
  private readonly wide: Readonly<Record<'gated' | 'gate' | 'up', Matrix>>;
  private readonly narrow: Readonly<Record<'normed' | 'out' | 'queries' | 'keys' | 'values', Matrix>>;
  private readonly turned: ReadonlyMap<Parameter, Matrix>;

  constructor(
    private readonly arena: Arena,
    private readonly shape: Shape,
    private readonly batch: number,
    layers: readonly LayerParameters[],
  ) {
    this.attention = new Attention(arena, shape, batch);
    this.rotary = new Rotary(shape);
    const rows = batch * shape.window;
    const wide = () => arena.matrix(rows, shape.hidden);
    const narrow = () => arena.matrix(rows, shape.width);
    this.wide = { gated: wide(), gate: wide(), up: wide() };
    this.narrow = { normed: narrow(), out: narrow(), queries: narrow(), keys: narrow(), values: narrow() };
    const matrices = layers.flatMap(({ query, key, value, output, gate, up, down }) => [query, key, value, output, gate, up, down]);
    this.turned = new Map(
      matrices.map((parameter) => [parameter, arena.matrix(parameter.weight.view.columns, parameter.weight.view.rows)]),
    );
  }

  /** Room for one layer's state; `input` is where the layer before writes. */
  state(input: Matrix): LayerState {
    const rows = this.batch * this.shape.window;
    const wide = () => this.arena.matrix(rows, this.shape.hidden);
    const narrow = () => this.arena.matrix(rows, this.shape.width);
    const column = () => this.arena.matrix(rows, 1);
    return {
      input,
      attended: narrow(),
      attentionNormed: narrow(),
      attentionScales: column(),
      queries: narrow(),
      keys: narrow(),
      values: narrow(),
      weights: this.arena.matrix(rows * this.shape.heads, this.shape.window),
      out: narrow(),
      hiddenNormed: narrow(),
      hiddenScales: column(),
      gate: wide(),
      up: wide(),
      gated: wide(),
    };
  }

  /** Fills `state` and writes the layer's output. */
  forward(layer: LayerParameters, state: LayerState, output: Matrix): void {
    const { normEpsilon } = this.shape;
    normForward(state.input, layer.attentionNorm.weight, state.attentionNormed, state.attentionScales, normEpsilon);
    this.arena.multiply(state.attentionNormed.view, layer.query.weight.view, state.queries.view);
    this.arena.multiply(state.attentionNormed.view, layer.key.weight.view, state.keys.view);
    this.arena.multiply(state.attentionNormed.view, layer.value.weight.view, state.values.view);
    this.rotary.rotate(state.queries, 1);
    this.rotary.rotate(state.keys, 1);
    this.attention.forward(state);
    state.attended.values.set(state.input.values);
    this.arena.multiply(state.out.view, layer.output.weight.view, state.attended.view, { accumulate: true });

    normForward(state.attended, layer.hiddenNorm.weight, state.hiddenNormed, state.hiddenScales, normEpsilon);
    this.arena.multiply(state.hiddenNormed.view, layer.gate.weight.view, state.gate.view);
    this.arena.multiply(state.hiddenNormed.view, layer.up.weight.view, state.up.view);
    gatedForward(state.gate, state.up, state.gated);
    output.values.set(state.attended.values);
    this.arena.multiply(state.gated.view, layer.down.weight.view, output.view, { accumulate: true });
  }

  /** Turns `gradient`, of the layer's output, into that of its input, in place, and adds to the parameters' gradients. */
  backward(layer: LayerParameters, state: LayerState, gradient: Matrix): void {
    const { gated, gate, up } = this.wide;
    const { normed, out, queries, keys, values } = this.narrow;
    this.throughDense(layer.down, state.gated, gradient, gated);
    gatedBackward(state.gate, state.up, gated, gate, up);
    this.throughDense(layer.gate, state.hiddenNormed, gate, normed);
    this.throughDense(layer.up, state.hiddenNormed, up, normed, { accumulate: true });
    normBackward(state.attended, layer.hiddenNorm.weight, state.hiddenScales, normed, gradient, layer.hiddenNorm.gradient);

    this.throughDense(layer.output, state.out, gradient, out);
    this.attention.backward(state, { queries, keys, values, out });
    this.rotary.rotate(queries, -1);
    this.rotary.rotate(keys, -1);
    this.throughDense(layer.query, state.attentionNormed, queries, normed);
    this.throughDense(layer.key, state.attentionNormed, keys, normed, { accumulate: true });
    this.throughDense(layer.value, state.attentionNormed, values, normed, { accumulate: true });
    normBackward(state.input, layer.attentionNorm.weight, state.attentionScales, normed, gradient, layer.attentionNorm.gradient);
  }

  /** The way back through y = x * weight. */
  private throughDense(
    parameter: Parameter,
    x: Matrix,
    yGradient: Matrix,
    xGradient: Matrix,
    options: { accumulate?: boolean } = {},
  ): void {
    const turned = this.turned.get(parameter);
    if (turned === undefined) throw new Error('the parameter belongs to another network');
    copyTransposed(parameter.weight, turned);
    this.arena.multiply(transposed(x.view), yGradient.view, parameter.gradient.view, { accumulate: true });
    this.arena.multiply(yGradient.view, turned.view, xGradient.view, options);
  }
}
