/**
 * Blocked Cholesky factorisation and triangular solves in f64.
 *
 * A = L·Lᵀ in place, in columns of blocks: the block column less what the columns to its left explain (a blocked
 * product), then its diagonal block, then the rows below by substitution (Golub and Van Loan, Matrix Computations,
 * §4.2). n³/3 multiplications for the factor, n²m for m right-hand sides.
 */
import { addProduct } from './packed-product.ts';

const BLOCK = 48;

/**
 * Overwrites the lower triangle of A [n × n] with L; what stands above the diagonal afterwards has no meaning.
 * @returns the first column whose pivot is not positive beyond rounding, or −1 where the factor exists
 */
export function factorCholesky(a: Float64Array, n: number): number {
  let largest = 0;
  for (let i = 0; i < n; i++) largest = Math.max(largest, a[i * n + i]);
  const tiny = n * Number.EPSILON * largest;
  for (let first = 0; first < n; first += BLOCK) {
    const width = Math.min(BLOCK, n - first);
    if (first > 0) {
      const below = { data: a, major: n, minor: 1, offset: first * n };
      addProduct(a, n, below, n - first, below, width, first, -1, false, first * n + first);
    }
    const failed = factorBlock(a, n, first, width, tiny);
    if (failed >= 0) return failed;
    for (let i = first + width; i < n; i++) {
      for (let j = first; j < first + width; j++) {
        let sum = a[i * n + j];
        for (let k = first; k < j; k++) sum -= a[i * n + k] * a[j * n + k];
        a[i * n + j] = sum / a[j * n + j];
      }
    }
  }
  return -1;
}

function factorBlock(a: Float64Array, n: number, first: number, width: number, tiny: number): number {
  for (let j = first; j < first + width; j++) {
    let pivot = a[j * n + j];
    for (let k = first; k < j; k++) pivot -= a[j * n + k] ** 2;
    if (!(pivot > tiny)) return j;
    a[j * n + j] = Math.sqrt(pivot);
    for (let i = j + 1; i < first + width; i++) {
      let sum = a[i * n + j];
      for (let k = first; k < j; k++) sum -= a[i * n + k] * a[j * n + k];
      a[i * n + j] = sum / a[j * n + j];
    }
  }
  return -1;
}

/** Solves L·Lᵀ·X = B in place: `x` holds B [n × m] before and X after. */
export function solveCholesky(l: Float64Array, n: number, x: Float64Array, m: number): void {
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) subtractRow(x, m, i, k, l[i * n + k]);
    scaleRow(x, m, i, l[i * n + i]);
  }
  // Backwards by columns of Lᵀ, that is rows of L, so that L is read in its order.
  for (let i = n - 1; i >= 0; i--) {
    scaleRow(x, m, i, l[i * n + i]);
    for (let k = 0; k < i; k++) subtractRow(x, m, k, i, l[i * n + k]);
  }
}

function subtractRow(x: Float64Array, m: number, to: number, from: number, factor: number): void {
  if (factor === 0) return;
  const [a, b] = [to * m, from * m];
  for (let c = 0; c < m; c++) x[a + c] -= factor * x[b + c];
}

function scaleRow(x: Float64Array, m: number, row: number, divisor: number): void {
  for (let c = 0; c < m; c++) x[row * m + c] /= divisor;
}
