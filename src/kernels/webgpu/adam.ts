/** Driver of shaders/adam.wgsl: one step of Adam in place. */
import source from '../../../shaders/adam.wgsl?raw';
import type { AdamStep } from '../algebra-shapes.ts';
import type { GpuMatrix } from './matrix.ts';
import { type Shader, shaderConstant } from './pipelines.ts';
import { floatBits, type GpuQueue } from './queue.ts';
import { elementsAtOnce, runs } from './slices.ts';

const shader: Shader = { name: 'adam', source };
const LANES = shaderConstant(shader, 'LANES');
const FLOPS = 15;

export async function adam(
  queue: GpuQueue,
  parameters: GpuMatrix,
  gradient: GpuMatrix,
  m: GpuMatrix,
  v: GpuMatrix,
  { beta1, beta2, epsilon, rate, correction }: AdamStep,
): Promise<void> {
  const total = parameters.rows * parameters.cols;
  const numbers = [beta1, 1 - beta1, beta2, 1 - beta2, epsilon, rate, correction].map(floatBits);
  for (const { first, count } of runs(total, elementsAtOnce(queue, LANES, FLOPS))) {
    const [p, g, mean, square] = [parameters, gradient, m, v].map(({ data }) =>
      queue.elements(data, first, count, 'A part of the parameters'),
    );
    await queue.dispatch({
      shader,
      params: [count, p.base, g.base, mean.base, square.base, ...numbers],
      bindings: [g.binding, p.binding, mean.binding, square.binding],
      workgroups: [Math.ceil(count / LANES)],
      flops: FLOPS * count,
    });
  }
}
