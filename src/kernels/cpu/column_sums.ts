/**
 * Twin of shaders/column_sums.wgsl: shift s, Σ(x−s) and Σ(x−s)² of each column of X [T × p], in f64.
 */
export interface ColumnSums {
  /** [p]; fixed by the first batch. */
  shift: Float64Array | null;
  /** Σ(x−s), [p]. */
  readonly sum: Float64Array;
  /** Σ(x−s)², [p]. */
  readonly square: Float64Array;
}

export function createColumnSums(cols: number): ColumnSums {
  return { shift: null, sum: new Float64Array(cols), square: new Float64Array(cols) };
}

/** Column means of rows first … first+count−1 of x [· × cols], taken about the first of them. */
export function columnMeans(x: Float32Array, cols: number, first: number, count: number): Float64Array {
  const mean = new Float64Array(cols);
  const origin = first * cols;
  for (let t = 1; t < count; t++) {
    const base = origin + t * cols;
    for (let c = 0; c < cols; c++) mean[c] += x[base + c] - x[origin + c];
  }
  for (let c = 0; c < cols; c++) mean[c] = x[origin + c] + mean[c] / count;
  return mean;
}

/** Adds a batch x [rows × p]; the first one fixes the shift. */
export function addColumnSums(sums: ColumnSums, x: Float32Array, rows: number): void {
  const cols = sums.sum.length;
  sums.shift ??= columnMeans(x, cols, 0, rows);
  const { shift, sum, square } = sums;
  for (let t = 0; t < rows; t++) {
    const base = t * cols;
    for (let c = 0; c < cols; c++) {
      const value = x[base + c] - shift[c];
      sum[c] += value;
      square[c] += value * value;
    }
  }
}
