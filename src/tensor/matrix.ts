/**
 * Row-major f32 matrices in CPU memory, as plain arrays.
 *
 * Why: weights are stored the one way round or the other; reading them and writing them back turns them.
 */

/** [rows × cols] to [cols × rows], a new array. */
export function transpose(values: Float32Array, rows: number, cols: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) out[c * rows + r] = values[r * cols + c];
  return out;
}
