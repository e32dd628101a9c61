/**
 * Twin of shaders/residual.wgsl: R [n × m] = B − A·X − λX, in f64, whose products of f32 are exact.
 */
import { addProduct, packColumns, packRows, panelRange } from './panels.ts';

/** Rows of R between pauses. */
const ROWS_AT_ONCE = 256;

export async function residual(
  a: Float32Array,
  x: Float32Array | Float64Array,
  b: Float32Array | Float64Array,
  n: number,
  m: number,
  lambda: number,
  pause: () => Promise<void>,
): Promise<Float64Array> {
  const out = new Float64Array(n * m);
  const right = packColumns(x, m, 0, n, null);
  for (let first = 0; first < n; first += ROWS_AT_ONCE) {
    const count = Math.min(ROWS_AT_ONCE, n - first);
    const left = packRows(a, n, first, count, null);
    addProduct(out.subarray(first * m, (first + count) * m), panelRange(left, 0, count), right);
    await pause();
  }
  for (let k = 0; k < out.length; k++) out[k] = b[k] - out[k] - lambda * x[k];
  return out;
}

/** Columns from which a residual is measured on random combinations of the columns, that many. */
const COMBINATIONS = 64;

/**
 * ‖B − A·X − λX‖_F / ‖B‖_F. Of more than 64 columns it is estimated (within some 10 %) from 64 combinations of
 * them with random signs, at the cost of 64 columns.
 */
export async function relativeResidual(
  a: Float32Array,
  x: Float32Array,
  b: Float32Array,
  n: number,
  m: number,
  lambda: number,
  pause: () => Promise<void>,
): Promise<number> {
  const norm = (values: ArrayLike<number>) => {
    let sum = 0;
    for (let k = 0; k < values.length; k++) sum += values[k] * values[k];
    return Math.sqrt(sum);
  };
  const few = m <= COMBINATIONS;
  const [left, right, cols] = few ? [x, b, m] : [combine(x, n, m), combine(b, n, m), COMBINATIONS];
  const size = norm(await residual(a, left, right, n, cols, lambda, pause));
  const whole = norm(b);
  return size === 0 ? 0 : size / whole;
}

/** X [n × m] · S/8, with S [m × 64] of fixed pseudo-random signs: keeps the squared norm in the mean. */
function combine(x: Float32Array, n: number, m: number): Float64Array {
  let state = 12345;
  const signs = Float32Array.from({ length: m * COMBINATIONS }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state & 0x80000000 ? 1 : -1) / Math.sqrt(COMBINATIONS);
  });
  const out = new Float64Array(n * COMBINATIONS);
  addProduct(out, packRows(x, m, 0, n, null), packColumns(signs, COMBINATIONS, 0, m, null));
  return out;
}
