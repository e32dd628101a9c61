/** Driver of shaders/correlation.wgsl: correlation, or centred cross moments, from accumulated moments. */
import source from '../../../shaders/correlation.wgsl?raw';
import type { Stats } from './column_sums.ts';
import type { GpuMatrix } from './matrix.ts';
import { type Shader, shaderConstant } from './pipelines.ts';
import { floatBits, type GpuQueue } from './queue.ts';
import { rowsThatFit, runs } from './slices.ts';

const shader: Shader = { name: 'correlation', source };
const SIDE = shaderConstant(shader, 'SIDE');

/** @param out [p × q], written. */
export async function correlation(
  queue: GpuQueue,
  cross: GPUBuffer,
  xStats: Stats,
  yStats: Stats,
  samples: number,
  normalise: boolean,
  out: GpuMatrix,
): Promise<void> {
  const { rows: p, cols: q } = out;
  const stats = queue.elements(xStats.buffer, 0, xStats.length, 'The statistics of the columns');
  const most = Math.min(
    rowsThatFit(queue.maxBindingBytes, q),
    queue.maxFlops / (16 * q),
    queue.maxWorkgroups * SIDE,
  );
  for (const { first, count } of runs(p, most)) {
    const from = queue.elements(cross, first * q, count * q, 'A row of cross moments');
    const to = queue.elements(out.data, first * q, count * q, 'A row of correlations');
    await queue.dispatch({
      shader,
      params: [
        p,
        q,
        first,
        count,
        from.base,
        to.base,
        xStats.base,
        yStats.base,
        normalise ? 1 : 0,
        floatBits(samples),
      ],
      bindings: [from.binding, stats.binding, to.binding],
      workgroups: [Math.ceil(q / SIDE), Math.ceil(count / SIDE)],
      flops: 16 * count * q,
    });
  }
}
