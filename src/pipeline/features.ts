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
