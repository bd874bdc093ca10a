import { compileMatmul, type MatmulKernel, TILE } from './matmul-kernel';

const PAGE_BYTES = 65536;

/** Numbers in row order, in memory that the kernel sees. */
export interface Matrix {
  readonly values: Float32Array;
  readonly view: View;
}

/** A rectangle of numbers as the kernel addresses it. */
export interface View {
  readonly address: number;
  readonly rows: number;
  readonly columns: number;
  readonly rowBytes: number;
  readonly columnBytes: number;
}

/** Memory for matrices that live as long as the training, and the product of matrices in it. */
export class Arena {
  private readonly memory: WebAssembly.Memory;
  private readonly matmul: MatmulKernel;
  private used = 0;

  /** @param sizeBytes all that will ever be allocated */
  constructor(sizeBytes: number) {
    this.memory = new WebAssembly.Memory({ initial: Math.ceil(sizeBytes / PAGE_BYTES) });
    this.matmul = compileMatmul(this.memory);
  }

  /** A matrix of zeros. */
  matrix(rows: number, columns: number): Matrix {
    const values = new Float32Array(this.memory.buffer, this.used, rows * columns);
    const view = { address: this.used, rows, columns, rowBytes: 4 * columns, columnBytes: 4 };
    this.used += Math.ceil(values.byteLength / 16) * 16;
    return { values, view };
  }

  /** c = a * b, or c += a * b. Rows of c must be a multiple of TILE.rows, its columns of TILE.columns. */
  multiply(a: View, b: View, c: View, options: { readonly accumulate?: boolean } = {}): void {
    if (
      a.columns !== b.rows ||
      a.rows !== c.rows ||
      b.columns !== c.columns ||
      c.rows % TILE.rows !== 0 ||
      c.columns % TILE.columns !== 0
    ) {
      throw new Error(`cannot multiply ${a.rows} x ${a.columns} by ${b.rows} x ${b.columns} into ${c.rows} x ${c.columns}`);
    }
    if (b.columnBytes !== 4 || c.columnBytes !== 4) throw new Error('rows of b and c must be contiguous');
    const accumulate = options.accumulate === true ? 1 : 0;
    this.matmul(
      a.address,
      b.address,
      c.address,
      c.rows,
      a.columns,
      c.columns,
      a.rowBytes,
      a.columnBytes,
      b.rowBytes,
      c.rowBytes,
      accumulate,
    );
  }
}

/** The same numbers, rows and columns exchanged; nothing is copied, so only the first operand of a product may be one. */
export function transposed(view: View): View {
  return { address: view.address, rows: view.columns, columns: view.rows, rowBytes: view.columnBytes, columnBytes: view.rowBytes };
}

/** A rectangle inside `view`. */
export function block(view: View, row: number, column: number, rows: number, columns: number): View {
  return { ...view, address: view.address + row * view.rowBytes + column * view.columnBytes, rows, columns };
}

/** Copies the rectangle at (row, column) of `from` into `to`, rows and columns exchanged. */
export function copyTransposed(from: Matrix, to: Matrix, row = 0, column = 0): void {
  const { rows: height, columns: width } = to.view;
  const stride = from.view.columns;
  for (let i = 0; i < width; i++) {
    const source = (row + i) * stride + column;
    for (let j = 0; j < height; j++) to.values[j * width + i] = from.values[source + j] ?? 0;
  }
}
