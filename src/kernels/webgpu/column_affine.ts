/** Driver of shaders/column_affine.wgsl: x · scale + shift, one of each a column. */
import source from '../../../shaders/column_affine.wgsl?raw';
import type { GpuMatrix } from './matrix.ts';
import { type Shader, shaderConstant } from './pipelines.ts';
import type { GpuQueue } from './queue.ts';
import { type Run, rowsThatFit, runs } from './slices.ts';

const shader: Shader = { name: 'column_affine', source };
const SIDE = shaderConstant(shader, 'SIDE');

/**
 * @param rows of x.
 * @param out [· × cols], from its first row on; may be x where all rows are taken and there is a scale or a shift.
 */
export async function columnAffine(
  queue: GpuQueue,
  x: GpuMatrix,
  rows: Run,
  scale: GpuMatrix | null,
  shift: GpuMatrix | null,
  out: GpuMatrix,
): Promise<void> {
  const { cols } = x;
  const most = Math.min(
    rowsThatFit(queue.maxBindingBytes, cols),
    queue.maxFlops / (3 * cols),
    queue.maxWorkgroups * SIDE,
  );
  const inPlace = x === out;
  for (const { first, count } of runs(rows.count, most)) {
    const to = queue.elements(out.data, first * cols, count * cols, 'A row of a matrix');
    const given = inPlace
      ? null
      : queue.elements(x.data, (rows.first + first) * cols, count * cols, 'A row of a matrix');
    // What is not there is not read; something other than the result has to be bound all the same.
    const spare = given?.binding ?? { buffer: (scale ?? shift)!.data };
    await queue.dispatch({
      shader,
      params: [
        count,
        cols,
        given?.base ?? 0,
        to.base,
        Number(scale !== null),
        Number(shift !== null),
        Number(inPlace),
      ],
      bindings: [
        spare,
        scale ? { buffer: scale.data } : spare,
        shift ? { buffer: shift.data } : spare,
        to.binding,
      ],
      workgroups: [Math.ceil(cols / SIDE), Math.ceil(count / SIDE)],
      flops: 3 * count * cols,
    });
  }
}
