/** Driver of shaders/activation.wgsl: an activation or its derivative, times none, one or two factors. */
import source from '../../../shaders/activation.wgsl?raw';
import { ACTIVATION_NAMES, type ActivationName } from '../algebra.ts';
import type { GpuMatrix } from './matrix.ts';
import { type Shader, shaderConstant } from './pipelines.ts';
import type { GpuQueue } from './queue.ts';
import { elementsAtOnce, runs } from './slices.ts';

const shader: Shader = { name: 'activation', source };
const LANES = shaderConstant(shader, 'LANES');
const FLOPS = 40;

/** @param inputs z and the factors. */
export async function activation(
  queue: GpuQueue,
  name: ActivationName,
  derivative: boolean,
  inputs: readonly GpuMatrix[],
  out: GpuMatrix,
): Promise<void> {
  // Factors that are not there are not read; something has to be bound all the same.
  const [z, a = z, b = z] = inputs;
  for (const { first, count } of runs(z.rows * z.cols, elementsAtOnce(queue, LANES, FLOPS))) {
    const [from, left, right, to] = [z, a, b, out].map(({ data }) =>
      queue.elements(data, first, count, 'A part of a matrix'),
    );
    await queue.dispatch({
      shader,
      params: [
        count,
        ACTIVATION_NAMES.indexOf(name),
        Number(derivative),
        inputs.length - 1,
        from.base,
        left.base,
        right.base,
        to.base,
      ],
      bindings: [from.binding, left.binding, right.binding, to.binding],
      workgroups: [Math.ceil(count / LANES)],
      flops: FLOPS * count,
    });
  }
}
