/**
 * Iterative refinement of a linear system that is factored in f32.
 *
 * Source: Wilkinson's scheme with residuals of higher precision: x ← x + (L·Lᵀ)⁻¹(b − (A + λI)x). Each step multiplies
 * the error by about condition · 6e-8 · (a small factor); it goes on while corrections at least halve, and ends where
 * they no longer change x in f32.
 */
import { axpy } from './axpy.ts';
import { type GpuPanel, solve } from './cholesky.ts';
import type { GpuMatrix } from './matrix.ts';
import type { GpuQueue } from './queue.ts';
import { reduce } from './reduce.ts';
import { residual } from './residual.ts';

const ROUNDING = 2 ** -24;

export interface GpuSystem {
  readonly a: GpuMatrix;
  readonly b: GpuMatrix;
  readonly lambda: number;
  readonly panels: readonly GpuPanel[];
}

/**
 * @param x [n × m] receives the solution.
 * @param make a matrix that is released after the call.
 */
export async function refine(
  queue: GpuQueue,
  { a, b, lambda, panels }: GpuSystem,
  x: GpuMatrix,
  make: (rows: number, cols: number) => GpuMatrix,
  most: number,
  signal: AbortSignal | undefined,
): Promise<{ residual: number; refinements: number }> {
  const { rows, cols } = b;
  // What is left of b; the forward half of a solve overwrites it.
  const left = make(rows, cols);
  const half = make(rows, cols);
  const correction = make(rows, cols);
  const sums = make(1, cols);
  const norm = async (matrix: GpuMatrix) => {
    await reduce(queue, 'square', 'columns', matrix, null, sums, false);
    return Math.sqrt((await queue.read(sums.data, cols)).reduce((sum, v) => sum + v, 0));
  };
  const solveInto = async (out: GpuMatrix) => {
    await solve(queue, panels, left, half, false);
    await solve(queue, panels, half, out, true);
  };
  await axpy(queue, b, left, 1, 0);
  await solveInto(x);
  let before = await norm(x);
  let refinements = 0;
  while (refinements < most) {
    signal?.throwIfAborted();
    await residual(queue, a, x, b, lambda, left);
    await solveInto(correction);
    const size = await norm(correction);
    if (!(size < before / 2)) break;
    await axpy(queue, correction, x, 1, 1);
    refinements++;
    before = size;
    if (size <= ROUNDING * (await norm(x))) break;
  }
  await residual(queue, a, x, b, lambda, left);
  const size = await norm(left);
  return { residual: size === 0 ? 0 : size / (await norm(b)), refinements };
}
