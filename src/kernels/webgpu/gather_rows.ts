/** Driver of shaders/gather_rows.wgsl: rows by their indices. */
import source from '../../../shaders/gather_rows.wgsl?raw';
import { type Shader, shaderConstant } from './pipelines.ts';
import type { GpuQueue } from './queue.ts';
import { rowsThatFit, runs } from './slices.ts';

const shader: Shader = { name: 'gather_rows', source };
const SIDE = shaderConstant(shader, 'SIDE');

/**
 * @param x [rows × cols]; any row may be named.
 * @param out [indices.length × cols]
 * @throws GpuLimitError where x is over the binding limit.
 */
export async function gatherRows(
  queue: GpuQueue,
  x: GPUBuffer,
  rows: number,
  cols: number,
  indices: Uint32Array,
  out: GPUBuffer,
): Promise<void> {
  const from = queue.elements(x, 0, rows * cols, 'A matrix whose rows are gathered');
  const most = Math.min(
    rowsThatFit(queue.maxBindingBytes, cols),
    queue.maxFlops / cols,
    queue.maxWorkgroups * SIDE,
  );
  const uploaded = queue.upload(indices, 'Indices of rows');
  try {
    for (const { first, count } of runs(indices.length, most)) {
      const to = queue.elements(out, first * cols, count * cols, 'A row of a matrix');
      await queue.dispatch({
        shader,
        params: [cols, first, count, from.base, to.base],
        bindings: [from.binding, { buffer: uploaded }, to.binding],
        workgroups: [Math.ceil(cols / SIDE), Math.ceil(count / SIDE)],
        flops: count * cols,
      });
    }
  } finally {
    queue.destroy(uploaded);
  }
}
