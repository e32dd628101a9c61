/** Driver of shaders/residual.wgsl: out = b − a·x − λx, nearly exact. */
import source from '../../../shaders/residual.wgsl?raw';
import type { GpuMatrix } from './matrix.ts';
import { type Shader, shaderConstant } from './pipelines.ts';
import { floatBits, type GpuQueue } from './queue.ts';
import { rowsThatFit, runs, wholeTiles } from './slices.ts';

const shader: Shader = { name: 'residual', source };
const SIDE = shaderConstant(shader, 'SIDE');
const TILE = shaderConstant(shader, 'TILE');
const FLOPS_PER_TERM = 30;

/**
 * @param a [n × n]
 * @param x, b, out [n × m]
 * @throws GpuLimitError where x is over the binding limit.
 */
export async function residual(
  queue: GpuQueue,
  a: GpuMatrix,
  x: GpuMatrix,
  b: GpuMatrix,
  lambda: number,
  out: GpuMatrix,
): Promise<void> {
  const n = a.rows;
  const m = b.cols;
  const whole = queue.elements(x.data, 0, n * m, 'The solution of a linear system');
  const flopsPerRow = FLOPS_PER_TERM * n * Math.ceil(m / TILE) * TILE;
  const most = Math.min(
    wholeTiles(rowsThatFit(queue.maxBindingBytes, Math.max(n, m)), SIDE),
    Math.max(1, Math.min(Math.floor(queue.maxFlops / (flopsPerRow * SIDE)), queue.maxWorkgroups)) * SIDE,
  );
  for (const { first, count } of runs(n, most)) {
    const rows = queue.elements(a.data, first * n, count * n, 'A row of a linear system');
    const right = queue.elements(b.data, first * m, count * m, 'A row of a linear system');
    const to = queue.elements(out.data, first * m, count * m, 'A row of a linear system');
    await queue.dispatch({
      shader,
      params: [n, m, first, count, rows.base, whole.base, right.base, to.base, floatBits(lambda), 0],
      bindings: [rows.binding, whole.binding, right.binding, to.binding],
      workgroups: [Math.ceil(m / TILE), Math.ceil(count / SIDE)],
      flops: flopsPerRow * count,
    });
  }
}
