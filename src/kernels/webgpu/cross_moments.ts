/** Driver of shaders/cross_moments.wgsl: adds Σ (x − sx)(y − sy)ᵀ of a batch to [p × q] cross moments. */
import source from '../../../shaders/cross_moments.wgsl?raw';
import type { Stats } from './column_sums.ts';
import type { GpuMatrix } from './matrix.ts';
import { type Shader, shaderConstant } from './pipelines.ts';
import type { GpuQueue } from './queue.ts';
import { rowsThatFit, runs, wholeTiles } from './slices.ts';

const shader: Shader = { name: 'cross_moments', source };
const TILE = shaderConstant(shader, 'TILE');

/** @param cross [p × q], in a buffer of its own. */
export async function crossMoments(
  queue: GpuQueue,
  x: GpuMatrix,
  xStats: Stats,
  y: GpuMatrix,
  yStats: Stats,
  cross: GPUBuffer,
): Promise<void> {
  const p = x.cols;
  const q = y.cols;
  const flopsPerRow = 2 * TILE * q;
  const rowsAtOnce = Math.min(
    rowsThatFit(queue.maxBindingBytes, Math.max(p, q)),
    Math.max(1, queue.maxFlops / flopsPerRow),
  );
  const stats = queue.elements(xStats.buffer, 0, xStats.length, 'The statistics of the columns');
  for (const batch of runs(x.rows, rowsAtOnce)) {
    const left = queue.elements(x.data, batch.first * p, batch.count * p, 'A row of activations');
    const right = queue.elements(y.data, batch.first * q, batch.count * q, 'A row of activations');
    const tilesAtOnce = Math.max(1, Math.floor(queue.maxFlops / (flopsPerRow * batch.count)));
    const most = Math.min(
      wholeTiles(rowsThatFit(queue.maxBindingBytes, q), TILE),
      Math.min(tilesAtOnce, queue.maxWorkgroups) * TILE,
    );
    for (const { first, count } of runs(p, most)) {
      const out = queue.elements(cross, first * q, count * q, 'A row of cross moments');
      await queue.dispatch({
        shader,
        params: [batch.count, p, q, first, count, left.base, right.base, out.base, xStats.base, yStats.base],
        bindings: [left.binding, right.binding, stats.binding, out.binding],
        workgroups: [Math.ceil(q / TILE), Math.ceil(count / TILE)],
        flops: flopsPerRow * batch.count * Math.ceil(count / TILE),
      });
    }
  }
}
