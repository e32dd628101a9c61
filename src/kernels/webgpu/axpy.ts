/** Driver of shaders/axpy.wgsl: y = alpha·x + beta·y in place. */
import source from '../../../shaders/axpy.wgsl?raw';
import type { GpuMatrix } from './matrix.ts';
import { type Shader, shaderConstant } from './pipelines.ts';
import { floatBits, type GpuQueue } from './queue.ts';
import { elementsAtOnce, runs } from './slices.ts';

const shader: Shader = { name: 'axpy', source };
const LANES = shaderConstant(shader, 'LANES');

export async function axpy(
  queue: GpuQueue,
  x: GpuMatrix,
  y: GpuMatrix,
  alpha: number,
  beta: number,
): Promise<void> {
  for (const { first, count } of runs(x.rows * x.cols, elementsAtOnce(queue, LANES, 3))) {
    const from = queue.elements(x.data, first, count, 'A part of a matrix');
    const to = queue.elements(y.data, first, count, 'A part of a matrix');
    await queue.dispatch({
      shader,
      params: [count, from.base, to.base, floatBits(alpha), floatBits(beta)],
      bindings: [from.binding, to.binding],
      workgroups: [Math.ceil(count / LANES)],
      flops: 3 * count,
    });
  }
}
