/**
 * Sums of products over rows: S [p × q] += weight · XᵀY, S in f64 (twin of webgpu/algebra.ts, addCrossSums).
 *
 * Small products are f64 throughout; larger ones go to the injected f32 product, in runs of rows that are added in f64.
 */
import type { Gemm } from '../backend.ts';
import type { Operand } from './matmul.ts';
import { addProduct, packColumns } from './panels.ts';

/** Rows of one product: f32 sums of no more terms, and packed copies that stay small. */
const ROWS_PER_RUN = 1024;
/** FLOPs from which an injected product is worth its call. */
const FEWEST_FLOPS = 1e6;

/** @param y the same object as x for the symmetric product. */
export async function addCrossSums(
  sums: Float64Array,
  x: Operand,
  y: Operand,
  weight: number,
  gemm: Gemm | undefined,
  pause: () => Promise<void>,
): Promise<void> {
  const [p, q] = [x.cols, y.cols];
  const fast = gemm !== undefined && 2 * x.rows * p * q >= FEWEST_FLOPS ? gemm : null;
  const part = fast ? null : new Float64Array(p * q);
  for (let first = 0; first < x.rows; first += ROWS_PER_RUN) {
    const count = Math.min(ROWS_PER_RUN, x.rows - first);
    if (fast) {
      const rowsOf = (m: Operand) => m.values.subarray(first * m.cols, (first + count) * m.cols);
      const product = await fast(rowsOf(x), count, p, rowsOf(y), q, true, false);
      if (product.length !== sums.length) throw new Error('The injected product has a wrong length.');
      for (let k = 0; k < sums.length; k++) sums[k] += weight * product[k];
    } else {
      const left = packColumns(x.values, p, first, count, null);
      const right = x === y ? left : packColumns(y.values, q, first, count, null);
      addProduct(part!, left, right, x === y);
    }
    await pause();
  }
  if (!part) return;
  for (let i = 0; i < p; i++) {
    for (let j = 0; j < q; j++) {
      // A symmetric product is made on and above the diagonal only.
      sums[i * q + j] += weight * (x === y && j < i ? part[j * q + i] : part[i * q + j]);
    }
  }
}
