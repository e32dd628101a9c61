/**
 * Activations as matrices of the kernels' backend: adopted where they are on its device, uploaded otherwise.
 */
import type { Backend, Matrix } from '../kernels/backend.ts';
import type { OutputTensor } from '../runtime/session.ts';
import { elementCount } from '../tensor/shape.ts';

/** A tapped value [.., cols] as a matrix [tokens × cols]. The caller releases it before the tensor. */
export async function toMatrix(backend: Backend, tensor: OutputTensor, cols: number): Promise<Matrix> {
  const rows = elementCount(tensor.dims) / cols;
  if (!Number.isInteger(rows)) {
    throw new RangeError(`A value of shape [${tensor.dims.join(', ')}] cannot be cut into rows of ${cols}.`);
  }
  if (tensor.buffer && backend.adopt) return backend.adopt(tensor.buffer, rows, cols);
  return backend.upload((await tensor.read()) as Float32Array, rows, cols);
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
