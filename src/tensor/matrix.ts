/**
 * A row-major f32 matrix in CPU memory.
 *
 * Why: statistics, weights and correlations all are matrices; the kernels know nothing of layers.
 */
export interface CpuMatrix {
  readonly rows: number;
  readonly cols: number;
  /** Row-major, length rows × cols. */
  readonly data: Float32Array;
}

/**
 * Wraps an array as a matrix without copying.
 * @throws RangeError where the length is not rows × cols.
 */
export function cpuMatrix(data: Float32Array, rows: number, cols: number): CpuMatrix {
  if (data.length !== rows * cols) {
    throw new RangeError(
      `A matrix of ${rows}×${cols} needs ${rows * cols} values; ${data.length} were given.`,
    );
  }
  return { rows, cols, data };
}
