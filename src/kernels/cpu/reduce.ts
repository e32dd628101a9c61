/**
 * Twin of shaders/reduce.wgsl: sums of x, x·y or (x − y)² down the columns or
 * along the rows of x [rows × cols], in f64.
 */
export type Term = 'value' | 'product' | 'square';

/**
 * @param y the other factor, or what is subtracted; null for 1 and 0. One row where it has cols values.
 * @param out [cols] or [rows]; added to.
 */
export function reduce(
  out: Float32Array,
  term: Term,
  along: 'columns' | 'rows',
  x: Float32Array,
  y: Float32Array | null,
  cols: number,
): void {
  const rows = x.length / cols;
  const sums = Float64Array.from(out);
  const isRow = y !== null && y.length === cols;
  for (let t = 0, k = 0; t < rows; t++) {
    for (let c = 0; c < cols; c++, k++) {
      const other = y === null ? 0 : y[isRow ? c : k];
      const value = term === 'value' ? x[k] : term === 'product' ? x[k] * other : (x[k] - other) ** 2;
      sums[along === 'columns' ? c : t] += value;
    }
  }
  out.set(sums);
}
