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
  // How far y goes on from row to row.
  const step = y !== null && y.length === cols ? 0 : cols;
  for (let t = 0; t < rows; t++) {
    const row = x.subarray(t * cols, (t + 1) * cols);
    const other = y?.subarray(t * step, t * step + cols) ?? null;
    if (along === 'columns') addTerms(sums, row, other, term);
    else sums[t] += sumOfTerms(row, other, term);
  }
  out.set(sums);
}

function addTerms(sums: Float64Array, x: Float32Array, y: Float32Array | null, term: Term): void {
  if (term === 'product' && y !== null) for (let c = 0; c < x.length; c++) sums[c] += x[c] * y[c];
  else if (term === 'value') for (let c = 0; c < x.length; c++) sums[c] += x[c];
  else if (y === null) for (let c = 0; c < x.length; c++) sums[c] += x[c] * x[c];
  else for (let c = 0; c < x.length; c++) sums[c] += (x[c] - y[c]) * (x[c] - y[c]);
}

function sumOfTerms(x: Float32Array, y: Float32Array | null, term: Term): number {
  let sum = 0;
  if (term === 'product' && y !== null) for (let c = 0; c < x.length; c++) sum += x[c] * y[c];
  else if (term === 'value') for (let c = 0; c < x.length; c++) sum += x[c];
  else if (y === null) for (let c = 0; c < x.length; c++) sum += x[c] * x[c];
  else for (let c = 0; c < x.length; c++) sum += (x[c] - y[c]) * (x[c] - y[c]);
  return sum;
}
