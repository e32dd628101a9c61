/**
 * Activations as matrices of the kernels' backend: adopted where they are on its device, uploaded otherwise.
 */
import type { Padding } from '../data/dataset.ts';
import type { Backend, Matrix } from '../kernels/backend.ts';
import type { OutputTensor } from '../runtime/session.ts';
import { elementCount } from '../tensor/shape.ts';

/**
 * A tapped value [.., cols] as a matrix [tokens × cols]. The caller releases it before the tensor.
 * @param padding rows that fill a batch up are left out where a side has as many rows as the value; where both have,
 *   only rows that are real on both stay. A value of neither side that happens to have as many loses those rows too:
 *   it is measured on fewer rows, all of them real.
 */
export async function toMatrix(
  backend: Backend,
  tensor: OutputTensor,
  cols: number,
  padding?: Padding,
): Promise<Matrix> {
  const rows = rowsOf(tensor, cols);
  if (padding && masksOf(padding, rows).length > 0) {
    const kept = await toRows(tensor, cols, padding);
    return backend.upload(kept, kept.length / cols, cols);
  }
  if (tensor.buffer && backend.adopt) return backend.adopt(tensor.buffer, rows, cols);
  return backend.upload((await tensor.read()) as Float32Array, rows, cols);
}

/** The same as values in CPU memory, row-major [tokens × cols], the caller's own. */
export async function toRows(tensor: OutputTensor, cols: number, padding?: Padding): Promise<Float32Array> {
  const masks = padding ? masksOf(padding, rowsOf(tensor, cols)) : [];
  const values = (await tensor.read()) as Float32Array;
  if (masks.length === 0) return values.slice();
  return realRows(values, cols, (row) => masks.every((isReal) => isReal(row)));
}

function rowsOf({ dims }: OutputTensor, cols: number): number {
  const rows = elementCount(dims) / cols;
  if (Number.isInteger(rows)) return rows;
  throw new RangeError(`A value of shape [${dims.join(', ')}] cannot be cut into rows of ${cols}.`);
}

/** Tests of rows that fit a value of so many rows. */
function masksOf({ items, encoder, decoder }: Padding, rows: number): ((row: number) => boolean)[] {
  const sides = [encoder, decoder].filter((mask) => mask?.length === rows);
  const tests = sides.map((mask) => (row: number) => mask![row] !== 0);
  if (!items || rows % items.length !== 0) return tests;
  return [...tests, (row) => items[Math.floor((row * items.length) / rows)] !== 0];
}

function realRows(values: Float32Array, cols: number, isReal: (row: number) => boolean): Float32Array {
  const rows = Array.from({ length: values.length / cols }, (_, row) => row).filter(isReal);
  const out = new Float32Array(rows.length * cols);
  rows.forEach((row, k) => {
    out.set(values.subarray(row * cols, (row + 1) * cols), k * cols);
  });
  return out;
}

/** The same value with the axis of its features, counted from the end, moved to the end; read through the CPU. */
export function featuresLast(tensor: OutputTensor, axis: number): OutputTensor {
  const { type, dims } = tensor;
  const at = dims.length + axis;
  const [features, inner] = [dims[at], elementCount(dims.slice(at + 1))];
  const moved = async () => {
    const values = (await tensor.read()) as Float32Array;
    const out = new Float32Array(values.length);
    for (let i = 0; i < values.length; i++) {
      const position = i % inner;
      const feature = Math.floor(i / inner) % features;
      out[i - position - feature * inner + position * features + feature] = values[i];
    }
    return out;
  };
  let data: Promise<Float32Array> | undefined;
  return {
    type,
    dims: [...dims.slice(0, at), ...dims.slice(at + 1), features],
    read: () => {
      data ??= moved();
      return data;
    },
    release: () => tensor.release(),
  };
}
