/**
 * Twin of shaders/correlation.wgsl: from cross moments to correlation, or to centred cross moments.
 *
 * With n rows, shifted sums S and Q and cross moments C [p × q]:
 *   centred[a, b] = C[a, b] − Sx[a]·Sy[b]/n;  σ[a] = √max(0, Q[a]/n − (S[a]/n)²), clamped below at 1e-7;
 *   correlation[a, b] = centred[a, b] / (n·σx[a]·σy[b]), kept in [−1, 1] against rounding.
 * f64 throughout, f32 result.
 */
import type { ColumnSums } from './column_sums.ts';

/** Source: method.md "Steps", 2. A column with a smaller deviation counts as dead. */
const LEAST_DEVIATION = 1e-7;

export function standardDeviations(sums: ColumnSums, samples: number): Float64Array {
  return Float64Array.from(sums.sum, (sum, c) =>
    Math.sqrt(Math.max(0, sums.square[c] / samples - (sum / samples) ** 2)),
  );
}

export function centredCross(
  cross: Float64Array,
  x: ColumnSums,
  y: ColumnSums,
  samples: number,
): Float32Array {
  const q = y.sum.length;
  return Float32Array.from(cross, (value, k) => value - (x.sum[Math.floor(k / q)] * y.sum[k % q]) / samples);
}

export function correlation(
  cross: Float64Array,
  x: ColumnSums,
  y: ColumnSums,
  samples: number,
): Float32Array {
  const p = x.sum.length;
  const q = y.sum.length;
  const inverse = (sums: ColumnSums) =>
    standardDeviations(sums, samples).map((deviation) => 1 / Math.max(deviation, LEAST_DEVIATION));
  const ix = inverse(x);
  const iy = inverse(y);
  const out = new Float32Array(p * q);
  for (let a = 0, k = 0; a < p; a++) {
    for (let b = 0; b < q; b++, k++) {
      const covariance = (cross[k] - (x.sum[a] * y.sum[b]) / samples) / samples;
      const value = covariance * ix[a] * iy[b];
      out[k] = Math.min(1, Math.max(-1, value));
    }
  }
  return out;
}
