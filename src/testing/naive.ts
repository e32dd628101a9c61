/**
 * Oracles of the kernels: naive f64 loops from the formulas of method.md, sharing nothing with the code under test.
 * All matrices are row-major.
 */
import { expectClose } from './compare.ts';

/** Error relative to a scale per element: what rounding of a sum of products can be. */
export function expectScaled(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  scale: ArrayLike<number>,
  tolerance: number,
  cols: number,
): void {
  const over = (values: ArrayLike<number>) => Array.from(values, (v, k) => v / (scale[k] || 1));
  expectClose(over(actual), over(expected), { absolute: tolerance, cols });
}

/** Centred cross moments and correlation of X [T × p] and Y [T × q]; scale = T·σx·σy, what rounding compares to. */
export function naiveMoments(x: Float32Array, p: number, y: Float32Array, q: number) {
  const rows = x.length / p;
  const statistics = (m: Float32Array, cols: number) => {
    const mean = Array.from({ length: cols }, (_, c) => {
      let sum = 0;
      for (let t = 0; t < rows; t++) sum += m[t * cols + c];
      return sum / rows;
    });
    const std = mean.map((mu, c) => {
      let sum = 0;
      for (let t = 0; t < rows; t++) sum += (m[t * cols + c] - mu) ** 2;
      return Math.sqrt(sum / rows);
    });
    return { mean, std };
  };
  const sx = statistics(x, p);
  const sy = statistics(y, q);
  const cross = new Float64Array(p * q);
  const correlation = new Float64Array(p * q);
  const scale = new Float64Array(p * q);
  for (let a = 0; a < p; a++) {
    for (let b = 0; b < q; b++) {
      let sum = 0;
      for (let t = 0; t < rows; t++) sum += (x[t * p + a] - sx.mean[a]) * (y[t * q + b] - sy.mean[b]);
      cross[a * q + b] = sum;
      scale[a * q + b] = rows * sx.std[a] * sy.std[b];
      correlation[a * q + b] = sum / rows / (Math.max(sx.std[a], 1e-7) * Math.max(sy.std[b], 1e-7));
    }
  }
  return { cross, correlation, scale, mean: sx.mean, std: sx.std };
}

/** X Xᵀ of some rows of X [· × cols]; scale = the product of the rows' norms. */
export function naiveGram(x: Float32Array, cols: number, first: number, count: number) {
  const gram = new Float64Array(count * count);
  const scale = new Float64Array(count * count);
  const dot = (a: number, b: number) => {
    let sum = 0;
    for (let c = 0; c < cols; c++) sum += x[(first + a) * cols + c] * x[(first + b) * cols + c];
    return sum;
  };
  for (let a = 0; a < count; a++) {
    for (let b = 0; b < count; b++) {
      gram[a * count + b] = dot(a, b);
      scale[a * count + b] = Math.sqrt(dot(a, a) * dot(b, b));
    }
  }
  return { gram, scale };
}

/** HSIC₁ exactly as method.md writes it, from raw Grams. */
export function naiveHsic(k: Float64Array, l: Float64Array, m: number): number {
  const zeroed = (gram: Float64Array) => gram.map((v, index) => (index % (m + 1) === 0 ? 0 : v));
  const kz = zeroed(k);
  const lz = zeroed(l);
  let trace = 0;
  let kTotal = 0;
  let lTotal = 0;
  let mixed = 0;
  for (let a = 0; a < m; a++) {
    let kRow = 0;
    let lRow = 0;
    for (let b = 0; b < m; b++) {
      trace += kz[a * m + b] * lz[b * m + a];
      kRow += kz[a * m + b];
      lRow += lz[a * m + b];
    }
    kTotal += kRow;
    lTotal += lRow;
    mixed += kRow * lRow;
  }
  return (trace + (kTotal * lTotal) / ((m - 1) * (m - 2)) - (2 * mixed) / (m - 2)) / (m * (m - 3));
}

