/**
 * Twin of shaders/gram.wgsl: K [m × m] = (X − s)(X − s)ᵀ of m rows of X [T × d], in f64 (f32 products where a
 * fast product is injected).
 */
import type { Gemm } from '../backend.ts';
import { addProduct, packRows } from './panels.ts';

export async function gram(
  x: Float32Array,
  cols: number,
  first: number,
  count: number,
  shift: Float64Array | null,
  gemm: Gemm | undefined,
): Promise<Float64Array> {
  if (gemm !== undefined) {
    const rows = x.slice(first * cols, (first + count) * cols);
    if (shift !== null) for (let k = 0; k < rows.length; k++) rows[k] -= shift[k % cols];
    return Float64Array.from(await gemm(rows, count, cols, rows, cols, false, true));
  }
  const out = new Float64Array(count * count);
  const panels = packRows(x, cols, first, count, shift);
  addProduct(out, panels, panels, true);
  for (let a = 0; a < count; a++) for (let b = 0; b < a; b++) out[a * count + b] = out[b * count + a];
  return out;
}
