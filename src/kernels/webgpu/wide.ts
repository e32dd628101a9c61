/**
 * Positive definite systems in f64, (A + λI)·X = B, with an f32 factor (twin of cpu/wide.ts).
 *
 * A + λI, B and X are split into two f32 each: high and low. The factor is that of the high part; residuals take
 * high · high nearly exactly (residual.wgsl) and the small products of a low part in f32, and X is summed in f64 on the
 * CPU, n × m values a step. Each step brings about as many digits as 7 less the condition's.
 */
import type { WideSolved } from '../algebra.ts';
import { axpy } from './axpy.ts';
import { factor, solve } from './cholesky.ts';
import { matmul, wholeMatrix } from './matmul.ts';
import { GpuFactor, type GpuMatrix } from './matrix.ts';
import type { GpuQueue } from './queue.ts';
import { residual } from './residual.ts';

const MOST_STEPS = 8;
/** Of X: where corrections are below it, low parts are at their end too. */
const ENOUGH = 2 ** -44;

/**
 * @param a [n × n], symmetric
 * @param b [n × m]
 * @param make a matrix that is released after the call
 * @returns not ok, with pivot n − 1, where the factor exists but is too rough for refinement to converge
 */
export async function solveWide(
  queue: GpuQueue,
  a: Float64Array,
  n: number,
  b: Float64Array,
  m: number,
  lambda: number,
  make: (rows: number, cols: number) => GpuMatrix,
  signal: AbortSignal | undefined,
): Promise<WideSolved> {
  const shifted = (k: number) => (k % (n + 1) === 0 ? a[k] + lambda : a[k]);
  const pair = (rows: number, cols: number) => ({ high: make(rows, cols), low: make(rows, cols) });
  const matrix = pair(n, n);
  write(queue, matrix, n * n, shifted);
  const panels = await factor(queue, matrix.high, 0, signal);
  if ('pivot' in panels) return { ok: false, pivot: panels.pivot };
  try {
    const [right, x] = [pair(n, m), pair(n, m)];
    write(queue, right, n * m, (k) => b[k]);
    const [left, half, correction] = [make(n, m), make(n, m), make(n, m)];
    const corrected = async () => {
      await solve(queue, panels, left, half, false);
      await solve(queue, panels, half, correction, true);
      return queue.read(correction.data, n * m);
    };
    await axpy(queue, right.high, left, 1, 0);
    const sum = Float64Array.from(await corrected());
    let before = norm(sum);
    let rest = 1;
    for (let step = 0; step < MOST_STEPS; step++) {
      signal?.throwIfAborted();
      // What was recorded has been read: nothing can see the new values too early.
      write(queue, x, n * m, (k) => sum[k]);
      await residual(queue, matrix.high, x.high, right.high, 0, left);
      await axpy(queue, right.low, left, 1, 1);
      const minus = { m: n, n: m, k: n, alpha: -1, accumulate: true };
      for (const [p, q] of [
        [matrix.low, x.high],
        [matrix.high, x.low],
      ]) {
        await matmul(queue, wholeMatrix(p), wholeMatrix(q), wholeMatrix(left), minus);
      }
      rest = norm(await queue.read(left.data, n * m)) / (norm(b) || 1);
      const more = await corrected();
      const size = norm(more);
      if (!(size <= before / 2)) {
        if (step === 0) return { ok: false, pivot: n - 1 };
        break;
      }
      for (let k = 0; k < sum.length; k++) sum[k] += more[k];
      before = size;
      if (size <= ENOUGH * norm(sum)) break;
    }
    return { ok: true, x: sum, residual: rest };
  } finally {
    for (const buffer of new GpuFactor(n, panels).detach()) queue.destroy(buffer);
  }
}

/** Splits values in two and writes them. */
function write(
  queue: GpuQueue,
  { high, low }: { readonly high: GpuMatrix; readonly low: GpuMatrix },
  count: number,
  valueAt: (k: number) => number,
): void {
  const part = new Float32Array(count);
  for (let k = 0; k < count; k++) part[k] = valueAt(k);
  queue.device.queue.writeBuffer(high.data, 0, part);
  for (let k = 0; k < count; k++) part[k] = valueAt(k) - part[k];
  queue.device.queue.writeBuffer(low.data, 0, part);
}

function norm(values: ArrayLike<number>): number {
  let sum = 0;
  for (let k = 0; k < values.length; k++) sum += values[k] * values[k];
  return Math.sqrt(sum);
}
