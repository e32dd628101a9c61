/** Driver of shaders/copy_block.wgsl: a block of a matrix in a buffer of its own, with λ on the matrix's diagonal. */
import source from '../../../shaders/copy_block.wgsl?raw';
import type { GpuMatrix } from './matrix.ts';
import { type Shader, shaderConstant } from './pipelines.ts';
import { floatBits, type GpuQueue } from './queue.ts';
import { type Run, rowsThatFit, runs } from './slices.ts';

const shader: Shader = { name: 'copy_block', source };
const SIDE = shaderConstant(shader, 'SIDE');

/** @param out [rows.count × cols.count] */
export async function copyBlock(
  queue: GpuQueue,
  x: GpuMatrix,
  rows: Run,
  cols: Run,
  lambda: number,
  out: GPUBuffer,
): Promise<void> {
  const most = Math.min(
    rowsThatFit(queue.maxBindingBytes, x.cols),
    queue.maxFlops / (2 * cols.count),
    queue.maxWorkgroups * SIDE,
  );
  for (const { first, count } of runs(rows.count, most)) {
    const row = rows.first + first;
    const length = (count - 1) * x.cols + cols.count;
    const from = queue.elements(x.data, row * x.cols + cols.first, length, 'A row of a matrix');
    const to = queue.elements(out, first * cols.count, count * cols.count, 'A row of a block');
    await queue.dispatch({
      shader,
      params: [count, cols.count, from.base, x.cols, to.base, row, cols.first, floatBits(lambda)],
      bindings: [from.binding, to.binding],
      workgroups: [Math.ceil(cols.count / SIDE), Math.ceil(count / SIDE)],
      flops: 2 * count * cols.count,
    });
  }
}
