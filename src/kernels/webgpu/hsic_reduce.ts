/** Driver of shaders/hsic_reduce.wgsl: adds HSIC₁ of all pairs of a stack of U-centred Grams to [N × N] sums. */
import source from '../../../shaders/hsic_reduce.wgsl?raw';
import type { Shader } from './pipelines.ts';
import { floatBits, type GpuQueue } from './queue.ts';
import { runs } from './slices.ts';

const shader: Shader = { name: 'hsic_reduce', source };

export async function hsicReduce(
  queue: GpuQueue,
  stack: GPUBuffer,
  count: number,
  m: number,
  sums: GPUBuffer,
): Promise<void> {
  const length = m * m;
  const from = queue.elements(stack, 0, count * length, 'A stack of Gram matrices');
  const to = queue.elements(sums, 0, count * count, 'The sums of HSIC');
  const flopsPerRow = 2 * count * length;
  for (const run of runs(count, Math.min(queue.maxFlops / flopsPerRow, queue.maxWorkgroups))) {
    await queue.dispatch({
      shader,
      params: [count, length, run.first, floatBits(1 / (m * (m - 3)))],
      bindings: [from.binding, to.binding],
      workgroups: [count, run.count],
      flops: flopsPerRow * run.count,
    });
  }
}
