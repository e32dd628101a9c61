/** Driver of shaders/gram.wgsl: (X − s)(X − s)ᵀ of some rows of X. */
import source from '../../../shaders/gram.wgsl?raw';
import type { Stats } from './column_sums.ts';
import type { GpuMatrix } from './matrix.ts';
import { type Shader, shaderConstant } from './pipelines.ts';
import type { GpuQueue } from './queue.ts';
import { type Run, rowsThatFit, runs, wholeTiles } from './slices.ts';

const shader: Shader = { name: 'gram', source };
const TILE = shaderConstant(shader, 'TILE');

/**
 * @param shift of the columns; null for none.
 * @param out receives [m × m] from element outBase on.
 */
export async function gram(
  queue: GpuQueue,
  x: GpuMatrix,
  rows: Run,
  shift: Stats | null,
  out: GPUBuffer,
  outBase: number,
): Promise<void> {
  const m = rows.count;
  const from = queue.elements(x.data, rows.first * x.cols, m * x.cols, 'The rows of a Gram matrix');
  // Where there is no shift, the shader reads none; something has to be bound all the same.
  const stats = shift === null ? from : queue.elements(shift.buffer, 0, shift.length, 'The column means');
  const flopsPerTile = 2 * TILE * m * x.cols;
  const most = Math.min(
    wholeTiles(rowsThatFit(queue.maxBindingBytes, m), TILE),
    Math.max(1, Math.min(Math.floor(queue.maxFlops / flopsPerTile), queue.maxWorkgroups)) * TILE,
  );
  for (const { first, count } of runs(m, most)) {
    const to = queue.elements(out, outBase + first * m, count * m, 'A row of a Gram matrix');
    await queue.dispatch({
      shader,
      params: [m, x.cols, first, count, from.base, shift?.base ?? 0, shift === null ? 0 : 1, to.base],
      bindings: [from.binding, stats.binding, to.binding],
      workgroups: [Math.ceil(m / TILE), Math.ceil(count / TILE)],
      flops: flopsPerTile * Math.ceil(count / TILE),
    });
  }
}
