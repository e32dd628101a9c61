/**
 * Cosines between the weight vectors of the hidden units of two layers: alignment without data.
 *
 * Source: method.md, last section (weight directions help plain FFNs too). A unit's vector is its row of W_in or its
 * column of W_out; where it has several parts (up and gate) the score is the mean of the parts' cosines, which is the
 * inner product of the parts' unit vectors laid end to end and divided by √parts.
 *
 * The product runs on the backend's cross moments, with the d weights of a unit as its samples. Those are centred, so
 * the product of the means is put back: Σ xy = Σ (x−x̄)(y−ȳ) + d·x̄ȳ. Shapes: vectors [d × n], result [n × n];
 * 2·n²·d operations.
 */
import type { Backend } from '../kernels/backend.ts';

/** Unit vectors in columns, row-major [rows × cols]: rows their elements, columns the hidden units. */
export interface UnitVectors {
  readonly rows: number;
  readonly cols: number;
  readonly data: Float32Array;
}

/** A weight matrix, row-major [rows × cols], and which of its axes counts the hidden units. */
export interface WeightPart {
  readonly rows: number;
  readonly cols: number;
  readonly data: Float32Array;
  readonly unitAxis: 0 | 1;
}

/** Rows that are on the device at a time. */
const RUN = 512;

/**
 * The parts' directions, scaled so that the inner product of two columns is the mean of the parts' cosines.
 * A part that is all zero has no direction and stays zero.
 * @throws RangeError where the parts do not have the same units
 */
export function unitVectors(parts: readonly WeightPart[]): UnitVectors {
  const sizeOf = ({ rows, cols, unitAxis }: WeightPart) => (unitAxis === 0 ? [cols, rows] : [rows, cols]);
  const n = parts.length > 0 ? sizeOf(parts[0])[1] : 0;
  if (n === 0 || parts.some((p) => sizeOf(p)[1] !== n)) {
    throw new RangeError('The weights of a layer must have the same hidden units, at least one.');
  }
  const rows = parts.reduce((sum, p) => sum + sizeOf(p)[0], 0);
  const out = new Float32Array(rows * n);
  let first = 0;
  for (const part of parts) {
    const [d] = sizeOf(part);
    const at = (k: number, u: number) => (part.unitAxis === 0 ? u * d + k : k * n + u);
    const square = new Float64Array(n);
    for (let k = 0; k < d; k++) for (let u = 0; u < n; u++) square[u] += part.data[at(k, u)] ** 2;
    const scale = square.map((s) => (s > 0 ? 1 / Math.sqrt(s * parts.length) : 0));
    for (let k = 0; k < d; k++) {
      for (let u = 0; u < n; u++) out[(first + k) * n + u] = part.data[at(k, u)] * scale[u];
    }
    first += d;
  }
  return { rows, cols: n, data: out };
}

/**
 * Inner products of all columns of `a` with all columns of `b`, [a.cols × b.cols], kept in [−1, 1] against rounding.
 * @throws RangeError where the vectors differ in length
 */
export async function innerProducts(
  backend: Backend,
  a: UnitVectors,
  b: UnitVectors,
  signal?: AbortSignal,
): Promise<Float32Array> {
  if (a.rows !== b.rows) {
    throw new RangeError(`Vectors of ${a.rows} and ${b.rows} elements have no inner product.`);
  }
  const moments = backend.createPairMoments([a.cols, b.cols], [[0, 1]]);
  try {
    for (let first = 0; first < a.rows; first += RUN) {
      const count = Math.min(RUN, a.rows - first);
      const run = [a, b].map(({ data, cols }) =>
        backend.upload(data.subarray(first * cols, (first + count) * cols), count, cols),
      );
      try {
        await backend.addPairMoments(moments, run, signal);
        await backend.sync();
      } finally {
        backend.release(...run);
      }
    }
    const centred = await backend.centredCross(moments, 0);
    const out = await backend.read(centred);
    backend.release(centred);
    const meanA = columnMeans(a);
    const meanB = columnMeans(b);
    for (let u = 0, k = 0; u < a.cols; u++) {
      const shift = a.rows * meanA[u];
      for (let v = 0; v < b.cols; v++, k++) out[k] = Math.max(-1, Math.min(1, out[k] + shift * meanB[v]));
    }
    return out;
  } finally {
    backend.release(moments);
  }
}

function columnMeans({ data, rows, cols }: UnitVectors): Float64Array {
  const mean = new Float64Array(cols);
  for (let k = 0; k < rows; k++) for (let u = 0; u < cols; u++) mean[u] += data[k * cols + u];
  return mean.map((sum) => sum / rows);
}
