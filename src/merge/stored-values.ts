/**
 * Merged f32 values as the file keeps them: in its element type and in the stored tensor's own layout.
 */
import type { StoredTensor } from '../flatten/types.ts';
import type { NewTensor } from '../onnx/types.ts';
import { DataType, dataTypeName } from '../tensor/dtype.ts';
import { toBfloat16, toHalf } from '../tensor/half.ts';

/**
 * Values as raw little-endian bytes of an element type, rounded to nearest, ties to even.
 * @throws RangeError for types that are not floating-point
 */
export function encodeFloats(values: Float32Array, dataType: number): Uint8Array<ArrayBuffer> {
  switch (dataType) {
    case DataType.float:
      return new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength);
    case DataType.float16:
      return new Uint8Array(Uint16Array.from(values, toHalf).buffer);
    case DataType.bfloat16:
      return new Uint8Array(Uint16Array.from(values, toBfloat16).buffer);
    case DataType.double:
      return new Uint8Array(Float64Array.from(values).buffer);
    default:
      throw new RangeError(
        `Merged values cannot be written as ${dataTypeName(dataType) ?? `type ${dataType}`}.`,
      );
  }
}

/** A tensor with the same name, type and shape and other contents. */
export function withData(tensor: StoredTensor['tensor'], data: Uint8Array): NewTensor {
  const { name, dataType, dims } = tensor;
  return { name, dataType, dims, data };
}
