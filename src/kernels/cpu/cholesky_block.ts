/**
 * Twin of shaders/cholesky_block.wgsl: the Cholesky factor of one small block and the factor's inverse, in f64.
 *
 * With the inverse at hand, everything else of a blocked factorisation and of triangular solves is products.
 */

/**
 * @param block [n × n], symmetric; only the lower triangle is read. Becomes L, zero above the diagonal.
 * @param inverse [n × n], becomes L⁻¹.
 * @param least a pivot is to be above it.
 * @returns −1, or the first row whose pivot is not a positive number.
 */
export function choleskyBlock(block: Float64Array, inverse: Float64Array, n: number, least = 0): number {
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = block[i * n + j];
      for (let k = 0; k < j; k++) sum -= block[i * n + k] * block[j * n + k];
      if (i === j) {
        if (!(sum > least && sum < Number.POSITIVE_INFINITY)) return i;
        block[i * n + i] = Math.sqrt(sum);
      } else {
        block[i * n + j] = sum / block[j * n + j];
      }
    }
    block.fill(0, i * n + i + 1, (i + 1) * n);
  }
  inverse.fill(0);
  for (let c = 0; c < n; c++) {
    for (let r = c; r < n; r++) {
      let sum = r === c ? 1 : 0;
      for (let k = c; k < r; k++) sum -= block[r * n + k] * inverse[k * n + c];
      inverse[r * n + c] = sum / block[r * n + r];
    }
  }
  return -1;
}
