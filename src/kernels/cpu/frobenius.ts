/**
 * Twin of shaders/frobenius.wgsl: ‖C − Sx Syᵀ/n‖²_F of cross moments C [p × q], for exact CKA. f64.
 */
export function centredNorm(
  cross: Float64Array,
  xSum: Float64Array,
  ySum: Float64Array,
  samples: number,
): number {
  let total = 0;
  for (let a = 0, k = 0; a < xSum.length; a++) {
    const scale = xSum[a] / samples;
    for (let b = 0; b < ySum.length; b++, k++) total += (cross[k] - scale * ySum[b]) ** 2;
  }
  return total;
}
