/**
 * Twin of shaders/matmul.wgsl: out [m × n] (+)= alpha · op(A)·op(B), in f64; products large enough go to an
 * injected f32 one (onnxruntime's), in slices, so that an abort can come between.
 */
import type { MatmulOptions } from '../algebra.ts';
import type { MatmulShape } from '../algebra-shapes.ts';
import type { Gemm } from '../backend.ts';
import { addProduct, packColumns, packRows, panelRange } from './panels.ts';

/** FLOPs from which an injected product is worth its call, and those that one call may take. */
export interface GemmLimits {
  readonly fewest: number;
  readonly most: number;
}

const GEMM_LIMITS: GemmLimits = { fewest: 1e6, most: 2e10 };
/** Rows of the result that the JavaScript product makes between pauses. */
const ROWS_AT_ONCE = 256;

export interface Operand {
  readonly values: Float32Array;
  /** As stored, before a transposition. */
  readonly rows: number;
  readonly cols: number;
}

export async function matmul(
  out: Float32Array,
  a: Operand,
  b: Operand,
  shape: MatmulShape,
  options: MatmulOptions,
  gemm: Gemm | undefined,
  pause: () => Promise<void>,
  limits = GEMM_LIMITS,
): Promise<void> {
  const { m, n, k } = shape;
  if (gemm !== undefined && 2 * m * n * k >= limits.fewest) {
    await bySlices(out, a, b, shape, options, gemm, pause, limits.most);
    return;
  }
  const { alpha = 1, transposeA, transposeB } = options;
  if (!options.accumulate) out.fill(0);
  const left = transposeA ? packColumns(a.values, m, 0, k, null) : packRows(a.values, k, 0, m, null);
  const right = transposeB ? packRows(b.values, k, 0, n, null) : packColumns(b.values, n, 0, k, null);
  for (let first = 0; first < m; first += ROWS_AT_ONCE) {
    const count = Math.min(ROWS_AT_ONCE, m - first);
    const sums = new Float64Array(count * n);
    addProduct(sums, panelRange(left, first, count), right);
    addScaled(out, first * n, sums, alpha);
    await pause();
  }
}

/** Cuts the stored rows of A: rows of the result, or where A is transposed, terms of the sums. */
async function bySlices(
  out: Float32Array,
  a: Operand,
  b: Operand,
  { m, n, k }: MatmulShape,
  { alpha = 1, transposeA = false, transposeB = false, accumulate = false }: MatmulOptions,
  gemm: Gemm,
  pause: () => Promise<void>,
  most: number,
): Promise<void> {
  // The terms of a transposed B are its columns, which cannot be cut without a copy.
  const whole = transposeA && transposeB;
  const step = whole ? a.rows : Math.max(64, Math.floor((most / (2 * m * n * k)) * a.rows));
  for (let first = 0; first < a.rows; first += step) {
    const count = Math.min(step, a.rows - first);
    const left = a.values.subarray(first * a.cols, (first + count) * a.cols);
    const right =
      transposeA && !whole ? b.values.subarray(first * b.cols, (first + count) * b.cols) : b.values;
    const product = await gemm(left, count, a.cols, right, b.cols, transposeA, transposeB);
    if (product.length !== (transposeA ? m : count) * n) {
      throw new Error('The injected product has a wrong length.');
    }
    const base = transposeA ? 0 : first * n;
    if (accumulate || (transposeA && first > 0)) addScaled(out, base, product, alpha);
    else if (alpha === 1) out.set(product, base);
    else for (let i = 0; i < product.length; i++) out[base + i] = alpha * product[i];
    await pause();
  }
}

function addScaled(out: Float32Array, base: number, values: ArrayLike<number>, alpha: number): void {
  for (let i = 0; i < values.length; i++) out[base + i] += alpha * values[i];
}
