/**
 * Positive definite systems in f64: (A + λI)·X = B by Cholesky, and once more for what is left of B (twin of
 * webgpu/wide.ts).
 */
import type { WideSolved } from '../algebra.ts';
import { factor, solveInPlace } from './cholesky.ts';
import { addProduct, packColumns, packRows } from './panels.ts';

/** Rows of A in one product. */
const ROWS_AT_ONCE = 256;

/**
 * @param a [n × n], symmetric
 * @param b [n × m]
 */
export async function solveWide(
  a: Float64Array,
  n: number,
  b: Float64Array,
  m: number,
  lambda: number,
  pause: () => Promise<void>,
): Promise<WideSolved> {
  let largest = 0;
  for (let i = 0; i < n; i++) largest = Math.max(largest, a[i * n + i] + lambda);
  const panels = await factor(a, n, lambda, pause, n * Number.EPSILON * largest);
  if ('pivot' in panels) return { ok: false, pivot: panels.pivot };
  const solve = async (x: Float64Array) => {
    await solveInPlace(panels, x, m, false, pause);
    await solveInPlace(panels, x, m, true, pause);
    return x;
  };
  const x = await solve(b.slice());
  const rest = new Float64Array(n * m);
  const right = packColumns(x, m, 0, n, null);
  for (let first = 0; first < n; first += ROWS_AT_ONCE) {
    const count = Math.min(ROWS_AT_ONCE, n - first);
    addProduct(rest.subarray(first * m, (first + count) * m), packRows(a, n, first, count, null), right);
    await pause();
  }
  for (let i = 0; i < rest.length; i++) rest[i] = b[i] - rest[i] - lambda * x[i];
  const residual = norm(rest) / (norm(b) || 1);
  await solve(rest);
  for (let i = 0; i < x.length; i++) x[i] += rest[i];
  return { ok: true, x, residual };
}

function norm(values: Float64Array): number {
  let sum = 0;
  for (const v of values) sum += v * v;
  return Math.sqrt(sum);
}
