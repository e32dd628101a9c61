/**
 * The linear algebra of recovery on the CPU.
 *
 * Without an injected product all sums are f64 JavaScript, at 2–3 GFLOPS; with one (onnxruntime's wasm), products are
 * f32 and moments are summed in f64 over runs of rows. Systems are factored and solved in f64 either way, with one
 * step of refinement against the matrix as given.
 */
import type { Gemm } from '../kernels/backend.ts';
import { factorCholesky, solveCholesky } from './cholesky.ts';
import { type Dense, type LinearAlgebra, productShape } from './linear-algebra.ts';
import { addProduct } from './packed-product.ts';

export interface CpuAlgebraOptions {
  /** A fast f32 product; without it, JavaScript in f64. */
  readonly gemm?: Gemm;
}

/** Rows of one f32 product that is then added to f64 sums. */
const ROWS_PER_RUN = 1024;
/** Tenfold raises from rounding error to larger than the matrix itself. */
const MOST_RAISES = 20;

export function createCpuAlgebra({ gemm }: CpuAlgebraOptions = {}): LinearAlgebra {
  return {
    async matmul(a, b, product = {}) {
      const { transA = false, transB = false } = product;
      const { rows, inner, cols } = productShape(a, b, product);
      if (gemm) {
        const data = await gemm(a.data, a.rows, a.cols, b.data, b.cols, transA, transB);
        return { rows, cols, data };
      }
      const sums = new Float64Array(rows * cols);
      const left = { data: a.data, major: transA ? 1 : a.cols, minor: transA ? a.cols : 1 };
      const right = { data: b.data, major: transB ? b.cols : 1, minor: transB ? 1 : b.cols };
      addProduct(sums, cols, left, rows, right, cols, inner, 1);
      return { rows, cols, data: Float32Array.from(sums) };
    },

    async addCross(sum, a, b, weight) {
      productShape(a, b, { transA: true });
      if (sum.length !== a.cols * b.cols) {
        throw new RangeError(`${sum.length} sums cannot hold a product of ${a.cols} × ${b.cols}.`);
      }
      if (gemm) {
        for (let first = 0; first < a.rows; first += ROWS_PER_RUN) {
          const count = Math.min(ROWS_PER_RUN, a.rows - first);
          const [x, y] = [rowsOf(a, first, count), rowsOf(b, first, count)];
          const part = await gemm(x, count, a.cols, y, b.cols, true, false);
          for (let i = 0; i < part.length; i++) sum[i] += weight * part[i];
        }
        return;
      }
      const left = { data: a.data, major: 1, minor: a.cols };
      const right = { data: b.data, major: 1, minor: b.cols };
      if (a !== b) {
        addProduct(sum, b.cols, left, a.cols, right, b.cols, a.rows, weight);
        return;
      }
      const gram = new Float64Array(sum.length);
      addProduct(gram, b.cols, left, a.cols, right, b.cols, a.rows, weight, true);
      const n = a.cols;
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < n; j++) sum[i * n + j] += j <= i ? gram[i * n + j] : gram[j * n + i];
      }
    },

    async solveSpd(a, n, b, m, ridge) {
      if (a.length !== n * n || b.length !== n * m) {
        throw new RangeError(
          `A system of ${n} unknowns and ${m} columns was given ${a.length} and ${b.length} values.`,
        );
      }
      if (!a.every(Number.isFinite) || !b.every(Number.isFinite)) {
        throw new RangeError(
          'The statistics of the calibration data hold values that are not finite; use data on which the model gives finite values.',
        );
      }
      let trace = 0;
      for (let i = 0; i < n; i++) trace += a[i * n + i];
      let added = ridge;
      for (let raised = 0; raised <= MOST_RAISES; raised++) {
        const l = withRidge(a, n, added);
        if (factorCholesky(l, n) < 0) return { x: refined(a, n, b, m, added, l), ridge: added, raised };
        added = added > 0 ? added * 10 : (n > 0 ? trace / n || 1 : 1) * 1e-15;
      }
      throw new RangeError(
        `A system of ${n} unknowns stayed singular up to a ridge of ${added.toExponential(1)}; give more calibration data.`,
      );
    },
  };
}

function rowsOf(a: Dense, first: number, count: number): Float32Array {
  return a.data.subarray(first * a.cols, (first + count) * a.cols);
}

function withRidge(a: Float64Array, n: number, ridge: number): Float64Array {
  const out = a.slice();
  for (let i = 0; i < n; i++) out[i * n + i] += ridge;
  return out;
}

/** X by the factor, and once more for what is left of B. */
function refined(
  a: Float64Array,
  n: number,
  b: Float64Array,
  m: number,
  ridge: number,
  l: Float64Array,
): Float64Array {
  const x = b.slice();
  solveCholesky(l, n, x, m);
  const rest = b.slice();
  addProduct(rest, m, { data: a, major: n, minor: 1 }, n, { data: x, major: 1, minor: m }, m, n, -1);
  for (let i = 0; i < rest.length; i++) rest[i] -= ridge * x[i];
  solveCholesky(l, n, rest, m);
  for (let i = 0; i < x.length; i++) x[i] += rest[i];
  return x;
}
