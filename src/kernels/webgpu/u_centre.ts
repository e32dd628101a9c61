/** Driver of shaders/u_centre.wgsl: U-centres a stack of Gram matrices [count × m × m] in place. */
import source from '../../../shaders/u_centre.wgsl?raw';
import { type Shader, shaderConstant } from './pipelines.ts';
import type { GpuQueue } from './queue.ts';

const shader: Shader = { name: 'u_centre', source };
const MOST_ROWS = shaderConstant(shader, 'MOST_ROWS');

/** @throws RangeError for matrices of more rows than the shader's workgroup memory is made for. */
export async function uCentre(queue: GpuQueue, stack: GPUBuffer, count: number, m: number): Promise<void> {
  if (m > MOST_ROWS)
    throw new RangeError(`Gram matrices of at most ${MOST_ROWS} rows can be centred; not ${m}.`);
  const { binding } = queue.elements(stack, 0, count * m * m, 'A stack of Gram matrices');
  await queue.dispatch({
    shader,
    params: [m],
    bindings: [binding],
    workgroups: [count],
    flops: 6 * count * m * m,
  });
}
