/** Driver of shaders/column_sums.wgsl: adds a batch to shift, Σ(x−s) and Σ(x−s)² of its columns. */
import source from '../../../shaders/column_sums.wgsl?raw';
import type { GpuMatrix } from './matrix.ts';
import { type Shader, shaderConstant } from './pipelines.ts';
import type { GpuQueue } from './queue.ts';
import { type Run, rowsThatFit, runs } from './slices.ts';

const shader: Shader = { name: 'column_sums', source };
const COLS = shaderConstant(shader, 'COLS');

/** Where [3 × cols] statistics stand in a buffer. */
export interface Stats {
  readonly buffer: GPUBuffer;
  readonly length: number;
  readonly base: number;
}

/**
 * @param fixShift the first batch: its column means (of its first run of rows, where it is cut) become the shift.
 */
export async function columnSums(
  queue: GpuQueue,
  x: GpuMatrix,
  rows: Run,
  stats: Stats,
  fixShift: boolean,
): Promise<void> {
  const { cols } = x;
  const most = Math.min(rowsThatFit(queue.maxBindingBytes, cols), queue.maxFlops / (6 * cols));
  const to = queue.elements(stats.buffer, 0, stats.length, 'The statistics of the columns');
  for (const { first, count } of runs(rows.count, most)) {
    const from = queue.elements(x.data, (rows.first + first) * cols, count * cols, 'A row of activations');
    await queue.dispatch({
      shader,
      params: [count, cols, fixShift && first === 0 ? 1 : 0, from.base, stats.base],
      bindings: [from.binding, to.binding],
      workgroups: [Math.ceil(cols / COLS)],
      flops: 6 * count * cols,
    });
  }
}
