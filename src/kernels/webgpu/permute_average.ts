/** Driver of shaders/permute_average.wgsl: the mean of K permuted matrices, one dispatch a matrix and run of rows. */
import source from '../../../shaders/permute_average.wgsl?raw';
import type { GpuMatrix } from './matrix.ts';
import { type Shader, shaderConstant } from './pipelines.ts';
import { floatBits, type GpuQueue } from './queue.ts';
import { rowsThatFit, runs } from './slices.ts';

const shader: Shader = { name: 'permute_average', source };
const SIDE = shaderConstant(shader, 'SIDE');

/** @throws GpuLimitError where rows are permuted and one matrix is over the binding limit: any row may come from any. */
export async function permuteAverage(
  queue: GpuQueue,
  inputs: readonly GpuMatrix[],
  permutations: readonly (Uint32Array | null)[],
  axis: 0 | 1,
  out: GpuMatrix,
): Promise<void> {
  const { rows, cols } = out;
  const most = Math.min(
    rowsThatFit(queue.maxBindingBytes, cols),
    queue.maxFlops / (3 * cols),
    queue.maxWorkgroups * SIDE,
  );
  const uploaded: GPUBuffer[] = [];
  try {
    for (let k = 0; k < inputs.length; k++) {
      const indices = permutations[k];
      const buffer = indices === null ? null : queue.upload(indices, 'A permutation');
      if (buffer !== null) uploaded.push(buffer);
      const wholeInput = axis === 0 && indices !== null;
      for (const { first, count } of runs(rows, most)) {
        const from = wholeInput
          ? queue.elements(inputs[k].data, 0, rows * cols, 'A matrix whose rows are permuted')
          : queue.elements(inputs[k].data, first * cols, count * cols, 'A row of a matrix');
        const to = queue.elements(out.data, first * cols, count * cols, 'A row of a matrix');
        const divisor = k === inputs.length - 1 ? inputs.length : 1;
        await queue.dispatch({
          shader,
          params: [
            cols,
            first,
            count,
            axis,
            indices === null ? 0 : 1,
            k === 0 ? 1 : 0,
            from.base,
            to.base,
            floatBits(divisor),
          ],
          // With no permutation the shader reads none; something has to be bound all the same.
          bindings: [from.binding, buffer === null ? from.binding : { buffer }, to.binding],
          workgroups: [Math.ceil(cols / SIDE), Math.ceil(count / SIDE)],
          flops: 3 * count * cols,
        });
      }
    }
    await queue.flush();
  } finally {
    for (const buffer of uploaded) queue.destroy(buffer);
  }
}
