/** Driver of shaders/reduce.wgsl: sums of values, products or squared errors down columns or along rows. */
import source from '../../../shaders/reduce.wgsl?raw';
import type { GpuMatrix } from './matrix.ts';
import { type Shader, shaderConstant } from './pipelines.ts';
import type { GpuQueue } from './queue.ts';
import { rowsThatFit, runs } from './slices.ts';

const shader: Shader = { name: 'reduce', source };
const SIDE = shaderConstant(shader, 'SIDE');

/** In the order of the shader's numbers. */
const TERMS = ['value', 'product', 'square'] as const;
export type Term = (typeof TERMS)[number];

/**
 * @param y of the shape of x, or one row of it; null for none.
 * @param out [1 × cols] or [rows × 1]
 */
export async function reduce(
  queue: GpuQueue,
  term: Term,
  along: 'columns' | 'rows',
  x: GpuMatrix,
  y: GpuMatrix | null,
  out: GpuMatrix,
  accumulate: boolean,
): Promise<void> {
  const { rows, cols } = x;
  const byRows = along === 'rows';
  const isRow = y !== null && y.rows === 1;
  const most = Math.min(
    rowsThatFit(queue.maxBindingBytes, cols),
    queue.maxFlops / (3 * cols),
    byRows ? queue.maxWorkgroups * SIDE : rows,
  );
  for (const { first, count } of runs(rows, most)) {
    const from = queue.elements(x.data, first * cols, count * cols, 'A row of a matrix');
    const other =
      y === null
        ? from
        : queue.elements(y.data, isRow ? 0 : first * cols, (isRow ? 1 : count) * cols, 'A row of a matrix');
    const to = queue.elements(out.data, byRows ? first : 0, byRows ? count : cols, 'Sums');
    await queue.dispatch({
      shader,
      params: [
        count,
        cols,
        Number(byRows),
        TERMS.indexOf(term),
        y === null ? 2 : Number(isRow),
        Number(accumulate || (!byRows && first > 0)),
        from.base,
        other.base,
        to.base,
      ],
      bindings: [from.binding, other.binding, to.binding],
      workgroups: [Math.ceil((byRows ? count : cols) / SIDE)],
      flops: 3 * count * cols,
    });
  }
}
