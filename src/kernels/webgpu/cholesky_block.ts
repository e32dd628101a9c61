/** Driver of shaders/cholesky_block.wgsl: the factor of one block of at most WIDTH columns, and its inverse. */
import source from '../../../shaders/cholesky_block.wgsl?raw';
import { type Shader, shaderConstant } from './pipelines.ts';
import type { GpuQueue } from './queue.ts';

const shader: Shader = { name: 'cholesky_block', source };
export const WIDTH = shaderConstant(shader, 'WIDTH');
/** What `status` holds before, and where every pivot is positive. */
export const NO_PIVOT = 0xffffffff;

/**
 * @param first the block's first row in the whole matrix.
 * @param status one u32: receives the first row whose pivot is not positive.
 */
export async function choleskyBlock(
  queue: GpuQueue,
  block: GPUBuffer,
  n: number,
  first: number,
  lower: GPUBuffer,
  inverse: GPUBuffer,
  status: GPUBuffer,
): Promise<void> {
  await queue.dispatch({
    shader,
    params: [n, first],
    bindings: [{ buffer: block }, { buffer: lower }, { buffer: inverse }, { buffer: status }],
    workgroups: [1],
    flops: n ** 3,
  });
}
