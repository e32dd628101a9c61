/**
 * Checks of shapes and indices that both backends share, so that they refuse the same calls in the same words.
 */
import type { Matrix, Pair } from './backend.ts';

/** HSIC₁ divides by m(m−3). */
export const FEWEST_HSIC_ROWS = 4;
/** Keeps the row sums of a Gram matrix within the workgroup memory of any GPU. */
export const MOST_HSIC_ROWS = 1024;

export function checkSize(rows: number, cols: number): void {
  if (!Number.isSafeInteger(rows) || !Number.isSafeInteger(cols) || rows < 1 || cols < 1) {
    throw new RangeError(`A matrix of ${rows}×${cols} is not possible.`);
  }
}

export function checkData(data: Float32Array, rows: number, cols: number): void {
  checkSize(rows, cols);
  if (data.length !== rows * cols) {
    throw new RangeError(
      `A matrix of ${rows}×${cols} needs ${rows * cols} values; ${data.length} were given.`,
    );
  }
}

/** Every pair names two of the feature matrices, and the matrices that it names have columns. */
export function checkPairs(cols: readonly number[], pairs: readonly Pair[]): void {
  for (const [i, j] of pairs) {
    for (const index of [i, j]) {
      if (!(cols[index] >= 1))
        throw new RangeError(`Pair ${i}–${j} names a feature matrix that is not there.`);
    }
  }
}

/**
 * @returns T, the rows of the batch.
 */
export function checkBatch(
  cols: readonly number[],
  pairs: readonly Pair[],
  features: readonly (Matrix | null)[],
): number {
  if (features.length !== cols.length) {
    throw new RangeError(`${cols.length} feature matrices were expected; ${features.length} were given.`);
  }
  const used = new Set(pairs.flat());
  let rows = -1;
  features.forEach((matrix, index) => {
    if (!used.has(index)) return;
    if (matrix === null) throw new RangeError(`Feature matrix ${index} is missing.`);
    if (matrix.cols !== cols[index]) {
      throw new RangeError(`Feature matrix ${index} has ${matrix.cols} columns instead of ${cols[index]}.`);
    }
    if (rows >= 0 && matrix.rows !== rows) {
      throw new RangeError(`Feature matrices of one batch have ${rows} and ${matrix.rows} rows.`);
    }
    rows = matrix.rows;
  });
  return Math.max(0, rows);
}

export function checkRowRange(matrix: Matrix, first: number, count: number): void {
  if (
    !Number.isInteger(first) ||
    !Number.isInteger(count) ||
    first < 0 ||
    count < 1 ||
    first + count > matrix.rows
  ) {
    throw new RangeError(
      `Rows ${first} to ${first + count - 1} are not all among the ${matrix.rows} of the matrix.`,
    );
  }
}

export function checkHsic(count: number, features: readonly Matrix[], first: number, rows: number): void {
  if (features.length !== count) {
    throw new RangeError(`${count} feature matrices were expected; ${features.length} were given.`);
  }
  if (rows < FEWEST_HSIC_ROWS || rows > MOST_HSIC_ROWS) {
    throw new RangeError(
      `HSIC takes minibatches of ${FEWEST_HSIC_ROWS} to ${MOST_HSIC_ROWS} rows; ${rows} were given.`,
    );
  }
  for (const matrix of features) checkRowRange(matrix, first, rows);
}

/** @returns the shape of the result. */
export function checkPermuteAverage(
  inputs: readonly Matrix[],
  permutations: readonly (Uint32Array | null)[],
  axis: 0 | 1,
  out: Matrix | undefined,
): { rows: number; cols: number } {
  if (inputs.length === 0 || inputs.length !== permutations.length) {
    throw new RangeError(
      `An average needs one permutation a matrix; ${inputs.length} and ${permutations.length} came.`,
    );
  }
  const { rows, cols } = inputs[0];
  const length = axis === 0 ? rows : cols;
  for (const matrix of out === undefined ? inputs : [...inputs, out]) {
    if (matrix.rows !== rows || matrix.cols !== cols) {
      throw new RangeError(
        `Matrices of ${rows}×${cols} and ${matrix.rows}×${matrix.cols} cannot be averaged.`,
      );
    }
  }
  if (out !== undefined && inputs.includes(out)) {
    throw new RangeError('The result of an average cannot overwrite one of its inputs.');
  }
  for (const indices of permutations) {
    if (indices === null) continue;
    if (indices.length !== length) {
      throw new RangeError(`A permutation of ${length} was expected; one of ${indices.length} came.`);
    }
    for (const index of indices) {
      if (index >= length)
        throw new RangeError(`Index ${index} is out of range in a permutation of ${length}.`);
    }
  }
  return { rows, cols };
}
