/** Driver of shaders/frobenius.wgsl: squared norms of centred cross moments, in parts that the CPU adds in f64. */
import source from '../../../shaders/frobenius.wgsl?raw';
import type { Stats } from './column_sums.ts';
import { type Shader, shaderConstant } from './pipelines.ts';
import { floatBits, type GpuQueue } from './queue.ts';
import { rowsThatFit, runs } from './slices.ts';

const shader: Shader = { name: 'frobenius', source };
const LANES = shaderConstant(shader, 'LANES');
/** Enough workgroups to fill a GPU, few enough to read back. */
const MOST_PARTS = 64;

export interface CentredNormInput {
  readonly cross: GPUBuffer;
  readonly x: Stats;
  readonly y: Stats;
  readonly p: number;
  readonly q: number;
}

/** @returns ‖cross − Sx Syᵀ/n‖²_F of each input. */
export async function centredNorms(
  queue: GpuQueue,
  inputs: readonly CentredNormInput[],
  samples: number,
): Promise<Float64Array> {
  const plan = inputs.flatMap((input, which) => {
    const most = Math.min(rowsThatFit(queue.maxBindingBytes, input.q), queue.maxFlops / (5 * input.q));
    return [...runs(input.p, most)].map((run) => {
      return { input, which, run, parts: Math.min(MOST_PARTS, Math.ceil((run.count * input.q) / LANES)) };
    });
  });
  const total = plan.reduce((sum, { parts }) => sum + parts, 0);
  const buffer = queue.createBuffer(total, 'Parts of squared norms');
  try {
    let partsBase = 0;
    for (const { input, run, parts } of plan) {
      const { x, y, p, q } = input;
      const from = queue.elements(input.cross, run.first * q, run.count * q, 'A row of cross moments');
      const stats = queue.elements(x.buffer, 0, x.length, 'The statistics of the columns');
      const to = queue.elements(buffer, 0, total, 'Parts of squared norms');
      await queue.dispatch({
        shader,
        params: [q, run.first, run.count, from.base, x.base + p, y.base + q, partsBase, floatBits(samples)],
        bindings: [from.binding, stats.binding, to.binding],
        workgroups: [parts],
        flops: 5 * run.count * q,
      });
      partsBase += parts;
    }
    const values = await queue.read(buffer, total);
    const norms = new Float64Array(inputs.length);
    let k = 0;
    for (const { which, parts } of plan) for (let part = 0; part < parts; part++) norms[which] += values[k++];
    return norms;
  } finally {
    queue.destroy(buffer);
  }
}
