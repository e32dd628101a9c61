/**
 * Checks of the algebra's shapes (algebra.ts) that both backends share: the same refusals in the same words.
 */
import type { AdamOptions, MatmulOptions, ReduceOptions } from './algebra.ts';
import type { Matrix } from './backend.ts';

const size = ({ rows, cols }: Matrix) => `${rows}×${cols}`;

/** @throws RangeError where `into` has another shape, or is one of the inputs. */
export function checkInto(
  into: Matrix | undefined,
  rows: number,
  cols: number,
  inputs: readonly (Matrix | null)[],
): void {
  if (into === undefined) return;
  if (into.rows !== rows || into.cols !== cols) {
    throw new RangeError(`The result has ${rows}×${cols} values; a matrix of ${size(into)} cannot take it.`);
  }
  if (inputs.includes(into)) throw new RangeError('The result cannot overwrite one of its inputs.');
}

export function checkSameShape(...matrices: readonly Matrix[]): void {
  const [first] = matrices;
  for (const other of matrices) {
    if (other.rows !== first.rows || other.cols !== first.cols) {
      throw new RangeError(`Matrices of ${size(first)} and ${size(other)} do not match element by element.`);
    }
  }
}

/** @throws RangeError unless the row is [1 × cols]. */
export function checkRow(row: Matrix | null, cols: number, what: string): void {
  if (row !== null && (row.rows !== 1 || row.cols !== cols)) {
    throw new RangeError(`${what} must be 1×${cols}; it is ${size(row)}.`);
  }
}

export interface MatmulShape {
  readonly m: number;
  readonly n: number;
  /** Terms of each sum. */
  readonly k: number;
}

export function checkMatmul(a: Matrix, b: Matrix, options: MatmulOptions): MatmulShape {
  const [m, k] = options.transposeA ? [a.cols, a.rows] : [a.rows, a.cols];
  const [depth, n] = options.transposeB ? [b.cols, b.rows] : [b.rows, b.cols];
  if (k !== depth) {
    const text = (x: Matrix, transposed?: boolean) => `${size(x)}${transposed ? ' transposed' : ''}`;
    throw new RangeError(
      `A product of ${text(a, options.transposeA)} and ${text(b, options.transposeB)} is not possible.`,
    );
  }
  if (options.accumulate && options.into === undefined) {
    throw new RangeError('A product can only be added to a matrix that is given.');
  }
  checkInto(options.into, m, n, [a, b]);
  return { m, n, k };
}

export function checkCentred(
  into: Matrix,
  x: Matrix,
  xMean: Matrix | null,
  y: Matrix,
  yMean: Matrix | null,
): void {
  if (x.rows !== y.rows) throw new RangeError(`Data of ${x.rows} and ${y.rows} rows cannot be multiplied.`);
  checkRow(xMean, x.cols, 'The column means');
  checkRow(yMean, y.cols, 'The column means');
  checkInto(into, x.cols, y.cols, [x, y, xMean, yMean]);
}

export function checkCrossSums(p: number, q: number, x: Matrix, y: Matrix): void {
  if (x.rows !== y.rows || x.cols !== p || y.cols !== q) {
    throw new RangeError(`Sums of ${p}×${q} products cannot take data of ${size(x)} and ${size(y)}.`);
  }
}

/** @throws RangeError where lengths do not fit. */
export function checkWide(a: Float64Array, n: number, b: Float64Array, m: number): void {
  if (a.length !== n * n || b.length !== n * m) {
    throw new RangeError(
      `A system of ${n} unknowns and ${m} columns was given ${a.length} and ${b.length} values.`,
    );
  }
}

export function checkSquare(a: Matrix, what: string): void {
  if (a.rows !== a.cols) throw new RangeError(`${what} must be square; it is ${size(a)}.`);
}

export function checkLambda(lambda: number): void {
  if (!(lambda >= 0) || !Number.isFinite(lambda)) {
    throw new RangeError(`λ is added to a diagonal and must be 0 or more; it is ${lambda}.`);
  }
}

export function checkRightSide(n: number, b: Matrix): void {
  if (b.rows !== n) throw new RangeError(`A system of ${n} equations has no right side of ${b.rows} rows.`);
}

/** @returns the shape of the sums. */
export function checkReduce(
  x: Matrix,
  y: Matrix | null,
  { along, into, accumulate }: ReduceOptions,
  rowAllowed: boolean,
): { rows: number; cols: number } {
  if (y !== null && !(rowAllowed && y.rows === 1 && y.cols === x.cols)) checkSameShape(x, y);
  const shape = along === 'columns' ? { rows: 1, cols: x.cols } : { rows: x.rows, cols: 1 };
  if (accumulate && into === undefined)
    throw new RangeError('Sums can only be added to a matrix that is given.');
  checkInto(into, shape.rows, shape.cols, [x, y]);
  return shape;
}

export function checkGather(x: Matrix, indices: Uint32Array): void {
  if (indices.length === 0) throw new RangeError('No rows were named.');
  for (const index of indices) {
    if (index >= x.rows) throw new RangeError(`There is no row ${index} among ${x.rows}.`);
  }
}

/** The numbers of a step, in f64. */
export interface AdamStep {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** learningRate / (1 − β₁ᵗ). */
  readonly rate: number;
  /** 1 / (1 − β₂ᵗ). */
  readonly correction: number;
}

export function checkAdam(matrices: readonly Matrix[], options: AdamOptions): AdamStep {
  const { step, learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;
  checkSameShape(...matrices);
  if (new Set(matrices).size < matrices.length) {
    throw new RangeError('Parameters, gradient and both moments must be different matrices.');
  }
  if (!Number.isInteger(step) || step < 1) throw new RangeError(`Steps count from 1; ${step} was given.`);
  return {
    beta1,
    beta2,
    epsilon,
    rate: learningRate / (1 - beta1 ** step),
    correction: 1 / (1 - beta2 ** step),
  };
}