/** mean of gathered rows (axis 0) or columns (axis 1) */
export function naivePermuteAverage(
  data: Float32Array[],
  permutations: (Uint32Array | null)[],
  rows: number,
  cols: number,
  axis: 0 | 1,
): Float64Array {
  return Float64Array.from({ length: rows * cols }, (_, k) => {
    const [row, col] = [Math.floor(k / cols), k % cols];
    let sum = 0;
    data.forEach((x, which) => {
      const move = (u: number) => permutations[which]?.[u] ?? u;
      sum += axis === 0 ? x[move(row) * cols + col] : x[row * cols + move(col)];
    });
    return sum / data.length;
  });
}

/** op(A)·op(B), shapes as stored; scale = the product of the norms of the row and the column. */
export function naiveProduct(
  a: ArrayLike<number>,
  aRows: number,
  aCols: number,
  b: ArrayLike<number>,
  bCols: number,
  transposeA: boolean,
  transposeB: boolean,
) {
  const [m, k] = transposeA ? [aCols, aRows] : [aRows, aCols];
  const n = transposeB ? b.length / bCols : bCols;
  const product = new Float64Array(m * n);
  const scale = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let [sum, left, right] = [0, 0, 0];
      for (let t = 0; t < k; t++) {
        const x = transposeA ? a[t * aCols + i] : a[i * aCols + t];
        const y = transposeB ? b[j * bCols + t] : b[t * bCols + j];
        sum += x * y;
        left += x * x;
        right += y * y;
      }
      product[i * n + j] = sum;
      scale[i * n + j] = Math.sqrt(left * right);
    }
  }
  return { product, scale };
}

/** (A + λI)⁻¹·B by Gaussian elimination with row pivots, for A [n × n] and B [n × m]. */
export function naiveSolve(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  n: number,
  m: number,
  lambda: number,
): Float64Array {
  const width = n + m;
  const rows = Array.from({ length: n }, (_, r) =>
    Float64Array.from({ length: width }, (_, c) =>
      c < n ? a[r * n + c] + (r === c ? lambda : 0) : b[r * m + c - n],
    ),
  );
  for (let k = 0; k < n; k++) {
    let best = k;
    for (let r = k + 1; r < n; r++) if (Math.abs(rows[r][k]) > Math.abs(rows[best][k])) best = r;
    [rows[k], rows[best]] = [rows[best], rows[k]];
    for (let r = 0; r < n; r++) {
      if (r === k) continue;
      const factor = rows[r][k] / rows[k][k];
      for (let c = k; c < width; c++) rows[r][c] -= factor * rows[k][c];
    }
  }
  return Float64Array.from({ length: n * m }, (_, k) => {
    const row = rows[Math.floor(k / m)];
    return row[n + (k % m)] / row[Math.floor(k / m)];
  });
}

/** An orthogonal matrix [n × n]: Gram–Schmidt, twice, on the rows of x. */
export function naiveOrthogonal(x: ArrayLike<number>, n: number): Float64Array {
  const out = Float64Array.from(x);
  for (let r = 0; r < n; r++) {
    const row = out.subarray(r * n, (r + 1) * n);
    const dot = (other: Float64Array) => row.reduce((sum, v, c) => sum + v * other[c], 0);
    for (let pass = 0; pass < 2; pass++) {
      for (let s = 0; s < r; s++) {
        const other = out.subarray(s * n, (s + 1) * n);
        const along = dot(other);
        for (let c = 0; c < n; c++) row[c] -= along * other[c];
      }
    }
    const norm = Math.sqrt(dot(row));
    for (let c = 0; c < n; c++) row[c] /= norm;
  }
  return out;
}

/** ‖actual − expected‖ / ‖expected‖; NaN where any value is. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [error, size] = [0, 0];
  for (let k = 0; k < expected.length; k++) {
    error += (actual[k] - expected[k]) ** 2;
    size += expected[k] ** 2;
  }
  return actual.length === expected.length ? Math.sqrt(error / size) : Number.NaN;
}
