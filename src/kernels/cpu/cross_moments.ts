/**
 * Twin of shaders/cross_moments.wgsl: C [p × q] += Σ_t (x_t − sx)(y_t − sy)ᵀ for X [T × p], Y [T × q].
 *
 * Two ways: panels in f64 (the oracle), or an injected f32 product whose result is added in f64. Each feature
 * matrix is shifted and packed once a batch, however many pairs use it; a batch is cut into runs of rows so
 * that the packed copies stay small.
 */
import type { Gemm } from '../backend.ts';
import { addProduct, type Panels, packColumns } from './panels.ts';

/** Bytes that the packed copies of one run of rows may take, and the fewest rows worth a product. */
const PACKED_BYTES = 64 * 2 ** 20;
const FEWEST_ROWS = 64;

/** Rows to take at once of feature matrices with `columns` columns in total. */
export function rowsPerRun(columns: number, bytesPerElement: number): number {
  return Math.max(FEWEST_ROWS, Math.floor(PACKED_BYTES / (columns * bytesPerElement)));
}

/** A run of rows of one feature matrix, shifted: as panels for the JavaScript product, as f32 for a fast one. */
export type Shifted = { readonly panels: Panels } | { readonly values: Float32Array; readonly cols: number };

export function shiftRun(
  x: Float32Array,
  cols: number,
  first: number,
  count: number,
  shift: Float64Array,
  fast: boolean,
): Shifted {
  if (!fast) return { panels: packColumns(x, cols, first, count, shift) };
  const values = new Float32Array(count * cols);
  const base = first * cols;
  for (let t = 0, k = 0; t < count; t++) {
    for (let c = 0; c < cols; c++, k++) values[k] = x[base + k] - shift[c];
  }
  return { values, cols };
}

export async function addCrossMoments(
  cross: Float64Array,
  x: Shifted,
  y: Shifted,
  gemm: Gemm | undefined,
): Promise<void> {
  if ('panels' in x && 'panels' in y) {
    addProduct(cross, x.panels, y.panels);
  } else if ('values' in x && 'values' in y && gemm !== undefined) {
    const product = await gemm(x.values, x.values.length / x.cols, x.cols, y.values, y.cols, true, false);
    if (product.length !== cross.length) throw new Error('The injected product has a wrong length.');
    for (let k = 0; k < cross.length; k++) cross[k] += product[k];
  } else {
    throw new Error('Two runs of rows were prepared in different ways.');
  }
}
