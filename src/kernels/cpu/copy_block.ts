/**
 * Twin of shaders/copy_block.wgsl: a block of a matrix, with λ added on the matrix's diagonal. f64 result.
 */
export function copyBlock(
  x: Float32Array | Float64Array,
  stride: number,
  firstRow: number,
  rows: number,
  firstCol: number,
  cols: number,
  lambda: number,
): Float64Array {
  const out = new Float64Array(rows * cols);
  for (let r = 0, k = 0; r < rows; r++) {
    const from = (firstRow + r) * stride + firstCol;
    for (let c = 0; c < cols; c++, k++) {
      out[k] = x[from + c] + (firstRow + r === firstCol + c ? lambda : 0);
    }
  }
  return out;
}
